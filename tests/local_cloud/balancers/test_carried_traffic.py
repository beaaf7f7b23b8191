"""Load balancers of a local cloud, asked for through boto3, carrying requests to instances."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests import running_cloud
from tests.patched_moto import to
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

ZONES = ("us-east-1a", "us-east-1b")
QUICK = {"Interval": 10, "Timeout": 5, "HealthyThreshold": 2, "UnhealthyThreshold": 2}


def ask(address: str, path: str = "/", port: int = 80) -> tuple[int, str]:
    """The status and the text that answer; 0 without an answer."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode().strip()
    except OSError:
        return 0, ""


def subnets(cloud: Cloud) -> list[str]:
    described = cloud.aws("ec2").describe_subnets()["Subnets"]
    return [each["SubnetId"] for each in described if each["AvailabilityZone"] in ZONES]


def serving(cloud: Cloud, **more: Any) -> str:
    """An instance that serves its own id, once it runs."""
    place = {"SubnetId": subnets(cloud)[0]}
    launched = cloud.launch(UserData=running_cloud.serving(), **place, **more)
    instance = str(launched["InstanceId"])
    address = launched["PrivateIpAddress"]
    eventually(lambda: ask(address, port=8080)[0] == 200)
    eventually(lambda: cloud.instance(instance)["State"]["Name"] == "running")
    return instance


def classic(cloud: Cloud, name: str) -> str:
    elb = cloud.aws("elb")
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    made = elb.create_load_balancer(
        LoadBalancerName=name, Listeners=[listener], AvailabilityZones=list(ZONES)
    )
    check = {"Target": "HTTP:8080/health", **QUICK}
    elb.configure_health_check(LoadBalancerName=name, HealthCheck=check)
    return str(made["DNSName"])


def group(cloud: Cloud, name: str, *instances: str) -> str:
    elbv2 = cloud.aws("elbv2")
    vpc = cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    check = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10}
    made = elbv2.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, **check)
    arn = str(made["TargetGroups"][0]["TargetGroupArn"])
    if instances:
        elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": each} for each in instances])
    return arn


def application(cloud: Cloud, name: str) -> tuple[str, str]:
    made = cloud.aws("elbv2").create_load_balancer(Name=name, Subnets=subnets(cloud))
    return made["LoadBalancers"][0]["LoadBalancerArn"], made["LoadBalancers"][0]["DNSName"]


def states(cloud: Cloud, arn: str) -> dict[str, str]:
    described = cloud.aws("elbv2").describe_target_health(TargetGroupArn=arn)
    targets = described["TargetHealthDescriptions"]
    return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in targets}


def health(cloud: Cloud, name: str) -> list[dict[str, str]]:
    states = cloud.aws("elb").describe_instance_health(LoadBalancerName=name)["InstanceStates"]
    return list(states)


@pytest.fixture
def named(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name of its own for a test; the load balancers of that name are deleted with it."""
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    yield name
    cloud.aws("elb").delete_load_balancer(LoadBalancerName=name)
    elbv2 = cloud.aws("elbv2")
    for each in elbv2.describe_load_balancers()["LoadBalancers"]:
        if each["LoadBalancerName"] == name:
            elbv2.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])


@pytest.mark.long
def test_a_classic_load_balancer_answers_at_its_dns_name_once_an_instance_is_in_service(
    cloud: Cloud, named: str
) -> None:
    instance, address = serving(cloud), classic(cloud, named)
    eventually(lambda: ask(address)[0] == 503)
    ids = [{"InstanceId": instance}]
    cloud.aws("elb").register_instances_with_load_balancer(LoadBalancerName=named, Instances=ids)
    in_service = {"State": "InService", "ReasonCode": "N/A", "Description": "N/A"}
    eventually(lambda: health(cloud, named) == [{"InstanceId": instance, **in_service}])
    eventually(lambda: ask(address) == (200, instance))
    cloud.aws("ec2").stop_instances(InstanceIds=[instance])
    assert health(cloud, named)[0]["Description"] == "Instance is in stopped state."
    eventually(lambda: ask(address)[0] == 503)
    cloud.aws("ec2").terminate_instances(InstanceIds=[instance])
    eventually(lambda: health(cloud, named) == [])


def test_a_deleted_load_balancer_stops_answering(cloud: Cloud, named: str) -> None:
    address = classic(cloud, named)
    eventually(lambda: ask(address)[0] == 503)
    cloud.aws("elb").delete_load_balancer(LoadBalancerName=named)
    eventually(lambda: ask(address) == (0, ""))


@pytest.mark.long
def test_an_application_load_balancer_sends_by_rule_and_by_weight(cloud: Cloud, named: str) -> None:
    elbv2, (arn, address) = cloud.aws("elbv2"), application(cloud, named)
    blue, green = serving(cloud), serving(cloud)
    groups = [group(cloud, f"{named}-blue", blue), group(cloud, f"{named}-green", green)]
    weights = [{"TargetGroupArn": each, "Weight": n} for n, each in enumerate(groups)]
    forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}
    listener = elbv2.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[forward]
    )["Listeners"][0]["ListenerArn"]
    conditions = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/health"]}}]
    elbv2.create_rule(
        ListenerArn=listener, Priority=1, Conditions=conditions, Actions=[to(groups[0])]
    )
    eventually(lambda: states(cloud, groups[0]) == {blue: "healthy"})
    eventually(lambda: states(cloud, groups[1]) == {green: "healthy"})
    eventually(lambda: ask(address) == (200, green))
    assert {ask(address)[1] for _ in range(10)} == {green}
    assert ask(address, "/health") == (200, blue)


@pytest.mark.long
def test_a_deregistered_target_drains_and_a_never_healthy_one_stays_unhealthy(
    cloud: Cloud, named: str
) -> None:
    elbv2, (arn, _) = cloud.aws("elbv2"), application(cloud, named)
    good, bad = serving(cloud), serving(cloud)
    cloud.client.set_behavior("never-healthy", instance=bad)
    pool = group(cloud, named, good, bad)
    assert states(cloud, pool) == {good: "unused", bad: "unused"}
    elbv2.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[to(pool)])
    eventually(lambda: states(cloud, pool) == {good: "healthy", bad: "unhealthy"})
    elbv2.deregister_targets(TargetGroupArn=pool, Targets=[{"Id": good}])
    assert states(cloud, pool)[good] == "draining"
    eventually(lambda: states(cloud, pool) == {bad: "unhealthy"})


@pytest.mark.long
def test_an_application_load_balancer_takes_requests_when_it_is_active(tmp_path: Path) -> None:
    with running_cloud.a_cloud(tmp_path / "cloud", speed=40) as cloud:  # two minutes: three seconds
        elbv2, (arn, address) = cloud.aws("elbv2"), application(cloud, "web")
        closed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
        elbv2.create_listener(
            LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[closed]
        )

        def state() -> str:
            return str(elbv2.describe_load_balancers()["LoadBalancers"][0]["State"]["Code"])

        assert state() == "provisioning"
        assert ask(address) == (0, "")
        eventually(lambda: state() == "active")
        eventually(lambda: ask(address) == (503, ""))
