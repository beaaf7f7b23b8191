"""The whole deployment on one screen: each phase's fleet, what it waits for, what a fault means.

`promotion()` and `rollback()` are read by the deployer, which performs them, by `--plan`, which
prints them, and by the tests, which sweep them. Nothing else decides what comes next. Types of
the table are built by position, so that it can be read as one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class Recovery(Enum):
    """What a fault in a phase means."""

    ROLL_BACK = "roll back"
    HOLD = "hold"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The releases that have a server group, by name: those that serve and those that do not."""

    serving: frozenset[str] = frozenset()
    dark: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Every release that has a group."""
        return self.serving | self.dark

    def serve(self, release: str) -> Fleet:
        """Return the fleet in which this release serves, too."""
        return replace(self, serving=self.serving | {release}, dark=self.dark - {release})


@dataclass(frozen=True, slots=True)
class Booted:
    """Every member of the group is InService on its launch template version."""

    release: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The environment's verify hooks passed."""

    release: str


@dataclass(frozen=True, slots=True)
class Serving:
    """Every member is healthy in every load balancer, some looks in a row.

    `least` names the release whose live size the group must have first.
    """

    release: str
    least: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
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
class Steady:
    """Still so after a pause of the environment's (`soak` or `bake_in`), alarms quiet.

    `least` as for `Serving`.
    """

    release: str
    pause: str
    least: str = ""


@dataclass(frozen=True, slots=True)
class Drained:
    """No member of the group is a target any more."""

    release: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The groups are no more."""

    releases: frozenset[str]


Until = Booted | Verified | Serving | Standing | Steady | Drained | Gone


@dataclass(frozen=True, slots=True)
class Phase:
    """One step: the fleet it wants, what it waits for, what a fault in it means."""

    name: str
    want: Fleet
    until: Until
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
    beside = Fleet(serving=blues, dark=spare | {green})
    both = beside.serve(green)
    over = Fleet(serving=frozenset({green}), dark=spare | blues)
    end = Fleet(serving=frozenset({green}), dark=blues if keep else frozenset())
    # fmt: off
    table = [
        Phase("launch",  beside, Booted(green),                   _ROLL_BACK),
        Phase("verify",  beside, Verified(green),                 _ROLL_BACK),
        Phase("attach",  both,   Serving(green, least=blue),      _ROLL_BACK),
        Phase("soak",    both,   Steady(green, "soak", blue),     _ROLL_BACK),
        Phase("drain",   over,   Drained(blue),                   _ROLL_BACK),
        Phase("bake-in", over,   Steady(green, "bake_in"),        _ROLL_BACK),
        Phase("retire",  end,    Gone(over.all - end.all),        _HOLD),
    ]
    # fmt: on
    return [phase for phase in table if blue or phase.name not in {"drain", "bake-in"}]


def removal(serving: str, others: Iterable[str], gone: Iterable[str]) -> list[Phase]:
    """Return the one phase that removes groups that serve nothing, beside the one that does."""
    unwanted = frozenset(gone)
    want = Fleet(serving=frozenset({serving} - {""}), dark=frozenset(others) - unwanted)
    return [Phase("retire", want, Gone(unwanted), _HOLD)]


def rollback(blue: str, green: str, fleet: Fleet) -> list[Phase]:
    """Return the phases from any fleet on the way of a promotion back to `blue` without `green`.

    A blue that served all along is not asked to be whole: it is not ours. It is only raised where
    it is smaller than a green that serves. Without a green there is nothing to withdraw: what
    served was deleted by somebody, and only a group that is there is put into service.
    """
    back = Standing(blue, other=green) if blue in fleet.serving else Serving(blue, least=green)
    restored = fleet.serve(blue) if blue else fleet
    greens = frozenset({green} - {""})
    alone = replace(restored, serving=restored.serving - greens, dark=restored.dark | greens)
    end = replace(alone, dark=alone.dark - greens)
    # fmt: off
    table = [
        Phase("restore",  restored, back,                           _HOLD),
        Phase("withdraw", alone,    Drained(green),                 _HOLD),
        Phase("remove",   end,      Gone(greens),                   _HOLD),
    ]
    # fmt: on
    idle = {"restore": not blue, "withdraw": not green}
    return [phase for phase in table if not idle.get(phase.name)]


def clearance(serving: Iterable[str], others: Iterable[str], gone: Iterable[str]) -> list[Phase]:
    """Return the one phase that takes away what is left of groups that are gone.

    `serving` are those of the `others` that take traffic, though no deployment put them there.
    """
    unwanted, serves = frozenset(gone), frozenset(serving)
    want = Fleet(serving=serves, dark=frozenset(others) - unwanted - serves)
    return [Phase("remove", want, Gone(unwanted), _HOLD)]
