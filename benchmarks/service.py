"""Services to deploy to: each an application load balancer of its own, and a folder to work in.

Every way of deploying gets one, so that none stands in another's way, and signs its calls with an
access key of its own, by which the local cloud's moments tell whose a call was.
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
"""Seconds of AWS's from one health check to the next, and how many passed ones decide."""
FAILURES, PATIENT = 4, 4
"""How many failed checks decide, and the seconds of each: a busy machine is no sick member."""
ROLE = "bench"
PATIENCE = 600
"""Seconds that everybody waits for a release, unless that it never gets healthy is the matter."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How long things take: those of the cloud in AWS's seconds, `patience` and `late` in ours.

    `patience` is how long everybody waits for a release that never gets healthy, `late` how long
    the members that are not yet listed stay so.
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
    # No image is made while anything is measured.
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
    """What every service of a cloud shares: its default network, a role, two images."""

    here: Bench
    profile: Profile
    subnets: tuple[str, ...]
    vpc: str
    security_group: str
    images: tuple[str, str]

    @staticmethod
    def of(here: Bench, profile: Profile, images: tuple[str, str]) -> Network:
        """Read the default network and make a role."""
        ec2, iam = here.aws("ec2"), here.aws("iam")
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
            here=here,
            profile=profile,
            subnets=tuple(each["SubnetId"] for each in found),
            vpc=vpc,
            security_group=group,
            images=images,
        )


@dataclass(frozen=True, kw_only=True)
class Service:
    """One load balancer with its target group, and where its deployer works."""

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
        """Make a load balancer without anything behind it; `more` is a path or a patience."""
        here = network.here
        elbv2 = here.aws("elbv2")
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
        folder = here.folder / name
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
        """How long things take."""
        return self.network.profile

    @property
    def env(self) -> dict[str, str]:
        """The environment of whoever deploys to it; its access key is its name."""
        env = self.network.here.env
        return {**env, "AWS_ACCESS_KEY_ID": self.name, "PATH": self.path or env["PATH"]}

    def is_served(self) -> bool:
        """Tell whether all its members, and no others, are healthy."""
        elbv2 = self.network.here.aws("elbv2")
        told = elbv2.describe_target_health(TargetGroupArn=self.target_group)
        states = [each["TargetHealth"]["State"] for each in told["TargetHealthDescriptions"]]
        return states == ["healthy"] * self.members

    def wait(self, seconds: float = 300) -> None:
        """Wait until it is served; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.is_served():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} is not served by its {self.members} members")
            time.sleep(0.5)
