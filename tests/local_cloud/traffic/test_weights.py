"""Weighted target groups that carry requests and connections while their weights change."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from local_cloud.traffic.known_rules import KnownRules
from local_cloud.traffic.plan import Balancer, Condition, Forward, Listener, Plan, Rule
from tests.local_cloud.traffic.stage import Stage, a_tcp_pool, echoing, pool, staged, until, where

if TYPE_CHECKING:
    from local_cloud.traffic.plan import Kind, Pool

ANY = Condition(field="path-pattern", values=("*",))


def spread(blue: int, green: int, sticky: float | None = None) -> Forward:
    return Forward(pools=(("blue", blue), ("green", green)), sticky=sticky)


def ruled(action: Forward) -> dict[str, Any]:
    """The settings of a listener whose only rule has this action."""
    return {"default": Forward(pools=()), "rules": (Rule(conditions=(ANY,), action=action),)}


def by_default(action: Forward) -> dict[str, Any]:
    return {"default": action}


async def pools(stage: Stage) -> tuple[Pool, Pool]:
    """The pools blue and green with one member each."""
    blue, green = await stage.backend("blue"), await stage.backend("green")
    return pool(blue.member(), key="blue"), pool(green.member(), key="green")


async def both_healthy(stage: Stage) -> None:
    for name in ("blue", "green"):
        await stage.settled(name, key=name)


@pytest.mark.parametrize("given", [by_default, ruled])
def test_a_pool_of_weight_0_is_checked_and_gets_no_request(given: Any) -> None:
    async def test(stage: Stage) -> None:
        both = await pools(stage)
        url = await stage.carry(*both, **given(spread(100, 0)))
        await both_healthy(stage)
        assert {await stage.get(url) for _ in range(30)} == {(200, "blue")}
        stage.data_plane.apply(stage.plan(*both, **given(spread(0, 100))))
        assert {await stage.get(url) for _ in range(30)} == {(200, "green")}
        await both_healthy(stage)

    staged(test)


def test_a_change_reaches_the_nodes_after_a_delay_and_connections_stay_open() -> None:
    async def test(stage: Stage) -> None:
        both = await pools(stage)
        url = await stage.carry(*both, default=spread(100, 0))
        await both_healthy(stage)
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as one_connection:

            async def get() -> str:
                async with one_connection.get(url) as answer:
                    return await answer.text()

            while await get() != "blue":  # its member is known after the same delay
                pass
            began = asyncio.get_running_loop().time()
            stage.data_plane.apply(stage.plan(*both, default=spread(0, 100)))
            answers = [await get()]
            while answers[-1] == "blue":
                answers.append(await get())
            took = asyncio.get_running_loop().time() - began
            assert len(answers) > 1
            assert took >= 0.5
            assert {await get() for _ in range(20)} == {"green"}

    staged(test, routing=50.0)


def test_a_request_in_flight_stays_with_its_member() -> None:
    async def test(stage: Stage) -> None:
        go_on, both = asyncio.Event(), await pools(stage)

        async def slow(_request: web.BaseRequest) -> web.StreamResponse:
            await go_on.wait()
            return web.Response(text="slow")

        late = await stage.backend("blue", handler=slow)
        both = (pool(late.member(), key="blue"), both[1])
        url = await stage.carry(*both, default=spread(1, 0))
        await both_healthy(stage)
        flying = asyncio.create_task(stage.get(url))
        await until(lambda: late.requests)
        stage.data_plane.apply(stage.plan(*both, default=spread(0, 1)))
        assert await stage.get(url) == (200, "green")
        go_on.set()
        assert await flying == (200, "slow")

    staged(test)


def test_a_sticky_client_stays_with_a_pool_whose_weight_becomes_0() -> None:
    async def test(stage: Stage) -> None:
        both = await pools(stage)
        url = await stage.carry(*both, default=spread(1, 0, sticky=3600.0))
        await both_healthy(stage)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:

            async def get() -> str:
                async with client.get(url) as answer:
                    return await answer.text()

            assert await get() == "blue"
            stage.data_plane.apply(stage.plan(*both, default=spread(0, 1, sticky=3600.0)))
            assert {await get() for _ in range(10)} == {"blue"}
            assert await stage.get(url) == (200, "green")
            stage.data_plane.apply(stage.plan(*both, default=spread(0, 1)))
            assert {await get() for _ in range(10)} == {"green"}

    staged(test)


def test_a_weight_decides_for_new_connections_of_a_network_load_balancer() -> None:
    async def test(stage: Stage) -> None:
        both = [pool_of(await echoing(stage, name), key=name) for name in ("blue", "green")]
        how: dict[str, Any] = {"kind": "network", "protocol": "TCP"}
        url = await stage.carry(*both, default=spread(1, 0), **how)
        await both_healthy(stage)
        reader, writer = await asyncio.open_connection(*where(url))
        assert await reader.readline() == b"blue\n"
        stage.data_plane.apply(stage.plan(*both, default=spread(0, 1), **how))
        assert await names(url, 10) == {"green": 10}
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        writer.close()

    staged(test)


def pool_of(member: Any, key: str) -> Pool:
    given = a_tcp_pool(member)
    return pool(member, key=key, kind="network", check=given.check)


async def names(url: str, connections: int) -> collections.Counter[str]:
    """Count the members that answer so many connections, one after another."""
    found: collections.Counter[str] = collections.Counter()
    for _ in range(connections):
        reader, writer = await asyncio.open_connection(*where(url))
        found[(await reader.readline()).decode().strip()] += 1
        writer.close()
    return found


@pytest.mark.long
@pytest.mark.parametrize("kind", ["application", "network"])
def test_weights_are_within_2_percentage_points_over_5000_requests(kind: Kind) -> None:
    async def test(stage: Stage) -> None:
        how: dict[str, Any] = {"kind": kind, "protocol": "TCP" if kind == "network" else "HTTP"}
        if kind == "network":
            members = [await echoing(stage, name) for name in ("blue", "green")]
            both = tuple(pool_of(member, key=member.id.removeprefix("i-")) for member in members)
        else:
            both = await pools(stage)
        url = await stage.carry(*both, default=spread(950, 50), **how)
        await both_healthy(stage)
        if kind == "network":
            found = await names(url, 5000)
        else:
            found = collections.Counter([(await stage.get(url))[1] for _ in range(5000)])
        assert found["blue"] + found["green"] == 5000
        assert abs(found["green"] / 5000 - 0.05) < 0.02

    staged(test)


@pytest.mark.long
def test_changes_arrive_in_their_order_each_after_the_delay() -> None:
    clock = {"now": 0.0}
    shown: list[dict[str, int]] = []
    known = KnownRules(
        delay=2.0,
        now=lambda: clock["now"],
        on_change=lambda **facts: shown.append(facts["weights"]),
    )

    def plan(blue: int) -> Plan:
        listener = Listener(port=80, protocol="HTTP", default=spread(blue, 100 - blue))
        balancer = Balancer(
            key="lb", name="lb", kind="application", address="", listeners=(listener,)
        )
        return Plan(balancers=(balancer,))

    def weight() -> int:
        (balancer,) = plan(0).balancers
        action = known.of(balancer, balancer.listeners[0]).default
        assert isinstance(action, Forward)
        return action.pools[0][1]

    def weight_at(now: float) -> int:
        clock["now"] = now
        return weight()

    seen = []
    for now, change in ((0.0, 100), (1.0, 50), (2.0, 0)):
        clock["now"] = now
        known.apply(plan(change))
        known.apply(plan(change))  # any other change of the plan
        seen.append(weight())
    seen += [weight_at(now) for now in (2.9, 3.0, 3.9, 4.0)]
    assert seen == [100, 100, 100, 100, 50, 50, 0]
    assert shown == [{"blue": 50, "green": 50}, {"blue": 0, "green": 100}]
    known.apply(Plan())
    known.apply(plan(7))
    assert weight() == 7  # a listener that is made again has its rules at once
