"""The plan of a pair for a target group that has traffic, and why there may be none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.adoption.pair_model import (
    PairSetup,
    Route,
    Surroundings,
    TargetGroup,
    second_name,
    tags_of_second,
)
from pipeline.core.adoption.pairing import STICKY, other_of, plan_pair
from pipeline.core.errors import RefusedError

FIRST, SECOND = "arn:tg/web", "arn:tg/web-2"
LIVE, TEST = "arn:listener/live", "arn:listener/test"
AT_80 = {"ListenerArn": LIVE, "Protocol": "HTTP", "Port": 80}
DELAY = "deregistration_delay.timeout_seconds"


def a_target_group(arn: str, *, empty: bool = True, **settings: Any) -> TargetGroup:
    name = arn.rpartition("/")[2]
    described = {"TargetGroupArn": arn, "TargetGroupName": name, "TargetType": "instance"}
    return TargetGroup(
        described={**described, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", **settings},
        attributes={DELAY: "60"},
        is_empty=empty,
    )


def a_route(arn: str = LIVE, **weights: int) -> Route:
    arns = {"first": FIRST, "second": SECOND, "third": "arn:tg/api"}
    named = {arns[name]: weight for name, weight in weights.items()}
    return Route(arn=arn, weights=named, listener=AT_80)


def found(*routes: Route, **more: Any) -> Surroundings:
    given: dict[str, Any] = {"kind": "application", "ports": frozenset({80}), **more}
    first = given.pop("first", a_target_group(FIRST, empty=False))
    return Surroundings(region="us-east-1", first=first, routes=routes, **given)


def test_a_target_group_alone_gets_a_second_one_and_a_forward_action() -> None:
    plan = plan_pair(found(a_route(first=100), a_route(TEST, third=100)), 9000)
    assert (plan.name, plan.creates, plan.forwards) == ("web-2", True, True)
    assert (plan.attributes, plan.test_port, plan.is_done) == ({DELAY: "60"}, 9000, False)


def test_a_setup_that_was_killed_is_continued_where_it_stopped() -> None:
    second = replace(a_target_group(SECOND), attributes={DELAY: "300"})
    plan = plan_pair(found(a_route(first=100), second=second))
    assert (plan.creates, plan.forwards, plan.attributes) == (False, True, {DELAY: "60"})
    plan = plan_pair(found(a_route(first=100, second=0), second=second), 9000)
    assert (plan.forwards, plan.attributes, plan.test_port) == (False, {}, 9000)


def test_a_pair_that_exists_is_found_with_its_test_listener() -> None:
    routes = (a_route(first=100, second=0), a_route(TEST, first=0, second=100))
    second = a_target_group(SECOND, empty=False, Port=81, LoadBalancerArns=["arn:lb"])
    plan = plan_pair(found(*routes, second=second), 9000)
    assert (plan.is_done, plan.test, plan.test_port) == (True, TEST, 0)
    assert other_of(FIRST, routes) == SECOND
    assert PairSetup(environment="live", plans=(plan,)).toml == (
        f'[[environments.live.pairs]]\nlistener = "{LIVE}"\n'
        f'target_groups = ["web", "web-2"]\ntest_listener = "{TEST}"\n'
    )


ALONE = a_route(first=100)


@pytest.mark.parametrize(
    ("seen", "port", "what"),
    [
        (found(), 0, "no listener or rule forwards to it"),
        (found(a_route(first=0, second=100)), 0, "no listener or rule forwards to it"),
        (found(ALONE, a_route(TEST, first=100)), 0, "2 listeners or rules forward to it"),
        (found(a_route(first=90, third=10)), 0, "also forwards to arn:tg/api 10 %"),
        (found(replace(ALONE, sticky=True)), 0, "keeps each client with its target group"),
        (found(ALONE), 80, "its load balancer has a listener at port 80"),
        (found(ALONE, kind="gateway"), 0, "is behind a gateway load balancer"),
        (found(ALONE, first=a_target_group(FIRST, TargetType="ip")), 0, "targets of type ip"),
        (
            found(ALONE, first=replace(a_target_group(FIRST), attributes={STICKY: "true"})),
            0,
            "keeps each client with its target (stickiness.enabled)",
        ),
        (
            found(ALONE, second=a_target_group(SECOND, Port=81)),
            0,
            "web-2 exists and has other settings\nPort: 8080, web-2: 81",
        ),
        (found(ALONE, second=a_target_group(SECOND, empty=False)), 0, "in use by something else"),
    ],
)
def test_a_target_group_that_cannot_be_paired_is_refused(
    seen: Surroundings, port: int, what: str
) -> None:
    with pytest.raises(RefusedError) as told:
        plan_pair(seen, port)
    assert (told.value.where, what in told.value.what) == ("target group web", True)


def test_a_network_load_balancer_may_keep_each_client_with_its_target() -> None:
    first = replace(a_target_group(FIRST), attributes={STICKY: "true"})
    assert plan_pair(found(ALONE, first=first, kind="network")).attributes == {STICKY: "true"}


def test_names_and_tags_of_the_second_follow_those_of_the_first() -> None:
    assert second_name("web") == "web-2"
    assert second_name("a" * 29 + "-bc") == "a" * 29 + "-2"
    first = replace(
        a_target_group(FIRST), tags={"Name": "web", "team": "shop", "aws:cloudformation:x": "y"}
    )
    assert tags_of_second(first, "web-2") == {"Name": "web-2", "team": "shop"}
