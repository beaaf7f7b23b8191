"""Which crash runs there are: each moment of each recorded boundary, and a seeded second death."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.crash.boundaries import CUT, EFFECT, STOP, STORM, Death
from tests.crash.case import MENDS, Case

BAKE = "bake"
STORMS = range(1, 5)
SURVIVED = ("start ", "exit ", "apply ", "packer ")
"""Boundaries at which a child runs: the tool dies once with it, once without it."""
WEIGHTS = {"recover": 6, "again": 3, "rollback": 4, "other": 3, "rebuild": 1}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The moments that a clean run of a scenario passed, in their order."""

    scenario: str
    kind: str
    store: str
    moments: tuple[str, ...]

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset(each.rpartition(":")[0] for each in self.moments)


def planned(recorded: Sequence[Recorded], chance: random.Random, double: int) -> list[Case]:
    """Return every run, and so many whose mending dies itself."""
    found = [play for each in recorded for play in single(each, chance)]
    faults = [
        play for each in recorded for play in (*faulted(each, chance), *other_faults(each, chance))
    ]
    mending = [each for each in recorded if each.scenario == "recover"]
    known = {(each.kind, each.store) for each in mending}
    again = [each for each in found if (each.kind, each.store) in known and each.scenario != BAKE]
    times = range(double if again else 0)
    return [*found, *faults, *(twice(chance.choice(again), mending, chance) for _ in times)]


def single(recorded: Recorded, chance: random.Random) -> Iterator[Case]:
    """Give a run for each moment, with the tool's children and, where one runs, without."""
    for moment in recorded.moments:
        alone = [False, True] if moment.startswith(SURVIVED) else [False]
        for each in alone:
            yield Case(
                scenario=recorded.scenario,
                kind=recorded.kind,
                store=recorded.store,
                death=Death.named(moment + (":alone" if each else "")),
                mend=mend_of(recorded, chance),
                fresh=may_be_fresh(recorded) and not each and chance.random() < 0.5,
            )


def may_be_fresh(recorded: Recorded) -> bool:
    """Tell whether another machine may mend: a bake's log is on the one it ran on.

    Another one takes a bake for dead only once its time is over (`bake.timeout`).
    """
    return recorded.store == "s3" and recorded.scenario != BAKE


def faulted(recorded: Recorded, chance: random.Random) -> Iterator[Case]:
    """Give a run for each fault of each boundary: a disk that stays full, one error, a cut."""
    for name in sorted(recorded.boundaries):
        for fault, lasting in faults_of(name, recorded.moments):
            yield Case(
                scenario=recorded.scenario,
                kind=recorded.kind,
                store=recorded.store,
                death=Death(boundary=name, moment=fault, lasting=lasting),
                mend=mend_of(recorded, chance),
            )


def other_faults(recorded: Recorded, chance: random.Random) -> Iterator[Case]:
    """Give the runs whose fault is of no boundary: calls that fail all along, a sleep."""
    if recorded.scenario == BAKE:
        return
    deaths = [Death(boundary=f"calls#{seed}", moment=STORM) for seed in STORMS]
    if recorded.scenario == "promote":
        deaths += [Death(boundary=phase, moment=STOP) for phase in ("attach", "soak", "observe")]
    for death in deaths:
        yield Case(
            scenario=recorded.scenario,
            kind=recorded.kind,
            store=recorded.store,
            death=death,
            mend=mend_of(recorded, chance),
        )


def faults_of(name: str, moments: Sequence[str]) -> Iterable[tuple[str, bool]]:
    """Return what may go wrong at a boundary of ours: files and calls."""
    if name.startswith("replace "):
        return [("full", True), ("io", False)]
    if f"{name}:{EFFECT}" in moments and not name.startswith(SURVIVED):
        return [(CUT, False)]
    return []


def twice(play: Case, mending: Sequence[Recorded], chance: random.Random) -> Case:
    """Have the command that mends die as well, where `recover` could."""
    like = next(each for each in mending if (each.kind, each.store) == (play.kind, play.store))
    return Case(
        scenario=play.scenario,
        kind=play.kind,
        store=play.store,
        death=play.death,
        mend=drawn(chance),
        second=Death.named(chance.choice(like.moments)),
    )


def mend_of(recorded: Recorded, chance: random.Random) -> str:
    """Draw the command that follows; after a bake it is the same one."""
    return "again" if recorded.scenario == BAKE else drawn(chance)


def drawn(chance: random.Random) -> str:
    names = list(MENDS)
    return chance.choices(names, [WEIGHTS[name] for name in names])[0]
