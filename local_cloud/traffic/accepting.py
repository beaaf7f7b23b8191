"""How a server stops to accept without forgetting a connection: asyncio forgets one here.

`Server.close()` of Python 3.11 loses what was accepted in the same turn of the loop: its
transport meets a server without sockets, fails in silence and stays open until it is
collected; and what was accepted a turn before is not among the connections yet.
"""

from __future__ import annotations

import asyncio

TURNS = 3
"""Turns of the loop until what was accepted is a connection that its server knows."""


async def stop(server: asyncio.Server) -> None:
    """Accept no more; every connection accepted so far is one that can be closed."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()
