"""Convert AWS's seconds to real seconds in the data plane.

The clock of the cloud may run faster than AWS's, but the program behind the load balancer does
not. So whatever waits for the program has a minimum of real time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_cloud.clock import Clock

CONNECT = 10.0
"""Seconds for a member to accept a connection ("HTTP 504: Gateway timeout")."""

IDLE = 5.0
"""An idle connection gets this multiple of the patience, unless AWS gives it less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Real seconds for AWS's seconds."""

    clock: Clock
    patience: float = 2.0  # minimum real seconds for the program
    shortest: float = 0.05  # minimum real seconds between two checks

    def delay(self, seconds: float) -> float:
        """Return the real time of something that involves no program."""
        return self.clock.scaled(seconds)

    def interval(self, seconds: float) -> float:
        """Return the real time from one check to the next."""
        return max(self.clock.scaled(seconds), self.shortest)

    def timeout(self, seconds: float) -> float:
        """Return the real time to wait for the program."""
        return max(self.clock.scaled(seconds), self.patience)

    def idle(self, seconds: float) -> float:
        """Return the idle timeout: at least AWS's own, up to a limit."""
        return max(self.clock.scaled(seconds), min(seconds, IDLE * self.patience))

    @property
    def routing(self) -> float:
        """The real time until every node of a load balancer has a change."""
        return self.clock.scaled(self.clock.delays.routing)
