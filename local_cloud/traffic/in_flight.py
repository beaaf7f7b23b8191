"""Count what is in flight to members, time it out when idle, and end it when a member must go."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from local_cloud.traffic.targets import Key


@dataclass(kw_only=True, eq=False)
class Transfer:
    """A request or connection in flight; raises TimeoutError when idle or cut."""

    idle: float
    limit: asyncio.Timeout
    was_cut: bool = False

    def moved(self) -> None:
        """Restart the idle timeout after a byte."""
        if not self.was_cut:
            self.limit.reschedule(asyncio.get_running_loop().time() + self.idle)

    def cut(self) -> None:
        """End the transfer now."""
        self.was_cut = True
        if not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time())


@dataclass(kw_only=True)
class InFlight:
    """All transfers by member; used on the event loop."""

    on_idle: Callable[[], None] = lambda: None  # called when a member has no transfer left
    _transfers: dict[Key, set[Transfer]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def to(self, key: Key, idle: float) -> AsyncIterator[Transfer]:
        """Count the block as a transfer to a member."""
        async with asyncio.timeout(idle) as limit:
            transfer = Transfer(idle=idle, limit=limit)
            self._transfers.setdefault(key, set()).add(transfer)
            try:
                yield transfer
            finally:
                self._finish(key, transfer)

    def _finish(self, key: Key, transfer: Transfer) -> None:
        transfers = self._transfers[key]
        transfers.discard(transfer)
        if not transfers:
            del self._transfers[key]
            self.on_idle()

    def count(self, key: Key) -> int:
        """Return the number of transfers to a member."""
        return len(self._transfers.get(key, ()))

    def cut(self, key: Key) -> None:
        """End every transfer to a member."""
        for transfer in tuple(self._transfers.get(key, ())):
            transfer.cut()
