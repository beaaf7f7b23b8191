"""What the data plane counts of requests and connections."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from local_cloud.traffic.plan import Answer, Kind, Member
from tests.local_cloud.traffic.stage import (
    Stage,
    a_tcp_pool,
    address,
    echoing,
    free,
    pool,
    staged,
    until,
    where,
)


async def by_path(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with the status that the path names."""
    await asyncio.sleep(0.05)
    return web.Response(status=int(request.path[1:]))


def test_responses_of_members_are_counted_by_status_with_their_time() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one", handler=by_path)
        url = await stage.carry(pool(one.member()))
        await stage.settled("one")
        for status in (200, 204, 404, 500):
            assert (await stage.get(f"{url}/{status}"))[0] == status
        tally = stage.tally()
        assert tally.by_member == {200: 1, 204: 1, 404: 1, 500: 1}
        assert (tally.requests, tally.refused, tally.by_balancer) == (4, 0, {})
        assert all(0.05 <= seconds < 5 for seconds in tally.seconds)
        assert stage.tally("").connections == 1

    staged(test)


def test_a_member_that_refuses_is_a_connection_error_and_a_502_of_the_load_balancer() -> None:
    async def test(stage: Stage) -> None:
        host = address()
        gone = Member(id="i-gone", port=free(host), address=host, zone="a")
        url = await stage.carry(pool(gone))
        await until(lambda: stage.states()["i-gone"] == "unhealthy")
        assert (await stage.get(url))[0] == 502
        tally = stage.tally()
        assert (tally.requests, tally.refused, tally.by_balancer) == (1, 1, {502: 1})
        assert tally.by_member == {}

    staged(test)


def test_a_503_without_a_member_is_no_request_to_a_target() -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(pool())
        assert (await stage.get(url))[0] == 503
        assert (stage.tally("").requests, stage.tally("").by_balancer) == (0, {503: 1})

    staged(test)


def test_a_fixed_response_is_the_load_balancers() -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(pool(), default=Answer(status=410))
        assert (await stage.get(url))[0] == 410
        assert (stage.tally("").requests, stage.tally("").by_balancer) == (0, {410: 1})

    staged(test)


def test_responses_by_behavior_count_as_the_members() -> None:
    async def test(stage: Stage) -> None:
        one = await stage.backend("one")
        url = await stage.carry(pool(one.member(answers="500-but-health")))
        await stage.settled("one")
        assert (await stage.get(url))[0] == 500
        assert stage.tally().by_member == {500: 1}

    staged(test)


@pytest.mark.parametrize("kind", ["network", "classic"])
def test_flows_and_their_bytes_are_counted(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        url = await stage.carry(
            a_tcp_pool(await echoing(stage, "one"), kind=kind), kind=kind, protocol="TCP"
        )
        await stage.settled("one")
        reader, writer = await asyncio.open_connection(*where(url))
        assert await reader.readline() == b"one\n"
        meter = stage.data_plane.meter
        assert meter.active["lb", "pool"] == 1
        writer.write(b"hello\n")
        writer.write_eof()
        assert await reader.read() == b"hello\nbye\n"
        writer.close()
        await until(lambda: meter.active["lb", "pool"] == 0)
        tally = stage.tally()
        assert (tally.connections, tally.bytes, tally.refused) == (1, 20, 0)

    staged(test)
