"""Run a data plane on loopback with small programs behind it and a client in front."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp import web

from local_cloud.clock import Clock, Delays
from local_cloud.traffic import accepting
from local_cloud.traffic.data_plane import DataPlane
from local_cloud.traffic.plan import (
    Action,
    Balancer,
    Check,
    Forward,
    Health,
    Kind,
    Listener,
    Member,
    Plan,
    Pool,
    Rule,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from yarl import URL

    from local_cloud.metrics.meter import Tally

    T = TypeVar("T")
    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

WITHIN = 20.0
SHORT = 0.4
"""Seconds of patience for tests of timeouts."""
ZONES = frozenset({"a", "b"})
_hosts = itertools.count(1)


def address() -> str:
    """Return an address of this test process."""
    return f"127.250.{os.getpid() % 250}.{next(_hosts) % 250 + 1}"


def free(host: str) -> int:
    """Return a free port of this address."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        return int(bound.getsockname()[1])


def staged(test: Callable[[Stage], Coroutine[Any, Any, None]], **how: Any) -> None:
    """Run a test on its own stage."""

    async def play() -> None:
        async with a_stage(**how) as stage:
            await test(stage)

    asyncio.run(asyncio.wait_for(play(), 60))


async def until(what: Callable[[], T], within: float = WITHIN) -> T:
    """Poll until something is true; fail with the last answer when time is up."""
    deadline = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < deadline, f"still {answer!r}"
        await asyncio.sleep(0.01)
    return answer


@dataclass(kw_only=True)
class Backend:
    """A program on an instance; it answers with its name by default."""

    name: str
    address: str
    port: int
    healthy: int = 200
    handler: Handler | None = None
    requests: list[web.BaseRequest] = field(default_factory=list)
    clients: set[object] = field(default_factory=set)
    checks: list[web.BaseRequest] = field(default_factory=list)
    server: asyncio.Server | None = None
    site: web.Server | None = None

    async def start(self) -> None:
        self.site = web.Server(lambda request: self.answer(request), access_log=None)  # noqa: PLW0108  `answer` may be replaced
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self.site, self.address, self.port)

    async def stop(self) -> None:
        """End as a killed process does."""
        if self.server and self.site:
            await accepting.stop(self.server)
            for connection in self.site.connections:
                if connection.transport:
                    connection.transport.abort()
            await self.site.shutdown(0.01)
            self.server = None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("User-Agent", "").startswith("ELB-HealthChecker"):
            self.checks.append(request)
            return web.Response(status=self.healthy)
        self.requests.append(request)
        if request.transport:
            self.clients.add(request.transport.get_extra_info("peername"))
        if self.handler:
            return await self.handler(request)
        return web.Response(text=self.name)

    def member(self, **more: Any) -> Member:
        given: dict[str, Any] = {
            "id": f"i-{self.name}",
            "port": self.port,
            "address": self.address,
            "zone": "a",
            **more,
        }
        return Member(**given)


@dataclass(kw_only=True)
class Stage:
    data_plane: DataPlane
    client: aiohttp.ClientSession
    leave: contextlib.AsyncExitStack
    address: str = field(default_factory=address)
    ports: dict[str, int] = field(default_factory=dict)

    async def backend(self, name: str, **how: Any) -> Backend:
        host = address()
        backend = Backend(name=name, address=host, port=free(host), **how)
        await backend.start()
        self.leave.push_async_callback(backend.stop)
        return backend

    async def raw(self, answer: Callable[[bytes], bytes | None]) -> Member:
        """Answer connection by connection with bytes; None: close without an answer."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if given := answer(await reader.readuntil(b"\r\n\r\n")):
                    writer.write(given)
                    await writer.drain()
            writer.close()

        host = address()
        server = await asyncio.start_server(serve, host, 0)
        self.leave.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        return Member(id="i-raw", port=port, address=host, zone="a")

    async def carry(self, *pools: Pool, kind: Kind = "application", **how: Any) -> str:
        """Carry some pools behind one load balancer; return its URL."""
        plan = self.plan(*pools, kind=kind, **how)
        self.data_plane.apply(plan)
        name = (plan.balancers[0].key, plan.balancers[0].listeners[0].port)
        await until(lambda: name in self.data_plane.urls())
        return self.data_plane.urls()[name]

    def plan(
        self,
        *pools: Pool,
        kind: Kind = "application",
        protocol: Any = "HTTP",
        default: Action | None = None,
        rules: tuple[Rule, ...] = (),
        idle: float = 60.0,
    ) -> Plan:
        port = self.ports.setdefault("lb", free(self.address))
        listener = Listener(
            port=port,
            protocol=protocol,
            default=default or Forward(pools=((pools[0].key, 1),)),
            rules=rules,
        )
        balancer = Balancer(
            key="lb", name="lb", kind=kind, address=self.address, listeners=(listener,), idle=idle
        )
        return Plan(balancers=(balancer,), pools=pools)

    async def get(self, url: str | URL, **how: Any) -> tuple[int, str]:
        async with self.client.get(url, **how) as answer:
            return answer.status, await answer.text()

    def states(self, key: str = "pool") -> dict[str, str]:
        return {one.id: one.state for one in self.data_plane.health(key)}

    def tally(self, key: str = "pool") -> Tally:
        """Return what was carried to a pool; without a key, what got no member."""
        return self.data_plane.meter.present()["lb", key]

    def health(self, key: str = "pool") -> Health:
        (one,) = self.data_plane.health(key)
        return one

    async def settled(self, *ids: str, state: str = "healthy", key: str = "pool") -> None:
        await until(lambda: all(self.states(key).get(f"i-{name}") == state for name in ids))


def pool(*members: Member, **how: Any) -> Pool:
    given: dict[str, Any] = {
        "key": "pool",
        "kind": "application",
        "check": Check(protocol="HTTP", port=0, path="/health", interval=1, rise=2, fall=2),
        "delay": 300,
        "zones": ZONES,
        **how,
    }
    return Pool(members=members, **given)


async def echoing(stage: Stage, name: str) -> Member:
    """Run a program that says its name, then repeats every line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(name.encode() + b"\n")
            while line := await reader.readline():
                writer.write(line)
            writer.write(b"bye\n")
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, address(), 0)
    stage.leave.callback(server.close)
    host, port = server.sockets[0].getsockname()
    return Member(id=f"i-{name}", port=port, address=host, zone="a")


def a_tcp_pool(
    *members: Member, kind: Kind = "network", delay: float = 300, cuts: bool = True
) -> Pool:
    check = Check(protocol="TCP", port=0, interval=1, rise=2, fall=2)
    return pool(*members, kind=kind, check=check, delay=delay, cuts=cuts)


def where(url: str) -> tuple[str, int]:
    host, port = url.split("//")[1].split(":")
    return host, int(port)


@contextlib.asynccontextmanager
async def a_stage(
    speed: float = 100, routing: float = 0.0, patience: float = 10.0
) -> AsyncIterator[Stage]:
    """Run a data plane; `patience` is the minimum time of programs until a timeout.

    It is long because the machine may be busy, except in tests of timeouts.
    """
    clock = Clock(speed=speed, delays=Delays(routing=routing))
    data_plane = DataPlane(loop=asyncio.get_running_loop(), clock=clock, patience=patience)
    async with (
        contextlib.AsyncExitStack() as leave,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        try:
            yield Stage(data_plane=data_plane, client=client, leave=leave)
        finally:
            await data_plane.close()
