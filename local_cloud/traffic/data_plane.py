"""Carry out a plan on loopback: the data plane of the load balancers.

The API's threads call `apply` and `health` under the API's lock; both only touch the registry.
Everything that listens, connects or waits runs on the event loop.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.metrics import balancers
from local_cloud.metrics.meter import Meter
from local_cloud.timeline import Timeline
from local_cloud.traffic.checks import Checker
from local_cloud.traffic.in_flight import InFlight
from local_cloud.traffic.known_rules import KnownRules
from local_cloud.traffic.listeners import Listeners
from local_cloud.traffic.nodes import Nodes
from local_cloud.traffic.pace import Pace
from local_cloud.traffic.plan import Forward, Plan
from local_cloud.traffic.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud.clock import Clock
    from local_cloud.metrics.distribution import Distribution
    from local_cloud.metrics.store import Metric
    from local_cloud.traffic.plan import Balancer, Health

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class DataPlane:
    """Carries out plans; `plan.Traffic` is its interface for the patches."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    patience: float = 2.0
    """Minimum real seconds for a program to answer, at any speed of the clock."""
    timeline: Timeline = field(default_factory=Timeline)
    meter: Meter = field(default_factory=lambda: Meter(minute=int))
    registry: Registry = field(init=False)
    nodes: Nodes = field(init=False)
    _plan: Plan = field(default_factory=Plan)
    _keeper: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        pace = Pace(clock=self.clock, patience=self.patience)
        on_change = functools.partial(self.timeline.record, "target")
        self.registry = Registry(scaled=pace.delay, routing=pace.routing, on_change=on_change)
        in_flight = InFlight(on_idle=self._on_idle)
        self.nodes = Nodes(
            registry=self.registry,
            pace=pace,
            in_flight=in_flight,
            rules=KnownRules(
                delay=pace.routing,
                on_change=functools.partial(self.timeline.record, "weights"),
            ),
            meter=self.meter,
        )
        self._checker = Checker(registry=self.registry, pace=pace, cut=in_flight.cut)
        self._listeners = Listeners(nodes=self.nodes)

    def apply(self, plan: Plan) -> None:
        """Carry out this plan from now on; the caller holds the API's lock."""
        self._plan = plan
        self.nodes.rules.apply(plan)  # before the members: no node has rules without their members
        self.registry.apply(plan.pools)
        self.loop.call_soon_threadsafe(self._wake)

    def health(self, pool: str) -> tuple[Health, ...]:
        """Return the health of each member of a pool, including the draining ones."""
        return self.registry.health(pool)

    def urls(self) -> dict[tuple[str, int], str]:
        """Return the URL for each balancer's key and port."""
        return self._listeners.urls()

    def hosts(self) -> Iterator[tuple[Metric, Distribution]]:
        """Yield the numbers of healthy and unhealthy members of each pool, as metrics."""
        for balancer in self._plan.balancers:
            for pool in pools(balancer):
                states = [each.state for each in self.registry.health(pool)]
                counts = states.count("healthy"), states.count("unhealthy")
                yield from balancers.hosts(balancer.key, pool, *counts)

    async def close(self) -> None:
        """Stop carrying traffic."""
        if self._timer:
            self._timer.cancel()
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._checker.close()
        await self._listeners.close()
        await self.nodes.close()

    def _wake(self) -> None:
        self._changed.set()
        if self._keeper is None:
            self._keeper = self.loop.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                self._checker.follow()
                self._expire()
                await self._listeners.follow(self._plan)
            except Exception:
                log.exception("the load balancers could not follow a change")

    def _on_idle(self) -> None:
        """Expire members now that one has nothing in flight: its draining may be over."""
        if self.registry.leaving:
            self.loop.call_soon(self._expire)

    def _expire(self) -> None:
        in_flight = self.nodes.in_flight
        for key in self.registry.expire(lambda key: in_flight.count(key) > 0):
            in_flight.cut(key)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if (at := self.registry.next_expiry()) is not None:
            self._timer = self.loop.call_at(at, self._expire)


def pools(balancer: Balancer) -> list[str]:
    """Return the pools that a load balancer's listeners and rules forward to, each once."""
    listeners = balancer.listeners
    actions = [each.default for each in listeners]
    actions += [each.action for listener in listeners for each in listener.rules]
    forwards = [each for each in actions if isinstance(each, Forward)]
    return list(dict.fromkeys(pool for each in forwards for pool, _ in each.pools))
