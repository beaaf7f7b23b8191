"""What a phase is: the fleet that it wants, the gate that ends it, and what a failure means."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.core.deploy.gates.base import Gate
from pipeline.core.health.place import Place
from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Outcome, Policy, Result
from pipeline.core.state.strategy import Batches, Step
from pipeline.core.validation.phases import DELETES, HOLD, PhaseTrait

ALL = 100
"""The share of a release that gets all traffic, in percent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """The names of the releases with a server group, serving and detached.

    Behind pairs of target groups a serving release is registered there, and `shares` says how many
    percent of new requests it gets; without pairs `shares` is empty. `tested` is the release that
    the test listener reaches, empty to leave it as it is.
    """

    serving: frozenset[str] = frozenset()
    detached: frozenset[str] = frozenset()
    shares: Mapping[str, int] = field(default_factory=lambda: NO_ITEMS)
    tested: str = ""

    @property
    def all(self) -> frozenset[str]:
        """Every release that has a group."""
        return self.serving | self.detached

    @property
    def with_traffic(self) -> frozenset[str]:
        """The releases that get new requests."""
        without = {name for name, share in self.shares.items() if not share}
        return self.serving - without

    def serve(self, release: str) -> Fleet:
        """Return the fleet in which this release also serves."""
        return replace(self, serving=self.serving | {release}, detached=self.detached - {release})

    def share(self, green: str, percent: int, blue: str) -> Fleet:
        """Return the fleet in which `green` gets some percent of new requests, `blue` the rest.

        Without one of them, its part is that of the target group which the other does not use: the
        service of a person may be there.
        """
        return replace(self, shares={blue: ALL - percent, green: percent})


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How groups take over from each other: workers have no load balancers, and may not overlap.

    `adopted` are the releases whose groups are never deleted. Behind `pairs` of target groups,
    weights move the traffic. `steps` are those of a canary. With `batches`, groups shrink and grow
    in turn.
    """

    worker: bool = False
    overlap: bool = True
    adopted: AbstractSet[str] = frozenset()
    pairs: bool = False
    steps: tuple[Step, ...] = ()
    batches: Batches | None = None


ENTRIES: Final = Manner()
"""Groups behind load balancers."""


def manner_of(place: Place, policy: Policy, adopted: AbstractSet[str]) -> Manner:
    """Return how groups take over from each other in an environment."""
    return Manner(
        worker=place.is_worker,
        overlap=policy.overlap,
        adopted=adopted,
        pairs=bool(place.pairs),
        steps=policy.steps,
        batches=policy.batches,
    )


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


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseFailure:
    """Why a phase failed, and the error's remedy; `interrupted` if a signal ended it.

    `stopped` if a second signal arrived before the first was answered: the deployment stops there.
    """

    reason: str
    remedy: str = ""
    interrupted: bool = False
    stopped: bool = False

    def outcome(self, result: Result, phase: Phase) -> Outcome:
        """Return the outcome of a deployment in which this phase failed so."""
        return Outcome(
            result=result,
            phase=phase.name,
            reason=self.reason,
            interrupted=self.interrupted,
            remedy=self.remedy,
        )
