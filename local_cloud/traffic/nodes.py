"""The nodes of the load balancers: what every listener needs to send something on."""

from __future__ import annotations

import collections
import dataclasses
import random
from typing import TYPE_CHECKING

import aiohttp

from local_cloud.traffic import routing
from local_cloud.traffic.cookies import Cookies
from local_cloud.traffic.in_flight import Flights
from local_cloud.traffic.pace import CONNECT
from local_cloud.traffic.routing import Turns

if TYPE_CHECKING:
    from local_cloud.traffic.pace import Pace
    from local_cloud.traffic.registry import Book
    from local_cloud.traffic.routing import Candidate, Choices

POOLED = 512
"""Connections to one member at most."""


@dataclasses.dataclass(kw_only=True)
class Nodes:
    """Choose members, keep connections to them, know what is in flight; live on the loop."""

    book: Book
    pace: Pace
    flights: Flights
    turns: Turns = dataclasses.field(default_factory=Turns)
    cookies: Cookies = dataclasses.field(default_factory=Cookies)
    chance: random.Random = dataclasses.field(default_factory=random.Random)
    seen: collections.Counter[tuple[str, int]] = dataclasses.field(
        default_factory=collections.Counter
    )
    """How often each load balancer answered with each code; 460: the client had left."""
    _session: aiohttp.ClientSession | None = None

    def choose(self, choices: Choices) -> Candidate | None:
        """Return the member that gets the next request."""
        fewest = self.flights.count if choices.pool.kind == "classic" else None
        return routing.choose(choices, self.turns, fewest)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections to members, kept and used again."""
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
