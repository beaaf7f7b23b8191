"""Define the place of a deployment: the load balancers of its releases, by the names AWS knows.

It also says what a group receives there, as an observation shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.health.pairs import Pair
from pipeline.core.image import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The place of a deployment, resolved to the names that AWS knows.

    `leaving` has the load balancers that a release leaves for good in the deployment: the
    configuration does not name them any more. `sides` are the target groups of the pairs that each
    release uses, by their ARNs.
    """

    app: str
    environment: str
    region: str
    account: str
    balancers: tuple[Balancer, ...]
    leaving: Mapping[str, tuple[Balancer, ...]] = field(default_factory=lambda: NO_ITEMS)
    pairs: tuple[Pair, ...] = ()
    sides: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NO_ITEMS)

    @property
    def is_worker(self) -> bool:
        """Return True without load balancers: a group serves as long as it may have instances."""
        return not self.balancers and not self.pairs

    def serves(self, release: str, group: ObservedGroup) -> bool:
        """Return True if every load balancer has a group attached; a worker: if it may run.

        Only the pipeline sets the maximum size of a worker's group to 0. AWS may delete the group.
        """
        if self.is_worker:
            return group.maximum > 0
        return group.attached >= {each.identifier for each in self.entries_of(release)}

    def receives(self, release: str, group: ObservedGroup) -> bool:
        """Return True if a load balancer has a group attached; a worker: if it may run."""
        if self.is_worker:
            return group.maximum > 0
        return bool(group.attached & {each.identifier for each in self.entries_of(release)})

    def balancers_of(self, release: str) -> tuple[Balancer, ...]:
        """Return the load balancers that a release serves from while it serves."""
        return (*self.entries_of(release), *self.leaving.get(release, ()))

    def entries_of(self, release: str) -> tuple[Balancer, ...]:
        """Return the configured load balancers of a release: of a pair, its target group."""
        recorded = self.sides.get(release, ())
        return (*self.balancers, *(pair.target_of(recorded) for pair in self.pairs))

    def wanted_weights(self, shares: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Return the percent of each target group by rule if releases get these shares."""
        return {pair.rule: self._weights(pair, shares) for pair in self.pairs} if shares else {}

    def _weights(self, pair: Pair, shares: Mapping[str, int]) -> dict[str, int]:
        weights = {each.identifier: 0 for each in pair.targets}
        for release, share in shares.items():
            weights[self._side(pair, release, shares).identifier] += share
        return weights

    def _side(self, pair: Pair, release: str, shares: Mapping[str, int]) -> Balancer:
        """Return a release's target group; without a release, the one beside the other's."""
        if release:
            return pair.target_of(self.sides.get(release, ()))
        other = next((each for each in shares if each), "")
        return pair.other(pair.target_of(self.sides.get(other, ())))

    def shares(self, observation: Observation, releases: Iterable[str]) -> dict[str, int]:
        """Return how many percent of new requests each of these releases gets, the least of all.

        A pair whose weights were not read counts as 0.
        """
        return {each: min(self._seen_of(each, observation), default=0) for each in releases}

    def _seen_of(self, release: str, observation: Observation) -> Iterator[int]:
        recorded = self.sides.get(release, ())
        for pair in self.pairs:
            target = pair.target_of(recorded).identifier
            yield observation.weights.get(pair.rule, {}).get(target, 0)

    @property
    def all_balancers(self) -> tuple[Balancer, ...]:
        """Every load balancer that a release of the deployment serves from."""
        both = (each for pair in self.pairs for each in pair.targets)
        return (*self.balancers, *both, *(each for some in self.leaving.values() for each in some))

    @property
    def rules(self) -> tuple[str, ...]:
        """The listeners and rules whose weights say which release has the traffic."""
        return tuple(pair.rule for pair in self.pairs)

    def beyond(self, release: str, attached: Iterable[str]) -> frozenset[str]:
        """Return the traffic sources of a release's group that the deployment does not manage."""
        both = {each.identifier for pair in self.pairs for each in pair.targets}
        named = both | {each.identifier for each in self.balancers_of(release)}
        return frozenset(attached) - named
