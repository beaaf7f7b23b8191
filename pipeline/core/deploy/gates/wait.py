"""What a gate is given to judge: everything that was observed since its phase began."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.core.deploy.polling import Forecast, needs_activities
from pipeline.core.freshness import SETTLED
from pipeline.core.health.assessment import Expected
from pipeline.core.health.members import has_healthy_target, healthy_instances, newly_unhealthy
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.health.pairs import describe_weights
from pipeline.core.health.place import Place
from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Policy
from pipeline.core.state.environment import Environment
from pipeline.core.state.strategy import Step

KEPT_OBSERVATIONS = 3600
"""Observations that are kept: an hour of them, because a launch loop is judged over an hour."""


@dataclass(kw_only=True)
class MemberHistory:
    """The health of one group's members during a wait.

    `known` are the instances that were healthy in this deployment, also in earlier phases, each
    with the time of the first observation that showed it. Only such an instance can become
    unhealthy, and only once no observation can be older than that. `failures` has one entry for
    each of the latest observations, empty where no known member was unhealthy. `healthy_since` is
    the time of the latest failure, or of the beginning of the wait.
    """

    known: dict[str, float]
    failures: deque[str]
    healthy_since: float = 0.0

    def add(self, expected: Expected, observation: Observation) -> None:
        """Take in one complete observation."""
        settled = {id_ for id_, at in self.known.items() if observation.at >= at + SETTLED}
        failure = newly_unhealthy(expected, observation, settled)
        self.failures.append(failure)
        if failure:
            self.healthy_since = observation.at
        group = observation.groups.get(expected.group)
        members = {member.id for member in group.members} if group else set[str]()
        for id_ in healthy_instances(expected.balancers, observation) & members:
            self.known.setdefault(id_, observation.at)

    @property
    def persistent_failure(self) -> str:
        """The latest failure, if each of the latest observations shows one."""
        full = len(self.failures) == self.failures.maxlen
        return self.failures[-1] if full and all(self.failures) else ""


@dataclass(kw_only=True)
class Wait:
    """A wait at a gate; `limit` is the longest it may last, in seconds.

    `document` is the environment's as the wait began. `empty_before` are the releases that were
    scaled to zero at the beginning. `shares` are those that the phase wants.
    """

    document: Environment
    place: Place
    policy: Policy
    limit: float
    health: MemberHistory
    forecast: Forecast = field(default_factory=Forecast)
    empty_before: frozenset[str] = frozenset()
    shares: Mapping[str, int] = field(default_factory=lambda: NO_ITEMS)
    observations: deque[Observation] = field(
        default_factory=lambda: deque(maxlen=KEPT_OBSERVATIONS)
    )

    def add(self, observation: Observation) -> None:
        """Append an observation; equal parts are shared with the previous one to save memory."""
        if not self.observations:
            self.health.healthy_since = observation.at
        shared = _share(observation, self.latest) if self.observations else observation
        self.observations.append(shared)

    @property
    def latest(self) -> Observation:
        """The newest observation."""
        return self.observations[-1]

    @property
    def history(self) -> tuple[Observation, ...]:
        """All observations, oldest first."""
        return tuple(self.observations)

    @property
    def began(self) -> float:
        """The time of the first observation."""
        return self.observations[0].at

    @property
    def elapsed(self) -> float:
        """The seconds from the first observation to the newest."""
        return self.latest.at - self.began

    def group(self, release: str) -> str:
        """Return the name of a release's group."""
        return self.document.group(release)

    def observed(self, release: str) -> ObservedGroup | None:
        """Return a release's group in the newest observation."""
        return self.latest.groups.get(self.group(release)) if release else None

    def live_size(self, release: str) -> int:
        """Return the desired capacity that a release's group has now, 0 without a group."""
        group = self.observed(release)
        return group.desired if group else 0

    def size_to_reach(self, release: str, other: str, step: Step | None = None) -> int:
        """Return the live size of `other`, which a release must reach to take its traffic over.

        It is only a part of that in a step of a canary. An adopted group keeps the size it has.
        """
        if release in self.document.adopted or not other:
            return 0
        return step.size(self.live_size(other)) if step else self.live_size(other)

    def misdirected(self) -> str:
        """Return how the latest weights differ from those that the phase wants, or nothing."""
        wanted = self.place.wanted_weights(self.shares)
        seen = self.latest.weights
        wrong = (
            f"{rule.rpartition(':')[2]} sends {describe_weights(seen[rule])}"
            if rule in seen
            else f"the weights of {rule.rpartition(':')[2]} were not read"
            for rule, weights in wanted.items()
            if seen.get(rule) != weights
        )
        return "; ".join(wrong)

    def expected(self, release: str, *, least: int = 0, may_be_empty: bool = False) -> Expected:
        """Return what a release's group is judged against."""
        return Expected(
            group=self.group(release),
            balancers=self.place.balancers_of(release),
            least=least,
            patience=self.policy.patience,
            may_be_empty=may_be_empty,
            any_version=release in self.document.adopted,
        )

    def serves(self, release: str, observation: Observation | None = None) -> bool:
        """Return True if a member of a release is healthy in a load balancer."""
        balancers = self.place.balancers_of(release)
        return has_healthy_target(self.group(release), balancers, observation or self.latest)

    def activities_of(self, release: str) -> frozenset[str]:
        """Return the release if the next observation must read its scaling activities."""
        needed = needs_activities(self.group(release), self.observations)
        return frozenset({release} if needed else ())


def _share(observation: Observation, last: Observation) -> Observation:
    return replace(
        observation,
        groups=last.groups if observation.groups == last.groups else observation.groups,
        targets=last.targets if observation.targets == last.targets else observation.targets,
        activities=last.activities
        if observation.activities == last.activities
        else observation.activities,
    )
