"""Whom a request goes to: pure, nothing is asked and nobody waits.

Application Load Balancers, "Target group health" and "Routing algorithms"; Classic Load
Balancers, "How Elastic Load Balancing works": least outstanding requests for HTTP, round
robin for TCP.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Hashable

    from local_cloud.traffic.plan import Forward, Pool
    from local_cloud.traffic.targets import Key


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A member that the nodes of the load balancer know."""

    key: Key
    address: str
    port: int
    zone: str
    healthy: bool
    answers: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
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


@dataclasses.dataclass(kw_only=True)
class Turns:
    """Whose turn it is."""

    _taken: collections.Counter[Hashable] = dataclasses.field(default_factory=collections.Counter)

    def next(self, of: Hashable, count: int) -> int:
        """Return the next of `count`, one after the other."""
        self._taken[of] += 1
        return (self._taken[of] - 1) % count


def choose(
    choices: Choices, turns: Turns, outstanding: Callable[[Key], int] | None = None
) -> Candidate | None:
    """Return the member whose turn it is, or None: nobody can take a request.

    With `outstanding` those with the fewest requests in flight come first.
    """
    eligible = choices.eligible()
    if not eligible:
        return None
    pool = choices.pool.key
    if not choices.pool.cross_zone:
        zone, eligible = one_zone(pool, eligible, turns)
        pool += f" {zone}"
    if outstanding is not None:
        fewest = min(outstanding(one.key) for one in eligible)
        eligible = tuple(one for one in eligible if outstanding(one.key) == fewest)
    return eligible[turns.next(pool, len(eligible))]


def one_zone(
    pool: str, eligible: tuple[Candidate, ...], turns: Turns
) -> tuple[str, tuple[Candidate, ...]]:
    """Return the members of the zone whose turn it is.

    Without cross-zone load balancing each node serves the members of its own zone, and DNS
    names the nodes of every zone that has a healthy member equally often, so a zone with one
    member takes as much as a zone with three ("Cross-zone load balancing").
    """
    zones = sorted({one.zone for one in eligible})
    zone = zones[turns.next((pool, "zones"), len(zones))]
    return zone, tuple(one for one in eligible if one.zone == zone)


def weighted(forward: Forward, chance: random.Random) -> str | None:
    """Return one of the pools by weight, or None: every weight is 0.

    "If a target group has a weight of 0, it gets no traffic"; an empty or unhealthy one keeps
    its share, the load balancer does not fail over to another target group.
    """
    weights = [weight for _, weight in forward.pools]
    if not any(weights):
        return None
    if len(forward.pools) == 1:
        return forward.pools[0][0]
    return chance.choices([pool for pool, _ in forward.pools], weights)[0]
