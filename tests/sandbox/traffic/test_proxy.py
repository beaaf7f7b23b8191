"""Requests through a load balancer: who gets them, and what the client gets."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from pipeline.sandbox.traffic.plan import Kind
from tests.sandbox.traffic.stage import Stage, pool, staged, until

BOTH: tuple[Kind, ...] = ("application", "classic")


@pytest.mark.parametrize("kind", BOTH)
def test_requests_go_round_the_healthy_members(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        one, two = await stage.backend("one"), await stage.backend("two")
        url = await stage.carry(pool(one.member(), two.member(), kind=kind), kind=kind)
        await stage.settled("one", "two")
        answers = [await stage.get(url) for _ in range(6)]
        assert sorted(answers) == [(200, "one")] * 3 + [(200, "two")] * 3

    staged(test)


def test_a_draining_member_finishes_what_is_in_flight_and_gets_nothing_new() -> None:
    async def test(stage: Stage) -> None:
        go = asyncio.Event()
        one, two = await stage.backend("one"), await stage.backend("two")

        async def slowly(_request: object) -> web.Response:
            await go.wait()
            return web.Response(text="slow")

        one.handler = slowly
        both = (one.member(), two.member())
        url = await stage.carry(pool(*both))
        await stage.settled("one", "two")
        flying = [asyncio.create_task(stage.get(url)) for _ in range(2)]
        await until(lambda: len(one.requests) == 1)
        stage.plane.apply(stage.plan(pool(two.member())))
        assert stage.states() == {"i-one": "draining", "i-two": "healthy"}
        assert {await stage.get(url) for _ in range(4)} == {(200, "two")}
        go.set()
        assert sorted(await asyncio.gather(*flying)) == [(200, "slow"), (200, "two")]

    staged(test)
