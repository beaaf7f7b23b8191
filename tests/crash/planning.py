"""Plan the crash runs: each moment of each recorded boundary, and a seeded second kill."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.crash.boundaries import CUT, EFFECT, STOP, STORM, Injection
from tests.crash.case import FIXES, Case
from tests.crash.strategies import parts

BAKE = "bake"
STORMS = range(1, 5)
STOPPED = {
    "": ("attach", "soak", "observe"),
    "flip": ("attach", "shift", "observe"),
    "weight": ("step-1", "shift"),
    "members": ("step-1", "soak"),
    "batches": ("batch-2", "soak"),
}
"""The phases in which a process is suspended, by strategy."""
SURVIVED = ("start ", "exit ", "apply ", "packer ")
"""Boundaries at which a child process runs: the tool is killed once with it and once without it."""
WEIGHTS = {"recover": 6, "again": 3, "rollback": 4, "other": 3, "rebuild": 1}


@dataclass(frozen=True, kw_only=True)
class RecordedScenario:
    """The moments that a clean run of a scenario passed, in order."""

    scenario: str
    kind: str
    store: str
    moments: tuple[str, ...]

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset(each.rpartition(":")[0] for each in self.moments)

    def at(self, kind: str) -> RecordedScenario:
        """Return the moments behind another kind of pair: a rule is changed by another call."""
        if kind != "pair-rule":
            return replace(self, kind=kind)
        calls = "ModifyListener traffic", "ModifyRule traffic"
        return replace(self, kind=kind, moments=tuple(m.replace(*calls) for m in self.moments))


def plan(recorded: Sequence[RecordedScenario], chance: random.Random, double: int) -> list[Case]:
    """Return every run, and `double` runs in which the fixing command is killed, too."""
    found = [case for each in recorded for case in single(each, chance)]
    faults = [
        case
        for each in recorded
        for case in (*faulted(each, chance), *environment_faults(each, chance))
    ]
    recoveries = [each for each in recorded if parts(each.scenario)[0] == "recover"]
    known = {place(each) for each in recoveries}
    again = [each for each in found if place(each) in known]
    times = range(double if again else 0)
    return [
        *found,
        *faults,
        *(with_second_kill(chance.choice(again), recoveries, chance) for _ in times),
    ]


def place(what: RecordedScenario | Case) -> tuple[str, str, str]:
    """Return the strategy, the kind of load balancer and the store: one recovery fits it."""
    return parts(what.scenario)[1], what.kind, what.store


def single(recorded: RecordedScenario, chance: random.Random) -> Iterator[Case]:
    """Yield a run for each moment; where a child runs, one with it and one without it."""
    for moment in recorded.moments:
        alone = [False, True] if moment.startswith(SURVIVED) else [False]
        for each in alone:
            yield Case(
                scenario=recorded.scenario,
                kind=recorded.kind,
                store=recorded.store,
                injection=Injection.named(moment + (":alone" if each else "")),
                fix=fix_of(recorded, chance),
                fresh=may_use_another_machine(recorded) and not each and chance.random() < 0.5,
            )


def may_use_another_machine(recorded: RecordedScenario) -> bool:
    """Return True if another machine may run the fix; the log of a bake is local to its machine.

    Another machine treats a bake as dead only after its timeout (`bake.timeout`).
    """
    return recorded.store == "s3" and recorded.scenario != BAKE


def faulted(recorded: RecordedScenario, chance: random.Random) -> Iterator[Case]:
    """Yield a run for each fault of each boundary: a full disk, one I/O error, a lost response."""
    for name in sorted(recorded.boundaries):
        for fault, lasting in faults_of(name, recorded.moments):
            yield Case(
                scenario=recorded.scenario,
                kind=recorded.kind,
                store=recorded.store,
                injection=Injection(boundary=name, moment=fault, lasting=lasting),
                fix=fix_of(recorded, chance),
            )


def environment_faults(recorded: RecordedScenario, chance: random.Random) -> Iterator[Case]:
    """Yield the runs whose fault has no boundary: failing calls, a suspended process."""
    if recorded.scenario == BAKE:
        return
    kills = [Injection(boundary=f"calls#{seed}", moment=STORM) for seed in STORMS]
    verb, strategy = parts(recorded.scenario)
    if verb == "promote":
        kills += [Injection(boundary=phase, moment=STOP) for phase in STOPPED[strategy]]
    for injection in kills:
        yield Case(
            scenario=recorded.scenario,
            kind=recorded.kind,
            store=recorded.store,
            injection=injection,
            fix=fix_of(recorded, chance),
        )


def faults_of(name: str, moments: Sequence[str]) -> Iterable[tuple[str, bool]]:
    """Return the faults that can be injected at a boundary: of files and of calls."""
    if name.startswith("replace "):
        return [("full", True), ("io", False)]
    if f"{name}:{EFFECT}" in moments and not name.startswith(SURVIVED):
        return [(CUT, False)]
    return []


def with_second_kill(
    case: Case, recoveries: Sequence[RecordedScenario], chance: random.Random
) -> Case:
    """Return a run whose fixing command is killed as well, at a moment of `recover`."""
    like = next(each for each in recoveries if place(each) == place(case))
    return Case(
        scenario=case.scenario,
        kind=case.kind,
        store=case.store,
        injection=case.injection,
        fix=draw_fix(chance),
        second=Injection.named(chance.choice(like.moments)),
    )


def fix_of(recorded: RecordedScenario, chance: random.Random) -> str:
    """Draw the fixing command; after a bake it is the same bake."""
    return "again" if recorded.scenario == BAKE else draw_fix(chance)


def draw_fix(chance: random.Random) -> str:
    names = list(FIXES)
    return chance.choices(names, [WEIGHTS[name] for name in names])[0]
