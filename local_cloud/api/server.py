"""Serve one cloud: one process, one event loop, and moto's server in threads beside it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local_cloud import behavior_targets, proxy_variables
from local_cloud.api import role_resources
from local_cloud.api.authority import Authority
from local_cloud.api.calls import Calls, Resource, UnservedError
from local_cloud.api.endpoint import Endpoint
from local_cloud.api.judging import Judged
from local_cloud.api.key_lookup import KeyLookup
from local_cloud.api.models import MotoModels
from local_cloud.api.tunnel import Upstream
from local_cloud.balancers import sync
from local_cloud.behaviors import Behaviors
from local_cloud.clock import Clock, Delays
from local_cloud.cloud import Cloud
from local_cloud.consistency.past import Past
from local_cloud.consistency.setting import Consistency
from local_cloud.instances import base_tree, isolation, network, overlay, processes, reaper, ssh
from local_cloud.instances.images import Images
from local_cloud.instances.instance_proxy import InstanceProxy
from local_cloud.instances.machine import InstanceHost
from local_cloud.instances.metadata import Metadata
from local_cloud.metrics.collector import Collector
from local_cloud.patches.ec2 import published
from local_cloud.patches.install import install
from local_cloud.permissions.judge import Judge
from local_cloud.permissions.roles import Role, Roles
from local_cloud.state_dir import State, StateDir
from local_cloud.ticker import ticking
from local_cloud.timeline import Timeline
from local_cloud.traffic.data_plane import DataPlane

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005
"""Seconds for which a thread of the API may hold the interpreter from the traffic's event loop.

With Python's default of 5 ms, load balancers carry a quarter of the requests while two clients
keep the API busy. Less than 0.5 ms gains nothing (benchmarks/traffic.py).
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The settings of a cloud."""

    home: StateDir
    port: int
    ssh_port: int = 0
    speed: float = 1.0
    isolation: str = "auto"
    delays: Delays = field(default_factory=Delays)
    consistency: Consistency = field(default_factory=Consistency)
    roles: Sequence[Role] = ()
    rootfs: Path | None = None


async def serve(options: Options, announce: Callable[[State], None]) -> None:
    """Run a cloud until SIGTERM or SIGINT; remove everything that it made."""
    stopped = stop_signal()
    sys.setswitchinterval(SWITCH_INTERVAL)
    processes.watch_children_by_descriptor()
    lock = options.home.lock()
    try:
        if ended := reaper.reap(options.home, keep_lock=True):
            log.info("ended %d processes of a cloud that was killed", ended)
        async with running(options) as state:
            options.home.write(state)
            announce(state)
            await stopped.wait()
    finally:
        await asyncio.to_thread(reaper.reap, options.home, keep_lock=False)
        os.close(lock)


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[State]:
    """Start every part, and end the parts in reverse order."""
    with contextlib.ExitStack() as sockets:
        api_socket = sockets.enter_context(network.listen(options.port, "API"))
        net = network.claim()
        sockets.callback(net.close)
        way = Way.at(options.home, api_socket)
        async with machines(options, net, way) as (cloud, lock):
            running_state = state(options, api_socket, cloud)
            past = Past.attached(cloud, options.consistency)
            endpoint = open_endpoint(api_socket, cloud, lock, past, way)
            try:
                with ticking(cloud, lock):
                    yield running_state
            finally:
                await asyncio.to_thread(endpoint.close)


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How clients reach the cloud by the host names of AWS, and how it reaches other hosts."""

    authority: Authority
    upstream: Upstream
    proxy: InstanceProxy

    @classmethod
    def at(cls, home: StateDir, api_socket: socket.socket) -> Way:
        """Make an authority and write its certificate."""
        own = proxy_variables.own_values(os.environ)
        authority = Authority()
        authority.write(home.authority, home.trusted, own.get("SSL_CERT_FILE", ""))
        host, port = api_socket.getsockname()
        proxy = InstanceProxy(
            url=f"http://{host}:{port}", authority=home.authority, trusted=home.trusted
        )
        return cls(authority=authority, upstream=Upstream.of(own), proxy=proxy)


@contextlib.asynccontextmanager
async def machines(
    options: Options, net: network.Network, way: Way
) -> AsyncIterator[tuple[Cloud, threading.RLock]]:
    """Make the part that runs instances, and patch moto to use it."""
    lock = threading.RLock()
    home = options.home
    home.instances.mkdir()
    home.images.mkdir()
    isolated = await chosen_isolation(options)
    if options.rootfs:
        await asyncio.to_thread(base_tree.prepare, options.rootfs, home.tree)
        await asyncio.to_thread(overlay.check_mounts, home.instances, home.tree)
    lookup = KeyLookup(lock=lock)
    metadata = Metadata(network.METADATA_PORT, lookup.facts)
    await metadata.open()
    clock = Clock(speed=options.speed, delays=options.delays)
    timeline = Timeline()
    host = InstanceHost(
        folder=home.instances,
        marker=str(home.path),
        isolation=isolated,
        metadata_port=network.METADATA_PORT,
        clock=clock,
        images=Images(folder=home.images),
        ssh=ssh.SshServer(*net.ssh_port(options.ssh_port), lookup.opens),
        proxy=way.proxy,
        tree=home.tree if options.rootfs else None,
        attach=metadata.attach,
        detach=metadata.detach,
    )
    metrics = Collector.at(options.speed)
    data_plane = DataPlane(
        loop=asyncio.get_running_loop(), clock=clock, timeline=timeline, meter=metrics.meter
    )
    metrics.samplers.append(data_plane.hosts)
    cloud = Cloud(
        host=host,
        network=net,
        loop=asyncio.get_running_loop(),
        traffic=data_plane,
        behaviors=Behaviors(find=behavior_targets.of_instance, launch=behavior_targets.of_launch),
        timeline=timeline,
        roles=Roles(options.roles),
        metrics=metrics,
    )
    uninstall = install(cloud, lock)
    try:
        yield cloud, lock
    finally:
        uninstall()
        await data_plane.close()
        await cloud.close()
        await metadata.close()


async def chosen_isolation(options: Options) -> str:
    """Return the requested isolation, or the strongest that works here."""
    if options.rootfs:
        return overlay.isolation(options.isolation)
    if options.isolation != "auto":
        return options.isolation
    return await isolation.best(options.home.instances, str(options.home.path))


application_of = functools.cache(create_backend_app)
"""Makes moto's application of a service, once in a process; one takes as long as 20 calls."""


class Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher with a cache: moto lists its folders on disk at every call."""

    @functools.lru_cache(1024)  # noqa: B019  there is one dispatcher, as long as the cloud
    def get_backend_for_host(self, host: str | None) -> Any:
        """Return moto's name of the service; raise UnservedError if it has none."""
        found = super().get_backend_for_host(host)
        if found is None and host is not None:
            raise UnservedError(f"The local cloud does not have the service at {host}")
        return found


def open_endpoint(
    api_socket: socket.socket, cloud: Cloud, lock: threading.RLock, past: Past, way: Way
) -> Endpoint:
    """Serve the API in threads, and be the proxy of the clients of AWS."""
    clock = cloud.host.clock
    endpoint = Endpoint(api_socket, way.authority, way.upstream)
    calls = Calls(
        Judged(
            application=Dispatcher(application_of),
            judge=Judge(roles=cloud.roles, models=MotoModels()),
        ),
        lock,
        resources(cloud, lock),
        timeline=cloud.timeline,
        latency=clock.scaled(clock.delays.call),
        outage=endpoint.refuse,
        past=past,
    )
    endpoint.open(calls)
    return endpoint


def resources(cloud: Cloud, lock: threading.RLock) -> dict[tuple[str, str], Resource]:
    """Return the control resources of the cloud; `Calls` adds its own."""

    def apply(change: Callable[..., None], *arguments: object) -> list[dict[str, Any]]:
        change(*arguments)
        with lock:
            cloud.apply_behaviors()
        return cloud.behaviors.listed()

    def balancers(_: object) -> list[dict[str, Any]]:
        with lock:
            return sync.described(cloud)

    def change(act: Callable[..., None], *arguments: object) -> dict[str, int]:
        act(*arguments)
        return cloud.quotas.listed()

    return {
        **role_resources.resources(cloud.roles, lock),
        ("GET", "quotas"): lambda _: cloud.quotas.listed(),
        ("POST", "quotas"): lambda body: change(cloud.quotas.set, body),
        ("DELETE", "quotas"): lambda _: change(cloud.quotas.reset),
        ("GET", "balancers"): balancers,
        ("POST", "images"): functools.partial(published.add_everywhere, cloud, lock),
        ("POST", "shell"): lambda body: cloud.shell(str(body)),
        ("GET", "behaviors"): lambda _: cloud.behaviors.listed(),
        ("POST", "behaviors"): lambda body: apply(cloud.behaviors.assign, body),
        ("DELETE", "behaviors"): lambda _: apply(cloud.behaviors.clear),
    }


def state(options: Options, api_socket: socket.socket, cloud: Cloud) -> State:
    """Return the state of the running cloud."""
    return State(
        pid=os.getpid(),
        port=api_socket.getsockname()[1],
        ssh_port=cloud.host.ssh.port,
        ssh_hint=cloud.host.ssh.hint,
        metadata_port=network.METADATA_PORT,
        network=cloud.network.cidr,
        speed=options.speed,
        isolation=cloud.host.isolation,
        consistency=str(options.consistency),
        authority=str(options.home.authority),
        trusted=str(options.home.trusted),
        started=dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
    )


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set, from now on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped
