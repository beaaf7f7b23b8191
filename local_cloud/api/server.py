"""The cloud itself: one process, one event loop, moto's server in threads beside it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from local_cloud import behavior_targets, patches
from local_cloud.api.calls import Calls
from local_cloud.api.key_lookup import Lookup
from local_cloud.balancers import sync
from local_cloud.behaviors import Orders
from local_cloud.clock import Clock, Delays
from local_cloud.cloud import Cloud
from local_cloud.instances import isolation, network, processes, reaper, ssh
from local_cloud.instances.images import Images
from local_cloud.instances.machine import Ground
from local_cloud.instances.metadata import Metadata
from local_cloud.state_dir import State
from local_cloud.ticker import ticking
from local_cloud.timeline import Moments
from local_cloud.traffic.data_plane import Plane

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from local_cloud.api.calls import Resource
    from local_cloud.instances.machine import Machine
    from local_cloud.state_dir import Home

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005
"""Seconds a thread of the API may keep the interpreter from the loop that carries the traffic.

With Python's 5 ms a load balancer carries a quarter of the requests while two clients keep
the API busy, and less than half a millisecond gains nothing (benchmarks/traffic.py).
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How a cloud is to run."""

    home: Home
    port: int
    ssh_port: int = 0
    speed: float = 1.0
    isolation: str = "auto"
    delays: Delays = dataclasses.field(default_factory=Delays)


async def serve(options: Options, announce: Callable[[State], None]) -> None:
    """Run a cloud until SIGTERM or SIGINT; leave nothing behind."""
    told = listen_for_the_end()
    sys.setswitchinterval(SWITCH_INTERVAL)
    processes.watch_children_by_descriptor()
    lock = options.home.lock()
    try:
        if ended := reaper.sweep(options.home, keep_lock=True):
            log.info("ended %d processes of a cloud that was killed", ended)
        async with running(options) as state:
            options.home.write(state)
            announce(state)
            await told.wait()
    finally:
        await asyncio.to_thread(reaper.sweep, options.home, keep_lock=False)
        os.close(lock)


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[State]:
    """Start every part in order, and end them in the other order."""
    with contextlib.ExitStack() as sockets:
        api = sockets.enter_context(network.listen(options.port, "API"))
        door = sockets.enter_context(network.listen(options.ssh_port, "SSH"))
        net = network.claim()
        sockets.callback(net.close)
        async with (
            machines(options, net) as (cloud, lock),
            ssh_server(door, cloud, lock),
        ):
            server = api_server(api, cloud, lock)
            try:
                with ticking(cloud, lock):
                    yield state(options, api, door, cloud)
            finally:
                await asyncio.to_thread(end_api, *server)


@contextlib.asynccontextmanager
async def machines(
    options: Options, net: network.Network
) -> AsyncIterator[tuple[Cloud, threading.RLock]]:
    """Make the part that runs instances, and hook moto to it."""
    lock = threading.RLock()
    home = options.home
    home.instances.mkdir()
    home.images.mkdir()
    metadata = Metadata(network.METADATA_PORT, Lookup(lock=lock).facts)
    await metadata.open()
    clock = Clock(speed=options.speed, delays=options.delays)
    moments = Moments()
    ground = Ground(
        folder=home.instances,
        marker=str(home.path),
        isolation=await chosen(options),
        metadata_port=network.METADATA_PORT,
        clock=clock,
        images=Images(folder=home.images),
        attach=metadata.attach,
        detach=metadata.detach,
    )
    plane = Plane(loop=asyncio.get_running_loop(), clock=clock, moments=moments)
    cloud = Cloud(
        ground=ground,
        network=net,
        loop=asyncio.get_running_loop(),
        traffic=plane,
        orders=Orders(find=behavior_targets.of_instance, launch=behavior_targets.of_launch),
        moments=moments,
    )
    take_out = patches.install(cloud, lock)
    try:
        yield cloud, lock
    finally:
        take_out()
        await plane.close()
        await cloud.close()
        await metadata.close()


async def chosen(options: Options) -> str:
    """Return the isolation that was asked for, or the best there is."""
    if options.isolation != "auto":
        return options.isolation
    return await isolation.best(options.home.instances, str(options.home.path))


@contextlib.asynccontextmanager
async def ssh_server(
    door: socket.socket, cloud: Cloud, lock: threading.RLock
) -> AsyncIterator[None]:
    """Answer SSH."""
    lookup = Lookup(lock=lock)

    def find(username: str, public: str) -> Machine | None:
        return cloud.machines.get(lookup.by_key(username, public) or "")

    acceptor = await ssh.serve(door, find)
    try:
        yield
    finally:
        acceptor.close()
        await acceptor.wait_closed()


class Dispatcher(DomainDispatcherApplication):
    """moto's, which lists moto's folders on the disk at every call to find the service."""

    get_backend_for_host = functools.lru_cache(1024)(
        DomainDispatcherApplication.get_backend_for_host
    )


def api_server(
    api: socket.socket, cloud: Cloud, lock: threading.RLock
) -> tuple[BaseWSGIServer, threading.Thread]:
    """Answer the API, in threads."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    clock = cloud.ground.clock
    application = Calls(
        Dispatcher(create_backend_app),
        lock,
        resources(cloud, lock),
        moments=cloud.moments,
        latency=clock.scaled(clock.delays.call),
    )
    host, port = api.getsockname()
    server = make_server(
        host,
        port,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=api.fileno(),
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="api", daemon=True)
    thread.start()
    return server, thread


def resources(cloud: Cloud, lock: threading.RLock) -> dict[tuple[str, str], Resource]:
    """Return what this cloud answers beside AWS's API and what `Calls` answers itself."""

    def reconsidered(act: Callable[..., None], *arguments: object) -> list[dict[str, Any]]:
        act(*arguments)
        with lock:
            cloud.reconsider()
        return cloud.orders.listed()

    def balancers(_: object) -> list[dict[str, Any]]:
        with lock:
            return sync.described(cloud)

    return {
        ("GET", "balancers"): balancers,
        ("GET", "orders"): lambda _: cloud.orders.listed(),
        ("POST", "orders"): lambda body: reconsidered(cloud.orders.order, body),
        ("DELETE", "orders"): lambda _: reconsidered(cloud.orders.clear),
    }


def end_api(server: BaseWSGIServer, thread: threading.Thread) -> None:
    """Answer no more."""
    server.shutdown()
    thread.join()
    server.server_close()


def state(options: Options, api: socket.socket, door: socket.socket, cloud: Cloud) -> State:
    """Describe the cloud that runs."""
    return State(
        pid=os.getpid(),
        port=api.getsockname()[1],
        ssh_port=door.getsockname()[1],
        metadata_port=network.METADATA_PORT,
        network=cloud.network.cidr,
        speed=options.speed,
        isolation=cloud.ground.isolation,
        started=dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
    )


def listen_for_the_end() -> asyncio.Event:
    """Return what SIGTERM or SIGINT sets, from the first moment on."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told
