"""Share the parts of a load balancer's nodes that every listener needs to send requests."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from local_cloud.metrics.meter import Meter
from local_cloud.traffic import routing
from local_cloud.traffic.cookies import Cookies
from local_cloud.traffic.in_flight import InFlight
from local_cloud.traffic.known_rules import KnownRules
from local_cloud.traffic.pace import CONNECT
from local_cloud.traffic.routing import RoundRobin

if TYPE_CHECKING:
    from local_cloud.traffic.pace import Pace
    from local_cloud.traffic.registry import Registry
    from local_cloud.traffic.routing import Candidate, Choices

POOLED = 512
"""Maximum connections to one member."""


@dataclass(kw_only=True)
class Nodes:
    """The choice of members, the connections to them, what is in flight; used on the event loop."""

    registry: Registry
    pace: Pace
    in_flight: InFlight
    rules: KnownRules = field(default_factory=KnownRules)
    round_robin: RoundRobin = field(default_factory=RoundRobin)
    meter: Meter = field(default_factory=lambda: Meter(minute=int))
    cookies: Cookies = field(default_factory=Cookies)
    chance: random.Random = field(default_factory=random.Random)
    _session: aiohttp.ClientSession | None = None

    def choose(self, choices: Choices) -> Candidate | None:
        """Return the member that gets the next request."""
        fewest = self.in_flight.count if choices.pool.kind == "classic" else None
        return routing.choose(choices, self.round_robin, fewest)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to members, which are reused."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=POOLED, keepalive_timeout=60.0, use_dns_cache=False
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.pace.idle(CONNECT)),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                read_bufsize=1 << 16,
                max_line_size=1 << 16,
                max_field_size=1 << 16,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections to members."""
        if self._session:
            await self._session.close()
