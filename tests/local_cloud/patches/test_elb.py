"""Classic load balancers: what their API says, in AWS's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import patched_moto
from tests.patched_moto import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud.traffic.plan import State
    from tests.patched_moto import PatchedMoto

POOL = "elb:123456789012:us-east-1:web"
NOWHERE = "i-00000000000000000"


@pytest.fixture
def here() -> Iterator[PatchedMoto]:
    with patched_moto.moto() as running:
        yield running


def described(elb: Any) -> dict[str, Any]:
    (found,) = elb.describe_load_balancers(LoadBalancerNames=["web"])["LoadBalancerDescriptions"]
    return dict(found)


def attributes(elb: Any) -> dict[str, Any]:
    answer = elb.describe_load_balancer_attributes(LoadBalancerName="web")
    return dict(answer["LoadBalancerAttributes"])


def register(elb: Any, *instances: str) -> list[str]:
    ids = [{"InstanceId": instance} for instance in instances]
    answer = elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=ids)
    return [each["InstanceId"] for each in answer["Instances"]]


def deregister(elb: Any, *instances: str) -> list[str]:
    ids = [{"InstanceId": instance} for instance in instances]
    answer = elb.deregister_instances_from_load_balancer(LoadBalancerName="web", Instances=ids)
    return [each["InstanceId"] for each in answer["Instances"]]


def health(elb: Any, *instances: str) -> list[tuple[str, str, str]]:
    ids = [{"InstanceId": instance} for instance in instances]
    answer = elb.describe_instance_health(LoadBalancerName="web", Instances=ids)
    states = answer["InstanceStates"]
    return [(each["State"], each["ReasonCode"], each["Description"]) for each in states]


def test_the_dns_name_is_an_address_of_this_machine(here: PatchedMoto) -> None:
    elb = here.classic()
    assert described(elb)["DNSName"] == "127.77.255.1"


@pytest.mark.long
def test_a_load_balancer_has_a_health_check_from_the_start(here: PatchedMoto) -> None:
    assert described(here.classic())["HealthCheck"] == {
        "Target": "TCP:8080",
        "Interval": 30,
        "Timeout": 5,
        "UnhealthyThreshold": 2,
        "HealthyThreshold": 10,
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("target", "timeout", "message"),
    [
        ("ICMP:1", 5, "HealthCheck Target must begin with one of HTTP, TCP, HTTPS, SSL"),
        ("HTTP:80", 5, "HealthCheck HTTP Target must specify a port followed by a path"),
        ("TCP:80", 30, "HealthCheck Interval must be greater than Timeout."),
    ],
)
def test_an_invalid_health_check_is_refused(
    here: PatchedMoto, target: str, timeout: int, message: str
) -> None:
    elb = here.classic()
    check = {"Target": target, "Timeout": timeout, "Interval": 30}
    rest = {"HealthyThreshold": 2, "UnhealthyThreshold": 2}
    with refused("ValidationError", message):
        elb.configure_health_check(LoadBalancerName="web", HealthCheck={**check, **rest})
    assert described(elb)["HealthCheck"]["Target"] == "TCP:8080"


@pytest.mark.long
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("healthy", ("InService", "N/A", "N/A")),
        ("initial", ("OutOfService", "ELB", "Instance registration is still in progress.")),
        (
            "unhealthy",
            (
                "OutOfService",
                "Instance",
                (
                    "Instance has failed at least the UnhealthyThreshold number of health checks"
                    " consecutively."
                ),
            ),
        ),
    ],
)
def test_health_is_what_the_checks_found_in_awss_words(
    here: PatchedMoto, state: State, words: tuple[str, str, str]
) -> None:
    elb, instance = here.classic(), here.launch()
    register(elb, instance)
    here.traffic.set_health(POOL, instance, state)
    assert health(elb) == health(elb, instance) == [words]


@pytest.mark.long
def test_a_registered_instance_is_not_in_service_before_any_check(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    register(elb, instance)
    assert health(elb) == [("OutOfService", "ELB", "Instance registration is still in progress.")]


@pytest.mark.long
def test_a_draining_instance_is_shown_as_draining_and_then_as_not_registered(
    here: PatchedMoto,
) -> None:
    elb, instance = here.classic(), here.launch()
    register(elb, instance)
    assert deregister(elb, instance) == []
    here.traffic.set_health(POOL, instance, "draining")
    words = ("InService", "N/A", "Instance deregistration currently in progress.")
    assert health(elb) == health(elb, instance) == [words]
    here.traffic.healths.clear()
    assert health(elb) == []
    not_registered = "Instance is not currently registered with the LoadBalancer."
    assert health(elb, instance) == [("OutOfService", "Instance", not_registered)]


@pytest.mark.long
def test_a_stopped_instance_stays_registered_and_is_out_of_service(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    register(elb, instance)
    here.traffic.set_health(POOL, instance, "healthy")
    here.aws("ec2").stop_instances(InstanceIds=[instance])
    assert health(elb) == [("OutOfService", "Instance", "Instance is in stopped state.")]
    assert described(elb)["Instances"] == [{"InstanceId": instance}]


@pytest.mark.long
def test_a_terminated_instance_is_deregistered_and_not_returned(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    register(elb, instance)
    here.traffic.set_health(POOL, instance, "draining")
    here.aws("ec2").terminate_instances(InstanceIds=[instance])
    assert described(elb)["Instances"] == []
    assert health(elb) == health(elb, instance) == []


@pytest.mark.long
def test_an_instance_in_a_zone_that_is_not_enabled_is_out_of_service(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch("us-east-1b")
    register(elb, instance)
    here.traffic.set_health(POOL, instance, "unused")
    words = (
        "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured"
        " to route traffic to."
    )
    assert health(elb) == [("OutOfService", "ELB", words)]
    elb.enable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=["us-east-1b"]
    )
    here.traffic.set_health(POOL, instance, "healthy")
    assert health(elb) == [("InService", "N/A", "N/A")]


@pytest.mark.long
def test_an_instance_registered_twice_is_registered_once(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    assert register(elb, instance, instance) == [instance]
    assert register(elb, instance) == [instance]
    assert deregister(elb, instance) == []


@pytest.mark.long
def test_an_instance_that_ec2_does_not_have_cannot_be_registered(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    with refused("InvalidInstance", f"Could not find EC2 instance {NOWHERE}."):
        register(elb, instance, NOWHERE)
    assert described(elb)["Instances"] == []


@pytest.mark.long
def test_an_instance_that_is_not_running_cannot_be_registered(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    here.aws("ec2").stop_instances(InstanceIds=[instance])
    with refused("InvalidInstance"):
        register(elb, instance)


@pytest.mark.long
def test_an_instance_that_was_never_registered_is_not_known(here: PatchedMoto) -> None:
    elb, instance = here.classic(), here.launch()
    with refused("InvalidInstance", f"Could not find EC2 instance {instance}."):
        deregister(elb, instance)
    with refused("InvalidInstance", f"Could not find EC2 instance {instance}."):
        health(elb, instance)
    register(elb, instance)
    deregister(elb, instance)
    assert deregister(elb, instance) == []


def test_draining_is_off_and_keeps_its_timeout_when_enabled_alone(here: PatchedMoto) -> None:
    elb = here.classic()
    assert attributes(elb)["ConnectionDraining"] == {"Enabled": False, "Timeout": 300}
    for given in ({"Enabled": True, "Timeout": 40}, {"Enabled": False}, {"Enabled": True}):
        elb.modify_load_balancer_attributes(
            LoadBalancerName="web", LoadBalancerAttributes={"ConnectionDraining": given}
        )
    assert attributes(elb)["ConnectionDraining"] == {"Enabled": True, "Timeout": 40}
    assert len(attributes(elb)["AdditionalAttributes"]) == 1


def test_a_listener_has_its_own_instance_protocol(here: PatchedMoto) -> None:
    ports = {"LoadBalancerPort": 443, "InstancePort": 80}
    elb = here.classic(Listeners=[{"Protocol": "TCP", "InstanceProtocol": "SSL", **ports}])
    listener = described(elb)["ListenerDescriptions"][0]["Listener"]
    assert (listener["Protocol"], listener["InstanceProtocol"]) == ("TCP", "SSL")


def test_deleting_one_listener_of_several_leaves_the_others(here: PatchedMoto) -> None:
    ports = [(80, 8080), (81, 8081), (82, 8082)]
    elb = here.classic(
        Listeners=[
            {"Protocol": "HTTP", "LoadBalancerPort": outer, "InstancePort": inner}
            for outer, inner in ports
        ]
    )
    elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[80, 82])
    left = [each["Listener"]["LoadBalancerPort"] for each in described(elb)["ListenerDescriptions"]]
    assert left == [81]


@pytest.mark.long
def test_the_zones_are_those_of_the_subnets(here: PatchedMoto) -> None:
    subnets = [here.subnets["us-east-1b"], here.subnets["us-east-1a"]]
    elb = here.classic(AvailabilityZones=[], Subnets=subnets)
    assert described(elb)["AvailabilityZones"] == ["us-east-1a", "us-east-1b"]
    with refused("InvalidConfigurationRequest"):
        elb.detach_load_balancer_from_subnets(LoadBalancerName="web", Subnets=subnets)
    with refused("InvalidConfigurationRequest"):
        elb.disable_availability_zones_for_load_balancer(
            LoadBalancerName="web", AvailabilityZones=["us-east-1a", "us-east-1b"]
        )
    elb.disable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=["us-east-1a"]
    )
    assert described(elb)["Subnets"] == subnets[:1]


@pytest.mark.long
@pytest.mark.parametrize(
    ("call", "more"),
    [
        ("describe_load_balancers", None),
        ("describe_load_balancer_attributes", {}),
        ("modify_load_balancer_attributes", {"LoadBalancerAttributes": {}}),
        ("describe_instance_health", {}),
        ("register_instances_with_load_balancer", {"Instances": [{"InstanceId": NOWHERE}]}),
        ("deregister_instances_from_load_balancer", {"Instances": [{"InstanceId": NOWHERE}]}),
        ("delete_load_balancer_listeners", {"LoadBalancerPorts": [80]}),
        ("create_load_balancer_listeners", {"Listeners": []}),
        ("enable_availability_zones_for_load_balancer", {"AvailabilityZones": ["us-east-1a"]}),
        ("attach_load_balancer_to_subnets", {"Subnets": ["subnet-1"]}),
        ("apply_security_groups_to_load_balancer", {"SecurityGroups": []}),
        ("create_lb_cookie_stickiness_policy", {"PolicyName": "sticky"}),
        (
            "configure_health_check",
            {
                "HealthCheck": {
                    "Target": "TCP:80",
                    "Interval": 30,
                    "Timeout": 5,
                    "UnhealthyThreshold": 2,
                    "HealthyThreshold": 10,
                }
            },
        ),
    ],
)
def test_an_unknown_load_balancer_is_not_found(
    here: PatchedMoto, call: str, more: dict[str, Any] | None
) -> None:
    named = {"LoadBalancerNames": ["web"]} if more is None else {"LoadBalancerName": "web", **more}
    with refused("LoadBalancerNotFound"):
        getattr(here.aws("elb"), call)(**named)


def test_deleting_an_unknown_load_balancer_succeeds(here: PatchedMoto) -> None:
    here.aws("elb").delete_load_balancer(LoadBalancerName="web")
