"""What happens to requests when members leave, and when they leave too early."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from local_cloud.traffic.plan import Kind
from tests.local_cloud.traffic.stage import Backend, Stage, pool, staged, until

BOTH: tuple[Kind, ...] = ("application", "classic")


def slow(go: asyncio.Event) -> dict[str, object]:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        await go.wait()
        return web.Response(text="slow")

    return {"handler": answer}


async def begun(request: web.BaseRequest) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"begun")
    await asyncio.sleep(3600)
    return answer


async def flying(stage: Stage, url: str, backend: Backend) -> asyncio.Task[tuple[int, str]]:
    """Begin a request to this member; others go where they like."""
    while (task := await one_request(stage, url, backend)).done():
        pass
    return task


async def one_request(stage: Stage, url: str, backend: Backend) -> asyncio.Task[tuple[int, str]]:
    before = len(backend.requests)
    task = asyncio.create_task(stage.get(url))
    await until(lambda: task.done() or len(backend.requests) > before)
    return task


@pytest.mark.parametrize("kind", BOTH)
def test_a_draining_member_finishes_what_is_in_flight_and_gets_nothing_new(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        go = asyncio.Event()
        one, two = await stage.backend("one", **slow(go)), await stage.backend("two")
        url = await stage.carry(pool(one.member(), two.member(), kind=kind), kind=kind)
        await stage.settled("one", "two")
        task = await flying(stage, url, one)
        stage.data_plane.apply(stage.plan(pool(two.member(), kind=kind), kind=kind))
        assert stage.states() == {"i-one": "draining", "i-two": "healthy"}
        assert {await stage.get(url) for _ in range(4)} == {(200, "two")}
        go.set()
        assert await task == (200, "slow")

    staged(test)


def test_a_target_shows_draining_until_the_delay_is_over() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        await stage.carry(pool(one.member(), delay=30))
        await stage.settled("one")
        stage.data_plane.apply(stage.plan(pool(delay=30)))
        assert stage.states() == {"i-one": "draining"}
        await until(lambda: not stage.states())

    staged(test)


def test_a_classic_instance_leaves_when_its_last_request_is_answered() -> None:
    async def test(stage: Stage) -> None:
        go = asyncio.Event()
        one = await stage.backend("one", **slow(go))
        url = await stage.carry(pool(one.member(), kind="classic", delay=3600), kind="classic")
        await stage.settled("one")
        task = await flying(stage, url, one)
        stage.data_plane.apply(stage.plan(pool(kind="classic", delay=3600), kind="classic"))
        assert (await stage.get(url))[0] == 503
        assert stage.states() == {"i-one": "draining"}
        go.set()
        assert await task == (200, "slow")
        await until(lambda: not stage.states())

    staged(test)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("delay", [0, 30])
def test_a_request_that_is_not_answered_when_the_delay_is_over_is_502(
    kind: Kind, delay: float
) -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", **slow(asyncio.Event()))
        url = await stage.carry(pool(one.member(), kind=kind, delay=delay), kind=kind)
        await stage.settled("one")
        task = await flying(stage, url, one)
        stage.data_plane.apply(stage.plan(pool(kind=kind, delay=delay), kind=kind))
        assert (await task)[0] == 502
        assert not stage.states()

    staged(test)


def test_a_started_response_is_aborted_when_the_delay_is_over() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", handler=begun)
        url = await stage.carry(pool(one.member(), delay=30))
        await stage.settled("one")
        async with stage.client.get(url) as answer:
            assert await answer.content.readany() == b"begun"
            stage.data_plane.apply(stage.plan(pool(delay=30)))
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()

    staged(test)


def test_a_member_registered_again_keeps_its_requests() -> None:
    async def test(stage: Stage) -> None:
        go = asyncio.Event()
        one = await stage.backend("one", **slow(go))
        url = await stage.carry(pool(one.member(), delay=20))
        await stage.settled("one")
        task = await flying(stage, url, one)
        stage.data_plane.apply(stage.plan(pool(delay=20)))
        stage.data_plane.apply(stage.plan(pool(one.member(), delay=20)))
        assert stage.states() == {"i-one": "initial"}
        await stage.settled("one")
        await asyncio.sleep(0.3)  # longer than the delay that does not count any more
        go.set()
        assert await task == (200, "slow")

    staged(test)


@pytest.mark.parametrize("kind", BOTH)
def test_an_instance_that_ends_while_it_drains_takes_its_requests_along(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", **slow(asyncio.Event()))
        url = await stage.carry(pool(one.member(), kind=kind), kind=kind)
        await stage.settled("one")
        task = await flying(stage, url, one)
        stage.data_plane.apply(stage.plan(pool(kind=kind), kind=kind))
        await one.stop()
        assert (await task)[0] == 502

    staged(test)


@pytest.mark.parametrize("kind", BOTH)
def test_terminating_right_after_deregistering_loses_requests(kind: Kind) -> None:
    """It takes a moment until every node of the load balancer knows of a deregistration."""

    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        url = await stage.carry(pool(one.member(), two.member(), kind=kind), kind=kind)
        await stage.settled("one", "two")
        while {await stage.get(url) for _ in range(4)} != {(200, "one"), (200, "two")}:
            pass
        stage.data_plane.apply(stage.plan(pool(two.member(), kind=kind), kind=kind))
        assert stage.states()["i-one"] == "draining"
        await one.stop()
        assert {(await stage.get(url))[0] for _ in range(4)} == {200, 502}
        while {await stage.get(url) for _ in range(4)} != {(200, "two")}:
            pass

    staged(test, routing=50.0)


def test_a_classic_instance_that_gets_unhealthy_without_draining_is_cut() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", **slow(asyncio.Event()))
        url = await stage.carry(pool(one.member(), kind="classic", delay=0), kind="classic")
        await stage.settled("one")
        task = await flying(stage, url, one)
        one.healthy = 500
        assert (await task)[0] == 502

    staged(test)
