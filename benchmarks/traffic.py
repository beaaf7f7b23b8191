"""What one load balancer of the local cloud carries, alone and while the API is busy.

The plane runs in a process of its own, with moto's API server in threads beside it as in
the local cloud (one interpreter, so one core's worth); two tiny programs, the clients of
the load balancer and those of the API are other processes. Latency is open loop: counted
from when a request was due, so that a plane that stands still is not spared the requests
of that time. What one core carries is counted in the process's own seconds, which others
do not disturb.
Prints the figures as JSON, and as a table on stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import aiohttp
import boto3
from aiohttp import web
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from pipeline.sandbox.calls import Calls
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.server import SWITCH_INTERVAL
from pipeline.sandbox.traffic.plan import Balancer, Check, Forward, Listener, Member, Plan, Pool
from pipeline.sandbox.traffic.plane import Plane

ADDRESS = "127.251.0.1"
PORT, API = 8080, 8081
PROGRAMS = (("127.251.0.2", 8080), ("127.251.0.3", 8080))
URL = f"http://{ADDRESS}:{PORT}/"
RATE = 300
SECONDS = 8
CLIENTS = 32


async def program(host: str, port: int) -> None:
    """Answer every request with a few bytes."""

    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    loop = asyncio.get_running_loop()
    server = await loop.create_server(web.Server(answer, access_log=None), host, port)
    await server.serve_forever()


async def cloud(interval: float) -> None:
    """Run the plane, and moto's API beside it."""
    sys.setswitchinterval(interval)
    application = Calls(DomainDispatcherApplication(create_backend_app), threading.RLock())
    api = make_server(ADDRESS, API, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    plane = Plane(loop=asyncio.get_running_loop(), clock=Clock())
    plane.apply(plan())
    await asyncio.Event().wait()


def plan() -> Plan:
    """Return one load balancer in front of the programs."""
    members = tuple(
        Member(id=f"i-{host}", port=port, address=host, zone="a") for host, port in PROGRAMS
    )
    pool = Pool(
        key="pool",
        kind="application",
        check=Check(protocol="HTTP", port=0, interval=5.0),
        members=members,
        delay=300.0,
        zones=frozenset({"a"}),
    )
    listener = Listener(port=PORT, protocol="HTTP", default=Forward(pools=(("pool", 1),)))
    balancer = Balancer(
        key="lb", name="lb", kind="application", address=ADDRESS, listeners=(listener,)
    )
    return Plan(balancers=(balancer,), pools=(pool,))


def caller() -> None:
    """Call the API as fast as it answers."""
    client = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=f"http://{ADDRESS}:{API}",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106  moto takes any
    )
    while True:
        client.describe_images()


@contextlib.contextmanager
def running(*roles: tuple[str, ...]) -> Iterator[int]:
    """Run parts of this script as processes; yield the id of the first."""
    started = [subprocess.Popen([sys.executable, str(Path(__file__)), *role]) for role in roles]
    try:
        yield started[0].pid
    finally:
        for process in started:
            process.kill()
            process.wait()


async def ready(session: aiohttp.ClientSession) -> None:
    """Wait until both programs are healthy."""
    deadline = time.monotonic() + 60
    good = 0
    while good < 20:  # noqa: PLR2004  in a row: no change is on its way any more
        if time.monotonic() > deadline:
            raise TimeoutError("the load balancer does not answer")
        try:
            async with session.get(URL) as answer:
                good = good + 1 if answer.ok else 0
        except aiohttp.ClientError:
            good = 0
        await asyncio.sleep(0.05)
    await asyncio.sleep(3)  # Delays.routing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What came of some seconds of requests."""

    p50: float
    p99: float
    lost: int
    most: float  # requests per second, closed loop
    core: float  # the same for each second that the plane's process ran


def used(process: int) -> float:
    """Return how many seconds a process has run."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(plane: int) -> Measured:
    """Send requests at a steady rate, then as many as come back."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await ready(session)
        took: list[float] = []
        lost = 0

        async def one(due: float) -> None:
            nonlocal lost
            try:
                async with session.get(URL) as answer:
                    await answer.read()
                    lost += not answer.ok
            except (aiohttp.ClientError, TimeoutError):
                lost += 1
            took.append(time.perf_counter() - due)

        tasks = []
        began = time.perf_counter()
        for number in range(RATE * SECONDS):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
        cuts = quantiles(took, n=100)
        end = time.perf_counter() + SECONDS
        before, ran = len(took), used(plane)

        async def client() -> None:
            while time.perf_counter() < end:
                await one(time.perf_counter())

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        done = len(took) - before
        return Measured(
            p50=cuts[49] * 1000,
            p99=cuts[98] * 1000,
            lost=lost,
            most=done / SECONDS,
            core=done / (used(plane) - ran),
        )


def figures(name: str, measured: Measured) -> Iterator[dict[str, object]]:
    """Return the figures of one measurement as benchmarks/run.py writes them."""

    def figure(
        what: str, value: float, unit: str, want: str = "", *, met: bool = True
    ) -> dict[str, object]:
        text = f"load balancer{name}: {what}"
        return {"name": text, "value": round(value, 3), "unit": unit, "goal": want, "met": met}

    yield figure("most requests", measured.most, "1/s", f">= {RATE}", met=measured.most >= RATE)
    yield figure("requests in a second of the process", measured.core, "1/s")
    yield figure(f"p50 at {RATE}/s", measured.p50, "ms")
    yield figure(f"p99 at {RATE}/s", measured.p99, "ms")
    yield figure("requests lost", measured.lost, "", "<= 0", met=not measured.lost)


def main() -> None:
    """Measure alone, and with the API busy: as the interpreter switches, and as server.py asks."""
    programs = tuple(("program", host, str(port)) for host, port in PROGRAMS)
    found: list[dict[str, object]] = []
    for name, interval, callers in (
        ("", "0.005", 0),
        (", API busy", "0.005", 2),
        (f", API busy, switching after {SWITCH_INTERVAL * 1000:g} ms", str(SWITCH_INTERVAL), 2),
    ):
        print(f"measuring: load balancer{name}", file=sys.stderr, flush=True)
        with running(("cloud", interval), *programs, *[("caller",)] * callers) as plane:
            found += figures(name, asyncio.run(measure(plane)))
    print(json.dumps(found, indent=2))
    for figure in found:
        print(f"{figure['name']:<60} {figure['value']:>10} {figure['unit']}", file=sys.stderr)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["program", host, port]:
            asyncio.run(program(host, int(port)))
        case ["cloud", interval]:
            asyncio.run(cloud(float(interval)))
        case ["caller"]:
            caller()
        case _:
            main()
