"""The whole deployment on one screen: each phase's fleet, what it waits for, what a fault means.

`promotion()` and `rollback()` are read by the deployer, which performs them, by `--plan`, which
prints them, and by the tests, which sweep them. Nothing else decides what comes next. Types of
the table are built by position, so that it can be read as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from pipeline.core.deploy.fleet import Fleet


class Recovery(Enum):
    """What a fault in a phase means."""

    ROLL_BACK = "roll back"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class AllInService:
    """Every member of the group is InService on its launch template version."""

    release: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The environment's verify hooks passed."""

    release: str


@dataclass(frozen=True, slots=True)
class AllHealthy:
    """Every member is healthy in every load balancer, some looks in a row.

    `least` names the release whose live size the group must have first.
    """

    release: str
    least: str = ""


@dataclass(frozen=True, slots=True)
class HalfHealthy:
    """At least half of the members are healthy in every load balancer, or none of another's is.

    For blue that served all along: a member of its own that is ill is no reason to keep a green
    that failed (spinnaker/deck#4144). A blue that is ill as a whole keeps no `other` either that
    serves nobody: else there would be no way out of a promotion that could not mend it. Where
    the other serves somebody and blue shrank meanwhile, blue is raised to the other's live size
    first, and waited for through half of the phase's time (flagger#869).
    """

    release: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class StaysHealthy:
    """Still so after a pause of the environment's (`soak` or `observe`), alarms quiet.

    `least` as for `AllHealthy`.
    """

    release: str
    pause: str
    least: str = ""


@dataclass(frozen=True, slots=True)
class Drained:
    """No member of the group is a target any more."""

    release: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The groups are no more."""

    releases: frozenset[str]


Gate = AllInService | Verified | AllHealthy | HalfHealthy | StaysHealthy | Drained | Deleted


@dataclass(frozen=True, slots=True)
class Phase:
    """One step: the fleet it wants, what it waits for, what a fault in it means."""

    name: str
    want: Fleet
    until: Gate
    on_fault: Recovery


_ROLL_BACK, _HOLD = Recovery.ROLL_BACK, Recovery.HOLD


def promotion(
    blue: str, green: str, *, warm: Iterable[str] = (), keep: bool = False
) -> list[Phase]:
    """Return the phases that put `green` into service in the place of `blue` (empty: of nothing).

    `warm` are dark groups of earlier deployments: they stay until green is in service, for
    they are what a rollback of blue would need. `keep` leaves blue warm for a rollback of green.
    """
    blues, spare = frozenset({blue} - {""}), frozenset(warm)
    beside = Fleet(serving=blues, detached=spare | {green})
    both = beside.serve(green)
    over = Fleet(serving=frozenset({green}), detached=spare | blues)
    end = Fleet(serving=frozenset({green}), detached=blues if keep else frozenset())
    # fmt: off
    table = [
        Phase("launch",  beside, AllInService(green),                   _ROLL_BACK),
        Phase("verify",  beside, Verified(green),                 _ROLL_BACK),
        Phase("attach",  both,   AllHealthy(green, least=blue),      _ROLL_BACK),
        Phase("soak",    both,   StaysHealthy(green, "soak", blue),     _ROLL_BACK),
        Phase("drain",   over,   Drained(blue),                   _ROLL_BACK),
        Phase("observe", over,   StaysHealthy(green, "observe"),        _ROLL_BACK),
        Phase("retire",  end,    Deleted(over.all - end.all),        _HOLD),
    ]
    # fmt: on
    return [phase for phase in table if blue or phase.name not in {"drain", "observe"}]


def removal(serving: str, others: Iterable[str], gone: Iterable[str]) -> list[Phase]:
    """Return the one phase that removes groups that serve nothing, beside the one that does."""
    unwanted = frozenset(gone)
    want = Fleet(serving=frozenset({serving} - {""}), detached=frozenset(others) - unwanted)
    return [Phase("retire", want, Deleted(unwanted), _HOLD)]


def rollback(blue: str, green: str, fleet: Fleet) -> list[Phase]:
    """Return the phases from any fleet on the way of a promotion back to `blue` without `green`.

    A blue that served all along is not asked to be whole: it is not ours. It is only raised where
    it is smaller than a green that serves. Without a green there is nothing to withdraw: what
    served was deleted by somebody, and only a group that is there is put into service.
    """
    back = (
        HalfHealthy(blue, other=green) if blue in fleet.serving else AllHealthy(blue, least=green)
    )
    restored = fleet.serve(blue) if blue else fleet
    greens = frozenset({green} - {""})
    alone = replace(
        restored, serving=restored.serving - greens, detached=restored.detached | greens
    )
    end = replace(alone, detached=alone.detached - greens)
    # fmt: off
    table = [
        Phase("reattach",  restored, back,                           _HOLD),
        Phase("detach", alone,    Drained(green),                 _HOLD),
        Phase("delete",   end,      Deleted(greens),                   _HOLD),
    ]
    # fmt: on
    idle = {"reattach": not blue, "detach": not green}
    return [phase for phase in table if not idle.get(phase.name)]


def clearance(serving: Iterable[str], others: Iterable[str], gone: Iterable[str]) -> list[Phase]:
    """Return the one phase that takes away what is left of groups that are gone.

    `serving` are those of the `others` that take traffic, though no deployment put them there.
    """
    unwanted, serves = frozenset(gone), frozenset(serving)
    want = Fleet(serving=serves, detached=frozenset(others) - unwanted - serves)
    return [Phase("delete", want, Deleted(unwanted), _HOLD)]
