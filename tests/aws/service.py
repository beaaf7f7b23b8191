"""Fake load balancers and groups on a local cloud: the fixture `service`.

The local cloud answers like AWS: health checks run, targets become healthy, responses can be stale
or throttled. A test that needs only the shapes of responses uses the fixture `aws`
(`moto_account.py`); a test of the core uses `tests/core/deploy/fakes.py`, without AWS calls.
"""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.core.health.observation import Balancer
from tests import running_cloud
from tests.running_cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b")
SPEED = 200
QUICK = {"Interval": 10, "Timeout": 5, "HealthyThreshold": 2, "UnhealthyThreshold": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """A local cloud with a classic load balancer and a target group, and clients of it."""

    cloud: Cloud
    clients: Clients
    classic: Balancer
    targets: Balancer

    @property
    def both(self) -> tuple[Balancer, Balancer]:
        return self.classic, self.targets

    @property
    def asg(self) -> Any:
        return self.cloud.aws("autoscaling")

    def group(self, name: str, desired: int = 0, *, script: str = "", **more: Any) -> str:
        """Create a group whose members serve, or run a script; return its template's id."""
        user_data = base64.b64encode((script or running_cloud.serving()).encode()).decode()
        image = self.cloud.base_image()
        data = {"ImageId": image, "InstanceType": "t3.micro", "UserData": user_data}
        made = self.cloud.aws("ec2").create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData=data
        )["LaunchTemplate"]
        source = {"LaunchTemplateId": made["LaunchTemplateId"], "Version": "1"}
        call = {"LaunchTemplate": source, **more}
        if "MixedInstancesPolicy" in more:
            del call["LaunchTemplate"]
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=4,
            DesiredCapacity=desired,
            VPCZoneIdentifier=",".join(subnets(self.cloud)),
            **call,
        )
        return str(made["LaunchTemplateId"])

    def calls(self) -> dict[str, int]:
        """Return the number of calls of each action since `forget_calls`."""
        return {call["action"]: call["calls"] for call in self.cloud.client.calls()}


def subnets(cloud: Cloud) -> list[str]:
    """Return the ids of the default subnets in `ZONES`."""
    described = cloud.aws("ec2").describe_subnets()["Subnets"]
    return [each["SubnetId"] for each in described if each["AvailabilityZone"] in ZONES]


@contextlib.contextmanager
def connected_cloud(folder: Path, speed: float = 1000) -> Iterator[tuple[Cloud, Clients]]:
    """Run a local cloud inside the block; yield it and clients of it."""
    with running_cloud.a_cloud(folder, speed=speed) as cloud, pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.env.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield cloud, connect()


@contextlib.contextmanager
def a_service(folder: Path) -> Iterator[Service]:
    """Run a cloud with a classic load balancer `web` and a target group `web-tg` behind an ALB."""
    with connected_cloud(folder, SPEED) as (cloud, clients):
        targets = target_group(cloud, "web-tg")
        application(cloud, "web-alb", forward_to(targets))
        yield Service(cloud=cloud, clients=clients, classic=classic(cloud, "web"), targets=targets)


def connect() -> Clients:
    """Return clients of the current environment variables, whatever these become later."""
    clients = Clients()
    for make in (
        clients.autoscaling,
        clients.cloudwatch,
        clients.ec2,
        clients.elb,
        clients.elbv2,
        clients.service_quotas,
        clients.ssm,
        clients.sts,
    ):
        make(REGION)
    return clients


def classic(cloud: Cloud, name: str) -> Balancer:
    """Create a classic load balancer with quick health checks."""
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    elb = cloud.aws("elb")
    elb.create_load_balancer(LoadBalancerName=name, Listeners=[listener], Subnets=subnets(cloud))
    check = {"Target": "HTTP:8080/health", **QUICK}
    elb.configure_health_check(LoadBalancerName=name, HealthCheck=check)
    return Balancer(kind="elb", identifier=name, name=name)


def target_group(cloud: Cloud, name: str) -> Balancer:
    """Create a target group; it receives traffic once `application` forwards to it."""
    elbv2 = cloud.aws("elbv2")
    vpc = cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    arn = elbv2.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=8080,
        VpcId=vpc,
        HealthCheckPath="/health",
        HealthCheckIntervalSeconds=10,
    )["TargetGroups"][0]["TargetGroupArn"]
    return Balancer(kind="elbv2", identifier=arn, name=name)


def application(cloud: Cloud, name: str, *actions: dict[str, Any]) -> str:
    """Create an application load balancer with these default actions; return its listener."""
    elbv2 = cloud.aws("elbv2")
    balancer = elbv2.create_load_balancer(Name=name, Subnets=subnets(cloud))["LoadBalancers"][0]
    made = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=list(actions),
    )
    return str(made["Listeners"][0]["ListenerArn"])


def forward_to(target: Balancer) -> dict[str, Any]:
    """Return the action of a listener that forwards to a target group."""
    return {"Type": "forward", "TargetGroupArn": target.identifier}
