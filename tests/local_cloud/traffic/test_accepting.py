"""A server that stops forgets no connection, whatever instant it was accepted in."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.local_cloud.traffic.stage import Backend, address, free


@pytest.mark.parametrize("turns", range(8))
def test_a_stopping_server_closes_connections_accepted_just_before(turns: int) -> None:
    async def connected() -> None:
        host = address()
        backend = Backend(name="one", address=host, port=free(host))
        await backend.start()
        with socket.create_connection((host, backend.port)) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await backend.stop()
            client.settimeout(5)
            assert await asyncio.to_thread(ended, client)

    asyncio.run(connected())


def ended(client: socket.socket) -> bool:
    """Whether the other side ended the connection (a time-out raises)."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
