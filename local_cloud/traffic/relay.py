"""Serve TCP, SSL and TLS listeners: relay bytes between a client and one member."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.traffic import accepting, routing
from local_cloud.traffic.pace import CONNECT
from local_cloud.traffic.plan import Forward

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from local_cloud.traffic.in_flight import Transfer
    from local_cloud.traffic.nodes import Nodes
    from local_cloud.traffic.plan import Balancer, Listener
    from local_cloud.traffic.routing import Candidate

CHUNK = 1 << 16


@dataclass(kw_only=True)
class Relay:
    """One listener; its settings change in place, and its connections stay."""

    nodes: Nodes
    balancer: Balancer
    listener: Listener
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self, bound: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Start accepting connections."""
        self._server = await asyncio.start_server(self._accept, sock=bound, ssl=tls)

    async def close(self) -> None:
        """Stop accepting and close the connections."""
        if self._server:
            await accepting.stop(self._server)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        candidate = self._candidate()
        if candidate is None:
            writer.transport.abort()
            return
        idle = self.nodes.pace.idle(self.balancer.idle)
        part = self.balancer.key, candidate.key[0]
        self.nodes.meter.connection(*part)
        self.nodes.meter.active[part] += 1
        try:
            async with self.nodes.in_flight.to(candidate.key, idle) as transfer:
                await self._connect(candidate, transfer, reader, writer)
            writer.close()
        except* OSError:  # includes TimeoutError: idle, cut, or no connection in time
            writer.transport.abort()
        finally:
            self.nodes.meter.active[part] -= 1
            if not writer.is_closing():
                writer.transport.abort()

    def _candidate(self) -> Candidate | None:
        """Return the next member: round robin for TCP, also of classic load balancers."""
        action = self.nodes.rules.of(self.balancer, self.listener).default
        pool = routing.weighted(action, self.nodes.chance) if isinstance(action, Forward) else None
        choices = self.nodes.registry.choices(pool) if pool else None
        return routing.choose(choices, self.nodes.round_robin) if choices else None

    async def _connect(
        self,
        candidate: Candidate,
        transfer: Transfer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        port = self.listener.member_port or candidate.port
        part = self.balancer.key, candidate.key[0]
        carried = functools.partial(self.nodes.meter.carried, *part)
        try:
            async with asyncio.timeout(self.nodes.pace.idle(CONNECT)):
                member_reader, member_writer = await asyncio.open_connection(
                    candidate.address, port
                )
        except OSError:
            self.nodes.meter.refused(*part)
            raise
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(pump(reader, member_writer, transfer, carried))
                both.create_task(pump(member_reader, writer, transfer, carried))
            member_writer.close()
        finally:
            if not member_writer.is_closing():
                member_writer.transport.abort()


async def pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    transfer: Transfer,
    carried: Callable[[int], None],
) -> None:
    """Copy a stream to its end, and close or half-close the other side."""
    while chunk := await reader.read(CHUNK):
        transfer.moved()
        carried(len(chunk))
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
