"""How fast the traffic plane lives: AWS's seconds against those of the program under test.

The clock of the cloud runs faster than AWS's; the program behind the load balancer does
not. So what waits for the program keeps a floor of real time.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.clock import Clock

CONNECT = 10.0
"""Seconds until a member must have accepted a connection ("HTTP 504: Gateway timeout")."""

IDLE = 5.0
"""How many times the patience an idle connection has, unless AWS gives it less."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds here for seconds of AWS's."""

    clock: Clock
    patience: float = 2.0  # real seconds the program always has
    shortest: float = 0.05  # real seconds between two checks at least

    def delay(self, seconds: float) -> float:
        """Return how long something takes that no program takes part in."""
        return self.clock.scaled(seconds)

    def interval(self, seconds: float) -> float:
        """Return how long to wait from one check to the next."""
        return max(self.clock.scaled(seconds), self.shortest)

    def timeout(self, seconds: float) -> float:
        """Return how long to wait for the program."""
        return max(self.clock.scaled(seconds), self.patience)

    def idle(self, seconds: float) -> float:
        """Return how long a connection may be idle: never less than AWS gives, up to a limit."""
        return max(self.clock.scaled(seconds), min(seconds, IDLE * self.patience))

    @property
    def routing(self) -> float:
        """How long until every node of a load balancer knows of a change."""
        return self.clock.scaled(self.clock.delays.routing)
