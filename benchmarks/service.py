"""Services to deploy to: each has an application load balancer and a working folder of its own.

Each contender gets its own service, so that none disturbs another. It signs its calls with an
access key of its own, which identifies them in the local cloud's timeline.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.local_cloud import Bench

PORT = 8080
CHECK_EVERY, CHECKS = 5, 2
"""Seconds of AWS's time between health checks, and the number of passed checks to become healthy.
"""
FAILURES, PATIENT = 4, 4
"""The number of failed checks to become unhealthy, and the timeout of each: a busy machine is slow.
"""
ROLE = "bench"
PATIENCE = 600
"""Seconds that every contender waits for a release, except one that never becomes healthy."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Durations: those of the cloud in AWS's seconds, `patience` and `late` in real seconds.

    `patience` is how long every contender waits for a release that never becomes healthy. `late` is
    how long the members that are not yet listed stay so.
    """

    name: str
    speed: float
    delay: tuple[str, ...]
    boot: int
    draining: int
    patience: int
    late: int


REAL = Profile(
    name="real",
    speed=1,
    # Images are created before the measurements.
    delay=("pending=5", "boot=25", "call=0.08", "balancer=0", "image=1"),
    boot=30,
    draining=10,
    patience=90,
    late=20,
)
NOTHING = ("pending", "boot", "shutting-down", "stopping", "image", "balancer", "routing")
NONE = Profile(
    name="none",
    speed=20,
    delay=tuple(f"{name}=0" for name in NOTHING),
    boot=0,
    draining=0,
    patience=30,
    late=10,
)


@dataclass(frozen=True, kw_only=True)
class Network:
    """What all services of a cloud share: its default network, a role, two images."""

    cloud: Bench
    profile: Profile
    subnets: tuple[str, ...]
    vpc: str
    security_group: str
    images: tuple[str, str]

    @staticmethod
    def of(cloud: Bench, profile: Profile, images: tuple[str, str]) -> Network:
        """Read the default network and create a role."""
        ec2, iam = cloud.aws("ec2"), cloud.aws("iam")
        found = ec2.describe_subnets()["Subnets"][:2]
        vpc = found[0]["VpcId"]
        default = [
            {"Name": "vpc-id", "Values": [vpc]},
            {"Name": "group-name", "Values": ["default"]},
        ]
        group = ec2.describe_security_groups(Filters=default)["SecurityGroups"][0]["GroupId"]
        trust = {"Version": "2012-10-17", "Statement": []}
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
        iam.create_instance_profile(InstanceProfileName=ROLE)
        iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
        return Network(
            cloud=cloud,
            profile=profile,
            subnets=tuple(each["SubnetId"] for each in found),
            vpc=vpc,
            security_group=group,
            images=images,
        )


@dataclass(frozen=True, kw_only=True)
class Service:
    """One load balancer with its target group, and the folder of its contender."""

    name: str
    network: Network
    url: str
    target_group: str
    folder: Path
    members: int
    path: str = ""
    patience: int = PATIENCE

    @staticmethod
    def make(network: Network, name: str, members: int, **more: Any) -> Service:
        """Create a load balancer without targets; `more` is a path or a patience."""
        cloud = network.cloud
        elbv2 = cloud.aws("elbv2")
        made = elbv2.create_load_balancer(Name=name, Subnets=list(network.subnets))
        balancer = made["LoadBalancers"][0]
        target_group = elbv2.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=PORT,
            VpcId=network.vpc,
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=CHECK_EVERY,
            HealthCheckTimeoutSeconds=PATIENT,
            HealthyThresholdCount=CHECKS,
            UnhealthyThresholdCount=FAILURES,
        )["TargetGroups"][0]["TargetGroupArn"]
        delay = {
            "Key": "deregistration_delay.timeout_seconds",
            "Value": str(network.profile.draining),
        }
        elbv2.modify_target_group_attributes(TargetGroupArn=target_group, Attributes=[delay])
        forward = {"Type": "forward", "TargetGroupArn": target_group}
        elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[forward],
        )
        folder = cloud.folder / name
        folder.mkdir()
        return Service(
            name=name,
            network=network,
            url=f"http://{balancer['DNSName']}/",
            target_group=target_group,
            folder=folder,
            members=members,
            **more,
        )

    @property
    def profile(self) -> Profile:
        """Return the durations."""
        return self.network.profile

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of the contender; the access key is the service's name."""
        env = self.network.cloud.env
        return {**env, "AWS_ACCESS_KEY_ID": self.name, "PATH": self.path or env["PATH"]}

    def is_serving(self) -> bool:
        """Return True if exactly the expected number of targets exist and all are healthy."""
        elbv2 = self.network.cloud.aws("elbv2")
        health = elbv2.describe_target_health(TargetGroupArn=self.target_group)
        states = [each["TargetHealth"]["State"] for each in health["TargetHealthDescriptions"]]
        return states == ["healthy"] * self.members

    def wait(self, seconds: float = 300) -> None:
        """Wait until the service is healthy; raise TimeoutError otherwise."""
        deadline = time.monotonic() + seconds
        while not self.is_serving():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not served by its {self.members} members")
            time.sleep(0.5)
