"""Stop a server from accepting without losing a connection, which asyncio does.

`Server.close()` of Python 3.11 loses a connection accepted in the same iteration of the event
loop: its transport finds a server without sockets, fails silently and stays open until it is
collected. A connection accepted one iteration earlier is not yet among the server's connections.
"""

from __future__ import annotations

import asyncio

ITERATIONS = 3
"""RoundRobin of the loop until what was accepted is a connection that its server knows."""


async def stop(server: asyncio.Server) -> None:
    """Stop accepting; every connection accepted so far can then be closed."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(ITERATIONS):
        await asyncio.sleep(0)
    server.close()
