"""Whom a request goes to, without any request."""

from __future__ import annotations

import collections
import random

import pytest

from local_cloud.traffic.cookies import Cookies
from local_cloud.traffic.plan import Check, Forward, Kind, Pool
from local_cloud.traffic.routing import Candidate, Choices, RoundRobin, choose, weighted
from local_cloud.traffic.targets import Key


def one(name: str, zone: str = "a", *, healthy: bool = True) -> Candidate:
    return Candidate(
        key=("pool", name, 80), address="127.0.0.1", port=80, zone=zone, healthy=healthy
    )


def choices(*candidates: Candidate, kind: Kind = "application", cross_zone: bool = True) -> Choices:
    return Choices(
        pool=Pool(
            key="pool",
            kind=kind,
            check=Check(protocol="HTTP", port=0),
            members=(),
            delay=0,
            zones=frozenset({"a", "b"}),
            cross_zone=cross_zone,
        ),
        candidates=candidates,
    )


def taken(among: Choices, times: int) -> dict[str, int]:
    turns = RoundRobin()
    found = [choose(among, turns) for _ in range(times)]
    return collections.Counter(one.key[1] for one in found if one)


def test_healthy_members_take_turns() -> None:
    assert taken(choices(one("x"), one("y"), one("z")), 9) == {"x": 3, "y": 3, "z": 3}


def test_unhealthy_and_initial_members_get_nothing_beside_a_healthy_one() -> None:
    assert taken(choices(one("x"), one("y", healthy=False)), 4) == {"x": 4}


def test_a_target_group_without_healthy_targets_fails_open() -> None:
    among = choices(one("x", healthy=False), one("y", "b", healthy=False))
    assert taken(among, 4) == {"x": 2, "y": 2}


def test_a_classic_load_balancer_does_not_fail_open() -> None:
    assert choose(choices(one("x", healthy=False), kind="classic"), RoundRobin()) is None


def test_an_empty_group_has_no_next_member() -> None:
    assert choose(choices(), RoundRobin()) is None


def test_without_cross_zone_a_zone_with_one_member_takes_as_much_as_one_with_three() -> None:
    among = choices(one("x", "a"), one("y", "b"), one("z", "b"), one("w", "b"), cross_zone=False)
    assert taken(among, 12) == {"x": 6, "y": 2, "z": 2, "w": 2}


def test_without_cross_zone_a_zone_without_healthy_members_is_left_out() -> None:
    among = choices(one("x", "a"), one("y", "b", healthy=False), cross_zone=False)
    assert taken(among, 4) == {"x": 4}


def test_the_member_with_the_fewest_requests_in_flight_comes_first() -> None:
    busy: dict[Key, int] = {("pool", "x", 80): 2, ("pool", "y", 80): 1, ("pool", "z", 80): 1}
    among, turns = choices(one("x"), one("y"), one("z"), kind="classic"), RoundRobin()
    found = [choose(among, turns, lambda key: busy[key]) for _ in range(4)]
    assert [one.key[1] for one in found if one] == ["y", "z", "y", "z"]


def test_pools_get_their_share_by_weight() -> None:
    forward = Forward(pools=(("blue", 90), ("green", 10), ("none", 0)))
    chance = random.Random(7)  # noqa: S311  a test that can be repeated
    shares = collections.Counter(weighted(forward, chance) for _ in range(2000))
    assert set(shares) == {"blue", "green"}
    assert 0.07 < shares["green"] / 2000 < 0.13


@pytest.mark.parametrize("pools", [(("blue", 0),), (("blue", 0), ("green", 0))])
def test_pools_without_any_weight_get_nothing(pools: tuple[tuple[str, int], ...]) -> None:
    assert weighted(Forward(pools=pools), random.Random(1)) is None  # noqa: S311  the same


def test_a_cookie_names_its_member_until_it_expires() -> None:
    now = 1000.0
    cookies = Cookies(now=lambda: now)
    x, y = one("x"), one("y")
    name, _, rest = cookies.write("AWSALB", y, 60).partition("=")
    assert name == "AWSALB"
    assert "Expires=Thu, 01 Jan 1970 00:17:40 GMT" in rest
    given = {"AWSALB": rest.partition(";")[0]}
    assert cookies.read(given, "AWSALB", (x, y)) == y
    assert cookies.read(given, "AWSALB", (x,)) is None
    assert cookies.read(given, "AWSALBTG", (x, y)) is None
    now += 61
    assert cookies.read(given, "AWSALB", (x, y)) is None


@pytest.mark.parametrize("value", ["", "x", "9999999999-forged", "1.2.3-x"])
def test_an_invalid_cookie_names_no_member(value: str) -> None:
    assert Cookies().read({"AWSALB": value}, "AWSALB", (one("x"),)) is None
