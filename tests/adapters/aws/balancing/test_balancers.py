"""Load balancers found by what a person wrote, their targets and their settings."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.adapters.aws.balancing.balancer_settings import describe
from pipeline.adapters.aws.balancing.balancers import find_described, resolve, target_reader
from pipeline.adapters.aws.client import Clients
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, Target
from pipeline.core.preflight.facts import BalancerFacts
from tests.aws import service as fakes
from tests.aws.service import REGION, ZONES, Service, forward_to

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lost/0123456789abcdef"


def test_names_and_arns_are_resolved_to_traffic_sources(service: Service) -> None:
    arn = service.targets.identifier
    assert resolve(service.clients, REGION, ["web"], ["web-tg"]) == service.both
    assert resolve(service.clients, REGION, [], [arn, "web-tg"]) == (service.targets,)
    assert service.targets == Balancer(kind="elbv2", identifier=arn, name="web-tg")


def test_existing_balancers_take_one_call_for_each_kind(service: Service) -> None:
    service.cloud.client.forget_calls()
    assert resolve(service.clients, REGION, [], []) == ()
    assert service.calls() == {}
    resolve(service.clients, REGION, ["web"], ["web-tg"])
    assert service.calls() == {"DescribeLoadBalancers": 1, "DescribeTargetGroups": 1}


def test_every_missing_balancer_is_named(service: Service) -> None:
    with pytest.raises(RefusedError) as told:
        resolve(service.clients, REGION, ["one", "web", "two"], ["three", "web-tg", ARN])
    assert told.value.where == "load balancers in us-east-1"
    assert told.value.what == (
        "there is no classic load balancer one\n"
        "there is no classic load balancer two\n"
        "there is no target group three\n"
        f"there is no target group {ARN}"
    )
    assert told.value.remedy == (
        "fix the names (give an application or network load balancer by its target "
        "groups); list those that exist: aws elb describe-load-balancers --region us-east-1; "
        "aws elbv2 describe-target-groups --region us-east-1"
    )


def test_another_error_is_awss_own(service: Service) -> None:
    service.cloud.fault(
        action="DescribeTargetGroups", kind="error-before", status=403, code="AccessDenied"
    )
    with pytest.raises(RefusedError, match="AccessDenied") as told:
        resolve(service.clients, REGION, [], ["web-tg"])
    assert told.value.where == "finding the load balancers in us-east-1"
    assert "IAM policy" in told.value.remedy


def test_a_classic_load_balancer_and_a_target_group_are_described_alike(service: Service) -> None:
    vpc = service.cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    attributes = {"ConnectionDraining": {"Enabled": True, "Timeout": 120}}
    elb = service.cloud.aws("elb")
    elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=attributes)
    common = {"exists": True, "listeners": 1, "zones": frozenset(ZONES), "vpc": vpc}
    assert describe(service.clients, REGION, service.both) == (
        facts(service.classic, drain_seconds=120.0, check_seconds=20.0, **common),
        facts(service.targets, drain_seconds=300.0, check_seconds=50.0, **common),
    )
    attributes["ConnectionDraining"]["Enabled"] = False
    elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=attributes)
    assert describe(service.clients, REGION, [service.classic])[0].drain_seconds == 0.0


def test_load_balancers_that_were_just_found_are_not_described_again(service: Service) -> None:
    existing, _, known = find_described(service.clients, REGION, ["web"], ["web-tg"])
    whole = describe(service.clients, REGION, existing)
    service.cloud.client.forget_calls()
    assert describe(service.clients, REGION, existing, known) == whole
    # The load balancer of the target group has listeners to count.
    assert "DescribeTargetGroups" not in service.calls()
    assert service.calls()["DescribeTargetGroupAttributes"] == 1


def facts(balancer: Balancer, **given: Any) -> BalancerFacts:
    return BalancerFacts(balancer=balancer, slow_start=0.0, target_type="instance", **given)


def test_listeners_are_counted_by_default_actions_rules_and_weights(
    service: Service,
) -> None:
    elbv2, names = service.cloud.aws("elbv2"), ("idle", "ruled", "weighted", "other")
    idle, ruled, weighted, other = (fakes.target_group(service.cloud, name) for name in names)
    arn = fakes.application(service.cloud, "rules", weighing(other, weighted))
    path = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/x"]}}]
    elbv2.create_rule(ListenerArn=arn, Priority=1, Conditions=path, Actions=[forward_to(ruled)])
    elbv2.modify_target_group_attributes(
        TargetGroupArn=ruled.identifier,
        Attributes=[
            {"Key": "slow_start.duration_seconds", "Value": "30"},
            {"Key": "deregistration_delay.timeout_seconds", "Value": "5"},
        ],
    )
    found = describe(service.clients, REGION, [idle, ruled, weighted])
    assert [each.listeners for each in found] == [0, 1, 1]
    assert [each.zones for each in found] == [frozenset(), frozenset(ZONES), frozenset(ZONES)]
    assert (found[1].slow_start, found[1].drain_seconds) == (30.0, 5.0)


def weighing(*targets: Balancer) -> dict[str, Any]:
    weights = [{"TargetGroupArn": each.identifier, "Weight": 1} for each in targets]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}


def test_a_deleted_balancer_has_no_settings(service: Service) -> None:
    gone = (
        Balancer(kind="elbv2", identifier=ARN, name="lost"),
        Balancer(kind="elb", identifier="lost", name="lost"),
    )
    assert describe(service.clients, REGION, gone) == tuple(
        BalancerFacts(
            balancer=each,
            exists=False,
            listeners=0,
            zones=frozenset(),
            vpc="",
            drain_seconds=0.0,
            check_seconds=0.0,
            slow_start=0.0,
            target_type="",
        )
        for each in gone
    )


class Answers(Clients):
    """Clients that answer what they were given."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = answer

    def elb(self, _: str) -> Any:
        return self

    def elbv2(self, _: str) -> Any:
        return self

    def describe_instance_health(self, **_: str) -> dict[str, Any]:
        return self.answer

    def describe_target_health(self, **_: str) -> dict[str, Any]:
        return self.answer


def test_a_draining_classic_instance_shows_it_only_in_its_description() -> None:
    draining = {
        "InstanceId": "i-1",
        "State": "InService",
        "ReasonCode": "N/A",
        "Description": "Instance deregistration currently in progress.",
    }
    read = target_reader(
        Answers({"InstanceStates": [draining]}),
        REGION,
        Balancer(kind="elb", identifier="web", name="web"),
    )
    assert read() == {
        "i-1": Target(
            id="i-1",
            state="InService",
            reason="N/A",
            description="Instance deregistration currently in progress.",
        )
    }


@pytest.mark.parametrize("states", [("healthy", "unhealthy"), ("unhealthy", "healthy")])
def test_a_target_with_two_ports_has_its_worse_state(states: tuple[str, str]) -> None:
    said = [
        {"Target": {"Id": "i-1", "Port": port}, "TargetHealth": {"State": state}}
        for port, state in zip((80, 81), states, strict=True)
    ]
    read = target_reader(
        Answers({"TargetHealthDescriptions": said}),
        REGION,
        Balancer(kind="elbv2", identifier=ARN, name="x"),
    )
    assert read() == {"i-1": Target(id="i-1", state="unhealthy")}
