"""Choose the member for a request: pure functions, no I/O.

Application Load Balancers, "Target group health" and "Routing algorithms"; Classic Load
Balancers, "How Elastic Load Balancing works": least outstanding requests for HTTP, round
robin for TCP.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Hashable

    from local_cloud.traffic.plan import Forward, Pool
    from local_cloud.traffic.targets import Key


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A member that the nodes of the load balancer know."""

    key: Key
    address: str
    port: int
    zone: str
    healthy: bool
    answers: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """A pool and the members that its load balancer knows."""

    pool: Pool
    candidates: tuple[Candidate, ...]

    def eligible(self) -> tuple[Candidate, ...]:
        """Return the members that may get a request.

        "If a target group contains only unhealthy registered targets, the load balancer routes
        requests to all those targets, regardless of their health status": it fails open. A
        classic load balancer does not: without a healthy instance it answers 503.
        """
        healthy = tuple(one for one in self.candidates if one.healthy)
        if healthy or self.pool.kind == "classic":
            return healthy
        return self.candidates


@dataclass(kw_only=True)
class RoundRobin:
    """The counters of a round robin, one for each name."""

    _counts: collections.Counter[Hashable] = field(default_factory=collections.Counter)

    def next(self, of: Hashable, count: int) -> int:
        """Return the next index below `count`."""
        self._counts[of] += 1
        return (self._counts[of] - 1) % count


def choose(
    choices: Choices, round_robin: RoundRobin, outstanding: Callable[[Key], int] | None = None
) -> Candidate | None:
    """Return the next member, or None if no member can take a request.

    With `outstanding`, only members with the fewest requests in flight are considered.
    """
    eligible = choices.eligible()
    if not eligible:
        return None
    pool = choices.pool.key
    if not choices.pool.cross_zone:
        zone, eligible = one_zone(pool, eligible, round_robin)
        pool += f" {zone}"
    if outstanding is not None:
        fewest = min(outstanding(one.key) for one in eligible)
        eligible = tuple(one for one in eligible if outstanding(one.key) == fewest)
    return eligible[round_robin.next(pool, len(eligible))]


def one_zone(
    pool: str, eligible: tuple[Candidate, ...], round_robin: RoundRobin
) -> tuple[str, tuple[Candidate, ...]]:
    """Return the next zone and its members.

    Without cross-zone load balancing each node serves the members of its own zone, and DNS names
    the nodes of all zones with a healthy member equally often. So a zone with one member takes as
    much as a zone with three ("Cross-zone load balancing").
    """
    zones = sorted({one.zone for one in eligible})
    zone = zones[round_robin.next((pool, "zones"), len(zones))]
    return zone, tuple(one for one in eligible if one.zone == zone)


def weighted(forward: Forward, chance: random.Random) -> str | None:
    """Return one of the pools by weight, or None if every weight is 0.

    "If a target group has a weight of 0, it gets no traffic". An empty or unhealthy one keeps its
    share: the load balancer does not fail over to another target group.
    """
    weights = [weight for _, weight in forward.pools]
    if not any(weights):
        return None
    if len(forward.pools) == 1:
        return forward.pools[0][0]
    return chance.choices([pool for pool, _ in forward.pools], weights)[0]
