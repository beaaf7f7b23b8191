"""Application and network load balancers: what their API says, in AWS's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import patched_moto
from tests.patched_moto import refused, to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.patched_moto import PatchedMoto

NOWHERE = "i-00000000000000000"


@pytest.fixture
def here() -> Iterator[PatchedMoto]:
    with patched_moto.moto() as running:
        yield running


def health(here: PatchedMoto, group: str, *targets: dict[str, Any]) -> list[dict[str, Any]]:
    answer = here.aws("elbv2").describe_target_health(TargetGroupArn=group, Targets=list(targets))
    return list(answer["TargetHealthDescriptions"])


def states(here: PatchedMoto, group: str, *targets: dict[str, Any]) -> list[tuple[str, str]]:
    found = (each["TargetHealth"] for each in health(here, group, *targets))
    return [(each["State"], each.get("Reason", "")) for each in found]


def register(here: PatchedMoto, group: str, *targets: dict[str, Any]) -> None:
    here.aws("elbv2").register_targets(TargetGroupArn=group, Targets=list(targets))


def deregister(here: PatchedMoto, group: str, *targets: dict[str, Any]) -> None:
    here.aws("elbv2").deregister_targets(TargetGroupArn=group, Targets=list(targets))


@pytest.mark.long
def test_a_load_balancer_is_provisioning_first_and_has_an_address_here(here: PatchedMoto) -> None:
    subnets = [here.subnets["us-east-1a"], here.subnets["us-east-1b"]]
    elbv2 = here.aws("elbv2")
    (made,) = elbv2.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"]
    assert made["State"]["Code"] == "provisioning"
    assert made["DNSName"] == "127.77.255.1"
    assert made["Scheme"] == "internet-facing"
    (described,) = elbv2.describe_load_balancers(Names=["web"])["LoadBalancers"]
    assert described["State"]["Code"] == "active"


def test_creating_the_same_load_balancer_again_returns_it_and_another_is_refused(
    here: PatchedMoto,
) -> None:
    arn = here.application()
    assert here.application() == arn
    with refused("DuplicateLoadBalancerName"):
        here.application(Scheme="internal")


@pytest.mark.long
def test_an_application_load_balancer_is_in_two_zones_and_in_one_subnet_of_each(
    here: PatchedMoto,
) -> None:
    one = here.subnets["us-east-1a"]
    with refused("ValidationError", "At least two subnets in two different Availability Zones"):
        here.application(Subnets=[one])
    block = {"CidrBlock": "172.31.240.0/24", "AvailabilityZone": "us-east-1a"}
    second = here.aws("ec2").create_subnet(VpcId=here.vpc, **block)["Subnet"]["SubnetId"]
    with refused("InvalidConfigurationRequest", "multiple subnets in the same Availability Zone"):
        here.application(Subnets=[one, second])
    here.application(Subnets=[one], Type="network")


@pytest.mark.long
def test_a_protected_load_balancer_cannot_be_deleted(here: PatchedMoto) -> None:
    arn, elbv2 = here.application(), here.aws("elbv2")
    for value in ("true", "false"):
        attribute = {"Key": "deletion_protection.enabled", "Value": value}
        elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[attribute])
        if value == "true":
            with refused("OperationNotPermitted"):
                elbv2.delete_load_balancer(LoadBalancerArn=arn)
    elbv2.delete_load_balancer(LoadBalancerArn=arn)
    assert elbv2.describe_load_balancers()["LoadBalancers"] == []


@pytest.mark.long
def test_a_network_load_balancer_has_an_arn_of_its_kind(here: PatchedMoto) -> None:
    group = here.group("tcp", Protocol="TCP")
    elbv2, tags = here.aws("elbv2"), [{"Key": "app", "Value": "web"}]
    arn = here.application(Type="network", Tags=tags)
    assert ":loadbalancer/net/" in arn
    assert ":listener/net/" in here.listen(arn, to(group), Protocol="TCP", Port=80)
    described = elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    assert described == [{"ResourceArn": arn, "Tags": tags}]


def test_cross_zone_is_on_for_applications_and_off_for_networks(here: PatchedMoto) -> None:
    for name, kind, value in (("a", "application", "true"), ("n", "network", "false")):
        arn = here.application(name, Type=kind)
        answer = here.aws("elbv2").describe_load_balancer_attributes(LoadBalancerArn=arn)
        found = {each["Key"]: each["Value"] for each in answer["Attributes"]}
        assert found["load_balancing.cross_zone.enabled"] == value


@pytest.mark.long
def test_a_port_has_one_listener(here: PatchedMoto) -> None:
    arn, group = here.application(), here.group()
    here.listen(arn, to(group))
    other = here.listen(arn, to(group), Port=81)
    with refused("DuplicateListener"):
        here.listen(arn, to(group))
    with refused("DuplicateListener"):
        here.aws("elbv2").modify_listener(ListenerArn=other, Port=80)
    here.aws("elbv2").modify_listener(ListenerArn=other, Port=81)


@pytest.mark.long
def test_a_target_group_has_one_load_balancer(here: PatchedMoto) -> None:
    group, own = here.group(), here.group("own")
    here.listen(here.application("a"), to(group))
    second = here.application("b")
    with refused("TargetGroupAssociationLimit"):
        here.listen(second, to(group))
    listener = here.listen(second, to(own))
    conditions = [{"Field": "path-pattern", "Values": ["/"]}]
    elbv2 = here.aws("elbv2")
    with refused("TargetGroupAssociationLimit"):
        elbv2.create_rule(
            ListenerArn=listener, Priority=1, Conditions=conditions, Actions=[to(group)]
        )
    with refused("TargetGroupAssociationLimit"):
        elbv2.modify_listener(ListenerArn=listener, DefaultActions=[to(group)])


@pytest.mark.long
def test_a_group_names_the_load_balancer_that_uses_it_now(here: PatchedMoto) -> None:
    group, arn = here.group(), here.application()

    def named() -> list[str]:
        answer = here.aws("elbv2").describe_target_groups(TargetGroupArns=[group])
        return list(answer["TargetGroups"][0]["LoadBalancerArns"])

    listener = here.listen(arn, to(group))
    assert named() == [arn]
    here.aws("elbv2").delete_listener(ListenerArn=listener)
    assert named() == []


@pytest.mark.long
def test_a_tls_listener_can_be_changed(here: PatchedMoto) -> None:
    group = here.group(Protocol="TCP", Port=9000)
    listener = here.listen(here.application(Type="network"), to(group), Protocol="TCP", Port=443)
    changed = here.aws("elbv2").modify_listener(ListenerArn=listener, Protocol="TLS")
    assert changed["Listeners"][0]["Protocol"] == "TLS"


@pytest.mark.long
@pytest.mark.parametrize("how", ["listener", "rule"])
def test_a_group_in_use_cannot_be_deleted(here: PatchedMoto, how: str) -> None:
    elbv2, group, other = here.aws("elbv2"), here.group(), here.group("other")
    listener = here.listen(here.application(), to(group if how == "listener" else other))
    if how == "rule":
        conditions = [{"Field": "path-pattern", "Values": ["/"]}]
        elbv2.create_rule(
            ListenerArn=listener, Priority=1, Conditions=conditions, Actions=[to(group)]
        )
    with refused("ResourceInUse", "is currently in use by a listener or a rule"):
        elbv2.delete_target_group(TargetGroupArn=group)
    elbv2.delete_listener(ListenerArn=listener)
    elbv2.delete_target_group(TargetGroupArn=group)


@pytest.mark.long
def test_health_is_what_the_checks_found(here: PatchedMoto) -> None:
    group, instance = here.group(), here.launch()
    register(here, group, {"Id": instance})
    assert states(here, group) == [("initial", "Elb.RegistrationInProgress")]
    here.traffic.set_health(group, instance, "healthy", port=8080)
    assert health(here, group) == [
        {
            "Target": {"Id": instance, "Port": 8080},
            "HealthCheckPort": "8080",
            "TargetHealth": {"State": "healthy"},
        }
    ]
    here.traffic.set_health(group, instance, "unhealthy", port=8080, reason="Target.Timeout")
    assert states(here, group) == [("unhealthy", "Target.Timeout")]
    assert states(here, group, {"Id": instance}) == [("unhealthy", "Target.Timeout")]


@pytest.mark.long
def test_the_own_port_of_a_check_is_shown(here: PatchedMoto) -> None:
    group, instance = here.group(HealthCheckPort="9999"), here.launch()
    register(here, group, {"Id": instance})
    assert health(here, group)[0]["HealthCheckPort"] == "9999"


@pytest.mark.long
def test_a_draining_target_is_listed_until_it_has_drained(here: PatchedMoto) -> None:
    group, instance = here.group(), here.launch()
    register(here, group, {"Id": instance})
    deregister(here, group, {"Id": instance})
    assert here.pool.members == ()
    here.traffic.set_health(group, instance, "draining", 8080, "Target.DeregistrationInProgress")
    draining = [("draining", "Target.DeregistrationInProgress")]
    assert states(here, group) == states(here, group, {"Id": instance}) == draining
    here.traffic.healths.clear()
    assert states(here, group) == []
    assert states(here, group, {"Id": instance}) == [("unused", "Target.NotRegistered")]


def test_a_named_target_that_is_not_registered_is_unused(here: PatchedMoto) -> None:
    group = here.group()
    (found,) = health(here, group, {"Id": NOWHERE, "Port": 1234})
    assert found["TargetHealth"] == {
        "State": "unused",
        "Reason": "Target.NotRegistered",
        "Description": "Target is not registered to the target group",
    }
    assert found["Target"] == {"Id": NOWHERE, "Port": 1234}


@pytest.mark.long
def test_deregistering_a_target_that_is_not_registered_succeeds(here: PatchedMoto) -> None:
    deregister(here, here.group(), {"Id": NOWHERE})


@pytest.mark.long
def test_a_target_with_a_port_of_its_own_is_deregistered_with_it(here: PatchedMoto) -> None:
    group, instance = here.group(), here.launch()
    register(here, group, {"Id": instance, "Port": 9090})
    deregister(here, group, {"Id": instance})
    assert [member.port for member in here.pool.members] == [9090]
    deregister(here, group, {"Id": instance, "Port": 9090})
    assert here.pool.members == ()


@pytest.mark.long
def test_an_instance_that_is_not_running_cannot_be_registered(here: PatchedMoto) -> None:
    group, running, stopped = here.group(), here.launch(), here.launch()
    here.aws("ec2").stop_instances(InstanceIds=[stopped])
    words = "The following targets are not in a running state and cannot be registered:"
    with refused("InvalidTarget", f"{words} '{stopped}'"):
        register(here, group, {"Id": running}, {"Id": stopped})
    assert here.pool.members == ()


@pytest.mark.long
def test_an_unknown_instance_or_one_of_another_vpc_cannot_be_registered(
    here: PatchedMoto,
) -> None:
    other = here.aws("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    with refused("InvalidTarget"):
        register(here, here.group(), {"Id": NOWHERE})
    with refused("InvalidTarget"):
        register(here, here.group("other", VpcId=other), {"Id": here.launch()})


@pytest.mark.long
def test_a_stopped_instance_stays_registered_and_a_terminated_one_does_not(
    here: PatchedMoto,
) -> None:
    group, stopped, terminated = here.group(), here.launch(), here.launch()
    register(here, group, {"Id": stopped}, {"Id": terminated}, {"Id": terminated, "Port": 9090})
    here.aws("ec2").stop_instances(InstanceIds=[stopped])
    here.aws("ec2").terminate_instances(InstanceIds=[terminated])
    assert [(member.id, member.state) for member in here.pool.members] == [(stopped, "stopped")]


@pytest.mark.long
def test_an_address_stays_registered_after_its_instance(here: PatchedMoto) -> None:
    group, instance = here.group(TargetType="ip"), here.launch()
    ec2 = here.aws("ec2")
    described = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    register(here, group, {"Id": described["PrivateIpAddress"]})
    ec2.terminate_instances(InstanceIds=[instance])
    assert [member.address for member in here.pool.members] == [described["PrivateIpAddress"]]


@pytest.mark.long
def test_the_matcher_of_a_network_target_group_accepts_redirects(here: PatchedMoto) -> None:
    for name, protocol, codes in (("http", "HTTP", "200"), ("tcp", "TCP", "200-399")):
        group = here.group(name, Protocol=protocol, HealthCheckProtocol="HTTP")
        answer = here.aws("elbv2").describe_target_groups(TargetGroupArns=[group])
        assert answer["TargetGroups"][0]["Matcher"] == {"HttpCode": codes}
