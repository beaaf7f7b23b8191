"""The whole deployment on one screen: each phase's fleet, what it waits for, what a fault means.

`promotion()` and `rollback()` are read by the deployer, which performs them, by `--plan`, which
prints them, and by the tests, which sweep them. Nothing else decides what comes next.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Booted:
    """Every member of the group is InService on its launch template version."""

    release: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """The environment's verify hooks passed."""

    release: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """Every member is healthy in every load balancer, some looks in a row.

    `least` names the release whose live size the group must have first.
    """

    release: str
    least: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Steady:
    """Still so after a pause of the environment's (`soak` or `bake_in`), alarms quiet."""

    release: str
    pause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Drained:
    """No member of the group is a target any more."""

    release: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """The groups are no more."""

    releases: frozenset[str]


Until = Booted | Verified | Serving | Steady | Drained | Gone


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One step: the fleet it wants, what it waits for, what a fault in it means."""

    name: str
    want: Fleet
    until: Until
    on_fault: Recovery


def promotion(
    blue: str, green: str, *, warm: Iterable[str] = (), keep: bool = False
) -> list[Phase]:
    """Return the phases that put `green` into service in the place of `blue` (empty: of nothing).

    `warm` are dark groups of earlier deployments: they stay until green is in service, for
    they are what a rollback of blue would need. `keep` leaves blue warm for a rollback of green.
    """
    spare = frozenset(warm)
    blues = frozenset({blue} - {""})
    kept = blues if keep else frozenset[str]()
    beside = Fleet(serving=blues, dark=spare | {green})
    both = beside.serve(green)
    over = Fleet(serving=frozenset({green}), dark=spare | blues)
    end = Fleet(serving=frozenset({green}), dark=kept)
    back, hold = Recovery.ROLL_BACK, Recovery.HOLD
    table = [
        Phase(name="launch", want=beside, until=Booted(release=green), on_fault=back),
        Phase(name="verify", want=beside, until=Verified(release=green), on_fault=back),
        Phase(name="attach", want=both, until=Serving(release=green, least=blue), on_fault=back),
        Phase(name="soak", want=both, until=Steady(release=green, pause="soak"), on_fault=back),
        Phase(name="drain", want=over, until=Drained(release=blue), on_fault=back),
        Phase(
            name="bake-in", want=over, until=Steady(release=green, pause="bake_in"), on_fault=back
        ),
        Phase(name="retire", want=end, until=Gone(releases=over.all - end.all), on_fault=hold),
    ]
    return [phase for phase in table if blue or phase.name not in {"drain", "bake-in"}]


def rollback(blue: str, green: str, fleet: Fleet) -> list[Phase]:
    """Return the phases from any fleet on the way of a promotion back to `blue` without `green`."""
    restored = fleet.serve(blue) if blue else fleet
    alone = replace(restored, serving=restored.serving - {green}, dark=restored.dark | {green})
    end = replace(alone, dark=alone.dark - {green})
    hold = Recovery.HOLD
    restore = Phase(
        name="restore", want=restored, until=Serving(release=blue, least=green), on_fault=hold
    )
    return [
        *([restore] if blue else []),
        Phase(name="withdraw", want=alone, until=Drained(release=green), on_fault=hold),
        Phase(name="remove", want=end, until=Gone(releases=frozenset({green})), on_fault=hold),
    ]
