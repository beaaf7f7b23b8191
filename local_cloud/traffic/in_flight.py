"""What is in flight to members: counted, given time, and cut when a member's time is over."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local_cloud.traffic.targets import Key


@dataclasses.dataclass(kw_only=True, eq=False)
class Flight:
    """A request or a connection on its way; ends in TimeoutError when idle or cut."""

    idle: float
    limit: asyncio.Timeout
    was_cut: bool = False

    def moved(self) -> None:
        """Begin to count the idle seconds again: a byte went by."""
        if not self.was_cut:
            self.limit.reschedule(asyncio.get_running_loop().time() + self.idle)

    def cut(self) -> None:
        """End it now."""
        self.was_cut = True
        if not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time())


@dataclasses.dataclass(kw_only=True)
class Flights:
    """All of them, by member; lives on the loop."""

    landed: Callable[[], None] = lambda: None  # called when a member has none any more
    _flights: dict[Key, set[Flight]] = dataclasses.field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def to(self, key: Key, idle: float) -> AsyncIterator[Flight]:
        """Count what happens inside as on its way to a member."""
        async with asyncio.timeout(idle) as limit:
            flight = Flight(idle=idle, limit=limit)
            self._flights.setdefault(key, set()).add(flight)
            try:
                yield flight
            finally:
                self._land(key, flight)

    def _land(self, key: Key, flight: Flight) -> None:
        flights = self._flights[key]
        flights.discard(flight)
        if not flights:
            del self._flights[key]
            self.landed()

    def count(self, key: Key) -> int:
        """Return how many are on their way to a member."""
        return len(self._flights.get(key, ()))

    def cut(self, key: Key) -> None:
        """End all that are on their way to a member."""
        for flight in tuple(self._flights.get(key, ())):
            flight.cut()
