"""The traffic plane: makes a plan true on loopback.

`apply` and `health` are called by the API's threads under the API's lock: they touch the
book and return. Everything that listens, connects or waits follows on the loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from typing import TYPE_CHECKING

from local_cloud.timeline import Moments
from local_cloud.traffic.checks import Checker
from local_cloud.traffic.in_flight import Flights
from local_cloud.traffic.listeners import Listeners
from local_cloud.traffic.nodes import Nodes
from local_cloud.traffic.pace import Pace
from local_cloud.traffic.plan import Plan
from local_cloud.traffic.registry import Book

if TYPE_CHECKING:
    from local_cloud.clock import Clock
    from local_cloud.traffic.plan import Health

log = logging.getLogger(__name__)


@dataclasses.dataclass(kw_only=True)
class Plane:
    """Carries what a plan says; `plan.Traffic` is what the hooks see of it."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    patience: float = 2.0
    """Real seconds a program has to answer at least, whatever the clock's speed."""
    moments: Moments = dataclasses.field(default_factory=Moments)
    book: Book = dataclasses.field(init=False)
    nodes: Nodes = dataclasses.field(init=False)
    _plan: Plan = dataclasses.field(default_factory=Plan)
    _keeper: asyncio.Task[None] | None = None
    _changed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        pace = Pace(clock=self.clock, patience=self.patience)
        told = functools.partial(self.moments.note, "target")
        self.book = Book(scaled=pace.delay, routing=pace.routing, told=told)
        flights = Flights(landed=self._landed)
        self.nodes = Nodes(book=self.book, pace=pace, flights=flights)
        self._checker = Checker(book=self.book, pace=pace, cut=flights.cut)
        self._listeners = Listeners(nodes=self.nodes)

    def apply(self, plan: Plan) -> None:
        """Carry this from now on; the caller holds the API's lock, so one comes at a time."""
        self._plan = plan
        self.book.apply(plan.pools)
        self.loop.call_soon_threadsafe(self._wake)

    def health(self, pool: str) -> tuple[Health, ...]:
        """Say how each member of a pool is doing, the draining ones included."""
        return self.book.health(pool)

    def urls(self) -> dict[tuple[str, int], str]:
        """Give the URL that answers for each balancer's key and port."""
        return self._listeners.urls()

    async def close(self) -> None:
        """Carry nothing any more."""
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
                self._sweep()
                await self._listeners.follow(self._plan)
            except Exception:
                log.exception("the load balancers could not follow a change")

    def _landed(self) -> None:
        """A member has nothing in flight any more: perhaps a draining was waiting for that."""
        if self.book.leaving:
            self.loop.call_soon(self._sweep)

    def _sweep(self) -> None:
        flights = self.nodes.flights
        for key in self.book.sweep(lambda key: flights.count(key) > 0):
            flights.cut(key)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if (at := self.book.next_sweep()) is not None:
            self._timer = self.loop.call_at(at, self._sweep)
