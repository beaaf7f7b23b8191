"""Count what load balancers carry, on the event loop, at little cost for each request."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

Part: TypeAlias = tuple[str, str]
"""The key of a load balancer, and that of the pool whose member was chosen, or an empty text."""


@dataclass(kw_only=True, slots=True)
class Handled:
    """What became of one request; the exchange with the member fills it in."""

    pool: str = ""
    by_member: bool = False  # the response is the member's
    refused: bool = False  # no connection to the member
    seconds: float = 0.0  # from the request to the begin of the member's response


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a part carried in one minute."""

    requests: int = 0
    refused: int = 0
    connections: int = 0
    bytes: int = 0
    by_member: Counter[int] = field(default_factory=Counter)  # responses by status
    by_balancer: Counter[int] = field(default_factory=Counter)
    seconds: Counter[float] = field(default_factory=Counter)

    def merge(self, other: Tally) -> None:
        """Add another tally."""
        self.requests += other.requests
        self.refused += other.refused
        self.connections += other.connections
        self.bytes += other.bytes
        self.by_member += other.by_member
        self.by_balancer += other.by_balancer
        self.seconds += other.seconds


@dataclass(kw_only=True)
class Meter:
    """The tallies of the present minute, and those of finished minutes until they are taken.

    `minute` returns the number of the present minute. `active` counts open connections.
    """

    minute: Callable[[], int]
    active: Counter[Part] = field(default_factory=Counter)
    _present: int = 0
    _tallies: dict[Part, Tally] = field(default_factory=dict)
    _finished: list[tuple[int, dict[Part, Tally]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def request(self, balancer: str, status: int, handled: Handled) -> None:
        """Count one request and its response."""
        with self._lock:
            tally = self._tally((balancer, handled.pool))
            if handled.pool:
                tally.requests += 1
            tally.refused += handled.refused
            if handled.by_member:
                tally.by_member[status] += 1
                tally.seconds[float(f"{handled.seconds:.3g}")] += 1
            else:
                tally.by_balancer[status] += 1

    def connection(self, balancer: str, pool: str = "") -> None:
        """Count one new connection."""
        with self._lock:
            self._tally((balancer, pool)).connections += 1

    def carried(self, balancer: str, pool: str, size: int) -> None:
        """Count bytes of a connection."""
        with self._lock:
            self._tally((balancer, pool)).bytes += size

    def refused(self, balancer: str, pool: str) -> None:
        """Count one connection that a member did not accept."""
        with self._lock:
            self._tally((balancer, pool)).refused += 1

    def take(self) -> list[tuple[int, dict[Part, Tally]]]:
        """Return the finished minutes since the last call, each with its tallies."""
        with self._lock:
            self._turn()
            taken, self._finished = self._finished, []
        return taken

    def present(self) -> dict[Part, Tally]:
        """Return the tallies of the present minute."""
        with self._lock:
            return dict(self._tallies)

    def _tally(self, part: Part) -> Tally:
        self._turn()
        tally = self._tallies.get(part)
        if tally is None:
            tally = self._tallies[part] = Tally()
        return tally

    def _turn(self) -> None:
        minute = self.minute()
        if minute != self._present:
            if self._tallies:
                self._finished.append((self._present, self._tallies))
                self._tallies = {}
            self._present = minute
