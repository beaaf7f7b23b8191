"""The tables of phases that do not put a new release into service.

The way back, what is left of an interrupted deployment, and the removal of groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.core.deploy.gates.all_healthy import AllHealthy
from pipeline.core.deploy.gates.all_in_service import AllInService
from pipeline.core.deploy.gates.deleted import Deleted, RemovedLater
from pipeline.core.deploy.gates.drained import Drained, Leaving, Stopped, Stopping
from pipeline.core.deploy.gates.half_healthy import HalfHealthy
from pipeline.core.deploy.gates.verified import Verified
from pipeline.core.deploy.phase import ALL, ENTRIES, Fleet, Manner, Phase
from pipeline.core.deploy.phases import promotion
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
)


def rollback(blue: str, green: str, fleet: Fleet, how: Manner = ENTRIES) -> list[Phase]:
    """Return the phases from any fleet on the way of a promotion back to `blue` without `green`.

    A blue that served all along need not be completely healthy: the pipeline did not change it.
    It only grows where it is smaller than a green that serves. Without a blue or a green, the
    group was deleted outside the pipeline, and its phase is left out. An adopted green stays.
    """
    served = blue in fleet.serving
    whole = how.batches is not None
    back = HalfHealthy(blue, green, whole) if served else AllHealthy(blue, least=green)
    greens = frozenset({green} - {""})
    restored = replace(fleet.serve(blue) if blue else fleet, shares={}, tested="")
    if how.pairs and (blue or green):
        restored = restored.share(blue, ALL, green)
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


def removing_later(phases: Sequence[Phase]) -> list[Phase]:
    """Return the phases, of which the last one leaves what it would delete to a later command.

    If a group leaves its traffic directly before, they end once it gets no more of it.
    """
    *before, last = phases
    if not isinstance(last.gate, Deleted) or not last.gate.unwanted:
        return list(phases)
    if before and isinstance(leaves := before[-1].gate, Drained):
        gate = Stopping if isinstance(leaves, Stopped) else Leaving
        before[-1] = replace(before[-1], gate=gate(*leaves.names))
    return [*before, replace(last, gate=RemovedLater(last.gate.unwanted))]


def takeover(blue: str, green: str, *, warm: Sequence[str], how: Manner = ENTRIES) -> list[Phase]:
    """Return the phases that let `green` serve where `blue` was deleted: there is no way back."""
    want = Fleet(serving=frozenset({green}), detached=frozenset(warm) | {blue})
    want = want.share(green, ALL, "") if how.pairs else want
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


def late_removal(
    serving: str, others: Iterable[str], unwanted: Iterable[str], how: Manner = ENTRIES
) -> list[Phase]:
    """Return the phases that delete groups which may still be draining."""
    deleted, rest = frozenset(unwanted), frozenset(others)
    want = Fleet(serving=frozenset({serving} - {""}), detached=rest | deleted)
    gate = Stopped if how.worker else Drained
    return [
        Phase("drain", want, gate(*sorted(deleted)), HOLD | DRAINS),
        *removal(serving, rest, deleted),
    ]


def destruction(unwanted: Iterable[str], how: Manner = ENTRIES, *, keeps: str = "") -> list[Phase]:
    """Return the phases that drain and delete groups, also a serving one: a person confirmed it.

    `keeps` is the adopted release that serves, if one does.
    """
    deleted = frozenset(unwanted)
    return late_removal(keeps, deleted, deleted, how)


def drill(
    blue: str, green: str, others: Iterable[str], how: Manner = ENTRIES, *, warm: bool = False
) -> list[Phase]:
    """Return the phases that try `green` beside `blue` without new requests, and remove it again.

    Behind pairs it joins the idle target groups, for their health checks and the test listener. A
    `warm` green exists already and stays.
    """
    spare = frozenset(others)
    beside = Fleet(serving=frozenset({blue}), detached=spare | {green})
    idle = replace(beside.serve(green).share(green, 0, blue), tested=green)
    # fmt: off
    table = [
        Phase("launch", beside, AllInService(green),     ROLL_BACK | CREATES | DETACHED),
        Phase("attach", idle,   AllHealthy(green, blue), ROLL_BACK),
        Phase("verify", idle if how.pairs else beside, Verified(green), ROLL_BACK | DETACHED),
    ]
    # fmt: on
    forward = [phase for phase in table if how.pairs or phase.name != "attach"]
    return [*forward, *drill_end(blue, green, spare, how, warm=warm)]


def drill_end(
    blue: str, green: str, others: Iterable[str], how: Manner = ENTRIES, *, warm: bool = False
) -> list[Phase]:
    """Return the phases that remove the green of a drill; a `warm` one only leaves the pairs."""
    end = Fleet(serving=frozenset({blue}), detached=frozenset(others))
    alone = replace(end, detached=end.detached | {green})
    alone = replace(alone.share(green, 0, blue), tested=blue)
    # fmt: off
    table = [
        Phase("detach", alone, Drained(green),                HOLD | BACK | DRAINS),
        Phase("delete", end,   Deleted(frozenset({green})),   HOLD | BACK | DELETES),
    ]
    # fmt: on
    return [*(table[:1] if how.pairs else ()), *(() if warm else table[1:])]


def clearance(
    serving: Iterable[str], others: Iterable[str], unwanted: Iterable[str]
) -> list[Phase]:
    """Return the one phase that deletes the remains of groups that no longer exist.

    `serving` are those of the `others` that receive traffic, though no deployment attached them.
    """
    deleted, serves = frozenset(unwanted), frozenset(serving)
    want = Fleet(serving=serves, detached=frozenset(others) - deleted - serves)
    return [Phase("delete", want, Deleted(deleted), HOLD | BACK | DELETES)]


def after_drain(phases: Sequence[Phase], how: Manner = ENTRIES) -> list[Phase]:
    """Return the phases that follow the one in which blue drains; behind pairs, also that one.

    Requests that were in flight when the weights moved are no part of an observation.
    """
    return [
        each
        for each in phases
        if each.has(DELETES) or (each.has(ALONE) and (how.pairs or not each.has(DRAINS)))
    ]


def decision(phases: Sequence[Phase]) -> list[Phase]:
    """Return the phase that records the decision for green and deletes what is not needed."""
    return [phase for phase in phases if phase.has(DELETES)]
