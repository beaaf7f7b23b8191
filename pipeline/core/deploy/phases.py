"""The whole deployment on one screen: each phase's fleet, its gate, and what a failure means.

The deployer performs these tables, `--plan` prints them, and the tests sweep them. Nothing else
decides which phase comes next. Types of the table are built by position, so that each row fits
on one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.gates.all_healthy import AllHealthy
from pipeline.core.deploy.gates.all_in_service import AllInService
from pipeline.core.deploy.gates.base import Gate
from pipeline.core.deploy.gates.deleted import Deleted
from pipeline.core.deploy.gates.drained import Drained, Stopped
from pipeline.core.deploy.gates.half_healthy import HalfHealthy
from pipeline.core.deploy.gates.stays_healthy import StaysHealthy
from pipeline.core.deploy.gates.verified import Verified
from pipeline.core.state.deployment import Place, Policy
from pipeline.core.validation.phases import (
    ALONE,
    BACK,
    CREATES,
    DELETES,
    DETACHED,
    DRAINS,
    HOLD,
    RESTORES,
    ROLL_BACK,
    PhaseTrait,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How groups take over from each other: workers have no load balancers, and may not overlap.

    `adopted` are the releases whose groups are never deleted.
    """

    worker: bool = False
    overlap: bool = True
    adopted: AbstractSet[str] = frozenset()


ENTRIES: Final = Manner()
"""Groups behind load balancers."""


def manner_of(place: Place, policy: Policy, adopted: AbstractSet[str]) -> Manner:
    """Return how groups take over from each other in an environment."""
    return Manner(worker=place.is_worker, overlap=policy.overlap, adopted=adopted)


@dataclass(frozen=True, slots=True)
class Phase:
    """One step: the fleet it wants, the gate that ends it, and what else is special about it."""

    name: str
    want: Fleet
    gate: Gate
    traits: PhaseTrait

    def has(self, trait: PhaseTrait) -> bool:
        """Return True if the phase has a trait."""
        return trait in self.traits

    def decides(self, release: str) -> bool:
        """Return True if the beginning of the phase records that this release serves."""
        return self.has(DELETES) and self.want.serving == {release}

    @property
    def on_failure(self) -> str:
        """What a failure means, in words."""
        return "hold" if self.has(HOLD) else "roll back"


def promotion(
    blue: str, green: str, *, warm: Iterable[str] = (), keep: bool = False, how: Manner = ENTRIES
) -> list[Phase]:
    """Return the phases that put `green` into service in place of `blue` (empty: of nothing).

    `warm` are detached groups of earlier deployments. They stay until green is in service: a
    rollback of blue would need them. `keep` leaves blue warm for a rollback of green.
    """
    if how.worker:
        return _promotion_of_workers(blue, green, warm=warm, keep=keep, how=how)
    blues, spare = frozenset({blue} - {""}), frozenset(warm)
    beside = Fleet(serving=blues, detached=spare | {green})
    both = beside.serve(green)
    over = Fleet(serving=frozenset({green}), detached=spare | blues)
    stays = (blues if keep else frozenset()) | (over.detached & how.adopted)
    end = Fleet(serving=frozenset({green}), detached=stays)
    # fmt: off
    table = [
        Phase("launch",  beside, AllInService(green),               ROLL_BACK | CREATES | DETACHED),
        Phase("verify",  beside, Verified(green),                   ROLL_BACK | DETACHED),
        Phase("attach",  both,   AllHealthy(green, least=blue),     ROLL_BACK),
        Phase("soak",    both,   StaysHealthy(green, "soak", blue), ROLL_BACK),
        Phase("drain",   over,   Drained(blue),                     ROLL_BACK | ALONE | DRAINS),
        Phase("observe", over,   StaysHealthy(green, "observe"),    ROLL_BACK | ALONE),
        Phase("retire",  end,    Deleted(over.all - end.all),       HOLD | DELETES),
    ]
    # fmt: on
    return [phase for phase in table if blue or not phase.has(ALONE)]


def _promotion_of_workers(
    blue: str, green: str, *, warm: Iterable[str], keep: bool, how: Manner
) -> list[Phase]:
    """Return the phases of a service without load balancers: a group serves while it runs.

    Without `overlap`, blue stops before green starts, and no release serves until green runs.
    """
    blues, spare = frozenset({blue} - {""}), frozenset(warm)
    over = Fleet(serving=frozenset({green}), detached=spare | blues)
    both = Fleet(serving=blues | {green}, detached=spare)
    none = Fleet(detached=both.all)
    stays = (blues if keep else frozenset()) | (over.detached & how.adopted)
    end = Fleet(serving=frozenset({green}), detached=stays)
    beside, least = (both, blue) if how.overlap else (over, "")
    # fmt: off
    table = [
        Phase("drain",   none,  Stopped(blue),                      ROLL_BACK | ALONE | DRAINS),
        Phase("launch",  beside, AllHealthy(green, least=least),    ROLL_BACK | CREATES | DETACHED),
        Phase("verify",  beside, Verified(green),                   ROLL_BACK | DETACHED),
        Phase("soak",    both,  StaysHealthy(green, "soak", blue),  ROLL_BACK),
        Phase("drain",   over,  Stopped(blue),                      ROLL_BACK | ALONE | DRAINS),
        Phase("observe", over,  StaysHealthy(green, "observe"),     ROLL_BACK | ALONE),
        Phase("retire",  end,   Deleted(over.all - end.all),        HOLD | DELETES),
    ]
    # fmt: on
    rows = table[1:] if how.overlap else [*table[:3], *table[5:]]
    return [phase for phase in rows if blue or not phase.has(ALONE)]


def rollback(blue: str, green: str, fleet: Fleet, how: Manner = ENTRIES) -> list[Phase]:
    """Return the phases from any fleet on the way of a promotion back to `blue` without `green`.

    A blue that served all along need not be completely healthy: the pipeline did not change it.
    It only grows where it is smaller than a green that serves. Without a blue or a green, the
    group was deleted outside the pipeline, and its phase is left out. An adopted green stays.
    """
    served = blue in fleet.serving
    back = HalfHealthy(blue, other=green) if served else AllHealthy(blue, least=green)
    restored = fleet.serve(blue) if blue else fleet
    greens = frozenset({green} - {""})
    alone = replace(
        restored, serving=restored.serving - greens, detached=restored.detached | greens
    )
    unwanted = greens - how.adopted
    end = replace(alone, detached=alone.detached - unwanted)
    leaves = Stopped(green) if how.worker else Drained(green)
    # fmt: off
    table = [
        Phase("reattach", restored, back,              HOLD | BACK | RESTORES),
        Phase("detach",   alone,    leaves,            HOLD | BACK | DRAINS),
        Phase("delete",   end,      Deleted(unwanted), HOLD | BACK | DELETES),
    ]
    # fmt: on
    if not how.overlap:  # green stops before blue starts again
        first = Fleet(serving=fleet.serving - greens, detached=fleet.detached | greens)
        table[:2] = [replace(table[1], want=first), replace(table[0], want=alone)]
    needed = {RESTORES: blue, DRAINS: green}
    absent = [trait for trait, release in needed.items() if not release]
    return [phase for phase in table if not any(phase.has(trait) for trait in absent)]


def takeover(blue: str, green: str, *, warm: Sequence[str], how: Manner = ENTRIES) -> list[Phase]:
    """Return the phases that let `green` serve where `blue` was deleted: there is no way back."""
    want = Fleet(serving=frozenset({green}), detached=frozenset(warm) | {blue})
    return [
        Phase("attach", want, AllHealthy(green), HOLD | RESTORES),
        *decision(
            promotion(blue, green, warm=warm, how=replace(how, adopted=how.adopted - {blue}))
        ),
    ]


def removal(serving: str, others: Iterable[str], unwanted: Iterable[str]) -> list[Phase]:
    """Return the one phase that deletes detached groups and keeps the serving one."""
    deleted = frozenset(unwanted)
    want = Fleet(serving=frozenset({serving} - {""}), detached=frozenset(others) - deleted)
    return [Phase("retire", want, Deleted(deleted), HOLD | DELETES)]


def destruction(unwanted: Iterable[str], how: Manner = ENTRIES, *, keeps: str = "") -> list[Phase]:
    """Return the phases that drain and delete groups, also a serving one: a person confirmed it.

    `keeps` is the adopted release that serves, if one does.
    """
    deleted = frozenset(unwanted)
    want = Fleet(serving=frozenset({keeps} - {""}), detached=deleted)
    drain = Stopped(*sorted(deleted)) if how.worker else Drained(*sorted(deleted))
    return [
        Phase("drain", want, drain, HOLD | DRAINS),
        *removal(keeps, deleted, deleted),
    ]


def clearance(
    serving: Iterable[str], others: Iterable[str], unwanted: Iterable[str]
) -> list[Phase]:
    """Return the one phase that deletes the remains of groups that no longer exist.

    `serving` are those of the `others` that receive traffic, though no deployment attached them.
    """
    deleted, serves = frozenset(unwanted), frozenset(serving)
    want = Fleet(serving=serves, detached=frozenset(others) - deleted - serves)
    return [Phase("delete", want, Deleted(deleted), HOLD | BACK | DELETES)]


def after_drain(phases: Sequence[Phase]) -> list[Phase]:
    """Return the phases that follow the one in which blue drains."""
    return [each for each in phases if each.has(DELETES) or _waits_alone(each)]


def _waits_alone(phase: Phase) -> bool:
    return phase.has(ALONE) and not phase.has(DRAINS)


def decision(phases: Sequence[Phase]) -> list[Phase]:
    """Return the phase that records the decision for green and deletes what is not needed."""
    return [phase for phase in phases if phase.has(DELETES)]
