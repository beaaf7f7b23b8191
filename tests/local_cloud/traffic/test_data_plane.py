"""Plans that change: which ports are open, and who waits for whom."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from local_cloud.traffic import listeners
from local_cloud.traffic.plan import Answer, Listener, Plan
from tests.local_cloud.traffic.stage import Stage, free, pool, staged, until

if TYPE_CHECKING:
    from local_cloud.traffic.plan import Pool


def changed(plan: Plan, **how: object) -> Plan:
    """Return the plan with another listener."""
    (balancer,) = plan.balancers
    (listener,) = balancer.listeners
    other = replace(listener, **how)  # type: ignore[arg-type]
    return replace(plan, balancers=(replace(balancer, listeners=(other,)),))


def test_apply_does_not_wait_for_a_loop_that_is_busy() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        plan = stage.plan(pool(one.member()))
        told: list[dict[str, str]] = []

        def call() -> None:
            stage.data_plane.apply(plan)
            told.append(stage.states())

        thread = threading.Thread(target=call)
        thread.start()
        thread.join(timeout=20)  # on the loop's own thread: nothing can follow yet
        assert told == [{"i-one": "initial"}]
        assert stage.data_plane.urls() == {}
        await stage.settled("one")

    staged(test)


def test_rules_change_without_closing_a_connection() -> None:
    async def test(stage: Stage) -> None:
        await stage.carry(pool(), default=Answer(status=200, body="old"))
        reader, writer = await asyncio.open_connection(stage.address, stage.ports["lb"])

        async def get() -> bytes:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(3)

        assert await get() == b"old"
        stage.data_plane.apply(stage.plan(pool(), default=Answer(status=200, body="new"), idle=30))
        while await get() != b"new":
            pass
        writer.close()

    staged(test)


def test_a_removed_listener_stops_answering() -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(pool(), default=Answer(status=200))
        reader, writer = await asyncio.open_connection(stage.address, stage.ports["lb"])
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        stage.data_plane.apply(Plan(pools=(pool(),)))
        assert await reader.read() == b""
        writer.close()
        assert url not in stage.data_plane.urls().values()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(stage.address, stage.ports["lb"])

    staged(test)


def test_a_listener_moves_to_another_port() -> None:
    async def test(stage: Stage) -> None:
        await stage.carry(pool(), default=Answer(status=200))
        port = free(stage.address)
        stage.data_plane.apply(changed(stage.plan(pool(), default=Answer(status=200)), port=port))
        await until(lambda: list(stage.data_plane.urls()) == [("lb", port)])
        assert (await stage.get(stage.data_plane.urls()["lb", port]))[0] == 200

    staged(test)


def test_https_ends_at_the_load_balancer() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member()), protocol="HTTPS")
        await stage.settled("one")
        assert url.startswith("https://")
        assert await stage.get(url, ssl=False) == (200, "one")
        assert one.requests[0].headers["X-Forwarded-Proto"] == "https"

    staged(test)


def test_an_ordinary_user_gets_a_privileged_port_8000_higher() -> None:
    async def test(stage: Stage) -> None:
        def as_ordinary_user(address: str, port: int) -> socket.socket:
            if port < 1024:
                raise PermissionError(13, "Permission denied")
            return listeners.listening(address, port)

        stage.data_plane._listeners.listen = as_ordinary_user
        plan = changed(stage.plan(pool(), default=Answer(status=200)), port=80)
        stage.data_plane.apply(plan)
        await until(stage.data_plane.urls)
        assert stage.data_plane.urls() == {("lb", 80): f"http://{stage.address}:8080"}
        assert (await stage.get(f"http://{stage.address}:8080"))[0] == 200

    staged(test)


def test_a_port_that_is_taken_is_left_out_and_the_others_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(stage: Stage) -> None:
        plan = stage.plan(pool(), default=Answer(status=200))
        (balancer,) = plan.balancers
        with socket.socket() as taken:
            taken.bind((balancer.address, 0))
            taken.listen()
            port = taken.getsockname()[1]
            second = Listener(port=port, protocol="HTTP", default=Answer(status=200))
            both = replace(balancer, listeners=(second, *balancer.listeners))
            stage.data_plane.apply(replace(plan, balancers=(both,)))
            await until(stage.data_plane.urls)
        assert list(stage.data_plane.urls()) == [("lb", stage.ports["lb"])]
        assert f"lb: port {port}: Address already in use" in caplog.text

    staged(test)


def test_a_classic_listener_sends_to_its_own_instance_port() -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        member = replace(one.member(), port=two.port, address=two.address)

        def plan(members: Pool) -> Plan:
            whole = stage.plan(members, kind="classic")
            return changed(whole, member_port=two.port)

        check = replace(pool().check, port=two.port)
        stage.data_plane.apply(plan(pool(replace(member, port=1), kind="classic", check=check)))
        await until(stage.data_plane.urls)
        await stage.settled("one")
        assert await stage.get(next(iter(stage.data_plane.urls().values()))) == (200, "two")

    staged(test)


def test_health_of_an_unknown_pool_is_empty() -> None:
    async def test(stage: Stage) -> None:
        assert stage.data_plane.health("nothing") == ()

    staged(test)


def test_close_ends_at_once_with_requests_in_flight() -> None:
    async def test(stage: Stage) -> None:
        go = asyncio.Event()

        async def wait(_request: object) -> None:
            await go.wait()

        one = await stage.backend("one", handler=wait)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        task = asyncio.create_task(stage.get(url))
        await until(lambda: one.requests)
        began = time.monotonic()
        await stage.data_plane.close()
        assert time.monotonic() - began < 5
        await asyncio.wait([task])
        assert task.exception()
        go.set()

    staged(test)
