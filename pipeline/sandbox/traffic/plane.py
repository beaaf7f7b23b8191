"""The traffic plane: makes a plan true on loopback."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from pipeline.sandbox.clock import Clock
    from pipeline.sandbox.traffic.plan import Health, Plan


@dataclasses.dataclass(kw_only=True)
class Plane:
    """Carries what a plan says; `plan.Traffic` is what the hooks see of it."""

    loop: asyncio.AbstractEventLoop
    clock: Clock

    def apply(self, plan: Plan) -> None:
        """Carry this from now on."""

    def health(self, _pool: str) -> tuple[Health, ...]:
        """Say how each member of a pool is doing."""
        return ()

    def urls(self) -> dict[tuple[str, int], str]:
        """Give the URL that answers for each balancer's key and port."""
        return {}

    async def close(self) -> None:
        """Carry nothing any more."""
