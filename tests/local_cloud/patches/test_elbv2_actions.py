"""Weighted target groups: what ELBv2 accepts, refuses and describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.patches.elb import described
from tests import patched_moto
from tests.patched_moto import refused, to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.patched_moto import PatchedMoto


@pytest.fixture
def here() -> Iterator[PatchedMoto]:
    with patched_moto.moto(described) as running:
        yield running


def pair(one: str, other: str, *weights: int, **more: Any) -> dict[str, Any]:
    """The action that spreads requests over two target groups, with or without weights."""
    groups: list[dict[str, Any]] = [{"TargetGroupArn": one}, {"TargetGroupArn": other}]
    for group, weight in zip(groups, weights, strict=False):
        group["Weight"] = weight
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups, **more}}


def rule(here: PatchedMoto, listener: str, *actions: dict[str, Any], path: str = "/a") -> str:
    conditions = [{"Field": "path-pattern", "Values": [path]}]
    made = here.aws("elbv2").create_rule(
        ListenerArn=listener, Priority=1, Conditions=conditions, Actions=list(actions)
    )
    return str(made["Rules"][0]["RuleArn"])


@pytest.mark.parametrize("kind", ["application", "network"])
def test_the_weights_of_a_listener_are_changed_and_described(here: PatchedMoto, kind: str) -> None:
    protocol = "HTTP" if kind == "application" else "TCP"
    one, other = (here.group(name, Protocol=protocol) for name in ("one", "other"))
    balancer = here.application(Type=kind)
    arn = here.listen(balancer, pair(one, other, 100, 0), Protocol=protocol)
    elbv2 = here.aws("elbv2")
    changed = elbv2.modify_listener(ListenerArn=arn, DefaultActions=[pair(one, other, 0, 100)])
    (shown,) = elbv2.describe_listeners(ListenerArns=[arn])["Listeners"]
    assert changed["Listeners"] == [shown]
    assert shown["DefaultActions"] == [
        {
            "Type": "forward",
            "Order": 1,
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": one, "Weight": 0},
                    {"TargetGroupArn": other, "Weight": 100},
                ],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
    ]
    (default,) = elbv2.describe_rules(ListenerArn=arn)["Rules"]
    assert default["Actions"] == shown["DefaultActions"]
    assert {pool.key: bool(pool.zones) for pool in here.plan.pools} == {one: True, other: True}


def test_the_weights_of_a_rule_are_changed_and_described_by_its_arn(here: PatchedMoto) -> None:
    one, other, elbv2 = here.group("one"), here.group("other"), here.aws("elbv2")
    listener = here.listen(here.application(), to(one))
    arn = rule(here, listener, pair(one, other, 1, 0))
    sticky = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
    elbv2.modify_rule(RuleArn=arn, Actions=[pair(one, other, 999, 1, **sticky)])
    (shown,) = elbv2.describe_rules(RuleArns=[arn])["Rules"]
    assert shown["Actions"][0]["ForwardConfig"] == {
        "TargetGroups": [
            {"TargetGroupArn": one, "Weight": 999},
            {"TargetGroupArn": other, "Weight": 1},
        ],
        **sticky,
    }
    assert shown["Conditions"][0]["Values"] == ["/a"]
    assert "TargetGroupArn" not in shown["Actions"][0]
    with refused("RuleNotFound"):
        elbv2.describe_rules(RuleArns=[arn, arn + "0"])
    with refused("RuleNotFound"):
        elbv2.modify_rule(RuleArn=arn + "0", Actions=[to(one)])
    with refused("ListenerNotFound"):
        elbv2.describe_listeners(ListenerArns=[listener, listener + "0"])


def test_a_single_target_group_is_described_in_both_forms(here: PatchedMoto) -> None:
    group = here.group()
    arn = here.listen(here.application(), to(group))
    (shown,) = here.aws("elbv2").describe_listeners(ListenerArns=[arn])["Listeners"]
    (action,) = shown["DefaultActions"]
    assert action["TargetGroupArn"] == group
    assert action["ForwardConfig"] == {
        "TargetGroups": [{"TargetGroupArn": group, "Weight": 1}],
        "TargetGroupStickinessConfig": {"Enabled": False},
    }


def test_actions_that_aws_refuses_are_refused_wherever_they_are_given(here: PatchedMoto) -> None:
    one, other = here.group("one"), here.group("other")
    listener = here.listen(here.application(), to(one))
    mine = rule(here, listener, to(one))
    vpc = here.aws("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    tcp, abroad = here.group("tcp", Protocol="TCP"), here.group("abroad", VpcId=vpc)
    between = "The weight for each target group must be between 0 and 999, inclusive"
    seconds = "stickiness duration must be between 1 and 604800 seconds"
    sticky = {"TargetGroupStickinessConfig": {"Enabled": True}}
    for action, code, message in (
        (pair(one, other, 1000, 0), "ValidationError", between),
        (pair(one, other, -1, 1), "ValidationError", between),
        (pair(one, other), "ValidationError", between),
        (pair(one, other, 1, 1, **sticky), "ValidationError", seconds),
        (pair(one, one + "0", 1, 1), "TargetGroupNotFound", one + "0"),
        (pair(one, tcp, 1, 0), "IncompatibleProtocols", "'HTTP' and 'TCP'"),
        (pair(one, abroad, 1, 0), "InvalidConfigurationRequest", "in a different VPC than load"),
    ):
        elbv2 = here.aws("elbv2")
        with refused(code, message):
            elbv2.modify_listener(ListenerArn=listener, DefaultActions=[action])
        with refused(code, message):
            elbv2.modify_rule(RuleArn=mine, Actions=[action])


def test_the_default_rule_is_not_modified(here: PatchedMoto) -> None:
    group, elbv2 = here.group(), here.aws("elbv2")
    listener = here.listen(here.application(), to(group))
    (default,) = elbv2.describe_rules(ListenerArn=listener)["Rules"]
    with refused("OperationNotPermitted", "cannot be modified"):
        elbv2.modify_rule(RuleArn=default["RuleArn"], Actions=[to(group)])


def test_sticky_targets_need_a_sticky_pair(here: PatchedMoto) -> None:
    one, other, elbv2 = here.group("one"), here.group("other"), here.aws("elbv2")
    listener = here.listen(here.application(), pair(one, other, 1, 1))
    sticky = {"TargetGroupArn": one, "Attributes": [{"Key": "stickiness.enabled", "Value": "true"}]}
    with refused("InvalidConfigurationRequest", "You must enable group stickiness before"):
        elbv2.modify_target_group_attributes(**sticky)
    elbv2.modify_listener(ListenerArn=listener, DefaultActions=[to(one)])
    elbv2.modify_target_group_attributes(**sticky)
    with refused("InvalidConfigurationRequest", "You must enable group stickiness on a rule"):
        elbv2.modify_listener(ListenerArn=listener, DefaultActions=[pair(one, other, 1, 1)])
    for_a_minute = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
    weighted = [pair(one, other, 1, 1, **for_a_minute)]
    elbv2.modify_listener(ListenerArn=listener, DefaultActions=weighted)
