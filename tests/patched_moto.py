"""Run moto in this process with the patches of load balancers and a fake data plane."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import boto3
import botocore.exceptions
import pytest
from moto import mock_aws

from local_cloud.balancers.sync import BalancerSync
from local_cloud.clock import Clock
from local_cloud.cloud import Cloud
from local_cloud.patches import after
from local_cloud.patches.context import Context
from local_cloud.patches.elb import classic, classic_members, elbv2, elbv2_targets
from local_cloud.patches.patching import apply, patches_of
from local_cloud.quotas import Quotas
from local_cloud.traffic.plan import Balancer, Health, Plan, Pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from local_cloud.behaviors import Answers
    from local_cloud.traffic.plan import State

NO_TIME = 1e9


@dataclass(kw_only=True)
class FakeTraffic:
    """A traffic plane that carries nothing: it keeps the plans and says what it was told to."""

    plans: list[Plan] = field(default_factory=list)
    healths: dict[str, dict[str, Health]] = field(default_factory=dict)

    def apply(self, plan: Plan) -> None:
        self.plans.append(plan)

    def health(self, pool: str) -> tuple[Health, ...]:
        return tuple(self.healths.get(pool, {}).values())

    def urls(self) -> dict[tuple[str, int], str]:
        return {}

    def set_health(
        self, pool: str, id_: str, state: State, port: int = 0, reason: str = ""
    ) -> None:
        self.healths.setdefault(pool, {})[id_] = Health(
            id=id_, port=port, state=state, reason=reason
        )


@dataclass(kw_only=True)
class PatchedMoto:
    """moto with hooks, asked through boto3."""

    traffic: FakeTraffic
    answers: dict[str, Answers]
    quotas: Quotas = field(default_factory=Quotas)

    def aws(self, service: str, region: str = "us-east-1") -> Any:
        return client(service, region)

    @property
    def plan(self) -> Plan:
        return self.traffic.plans[-1]

    @property
    def balancer(self) -> Balancer:
        (found,) = self.plan.balancers
        return found

    @property
    def pool(self) -> Pool:
        (found,) = self.plan.pools
        return found

    @property
    def subnets(self) -> dict[str, str]:
        """The default subnets by zone."""
        described = self.aws("ec2").describe_subnets()["Subnets"]
        return {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in described}

    @property
    def vpc(self) -> str:
        default = [{"Name": "is-default", "Values": ["true"]}]
        (vpc,) = self.aws("ec2").describe_vpcs(Filters=default)["Vpcs"]
        return str(vpc["VpcId"])

    def launch(self, zone: str = "us-east-1a", **more: Any) -> str:
        image = "ami-00000000"  # moto launches anything
        placed = {"SubnetId": self.subnets[zone]} | more
        run = self.aws("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1, **placed)
        return str(run["Instances"][0]["InstanceId"])

    def classic(self, name: str = "web", **more: Any) -> Any:
        """Create a classic load balancer and return the client to ask."""
        listeners = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}]
        given = {"Listeners": listeners, "AvailabilityZones": ["us-east-1a"]} | more
        client = self.aws("elb")
        client.create_load_balancer(LoadBalancerName=name, **given)
        return client

    def group(self, name: str = "web", **more: Any) -> str:
        given = {"Protocol": "HTTP", "Port": 8080, "VpcId": self.vpc} | more
        made = self.aws("elbv2").create_target_group(Name=name, **given)
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def application(self, name: str = "web", **more: Any) -> str:
        zones = ("us-east-1a", "us-east-1b")
        given = {"Subnets": [self.subnets[zone] for zone in zones]} | more
        made = self.aws("elbv2").create_load_balancer(Name=name, **given)
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def listen(self, balancer: str, *actions: dict[str, Any], **more: Any) -> str:
        given = {"Protocol": "HTTP", "Port": 80} | more
        made = self.aws("elbv2").create_listener(
            LoadBalancerArn=balancer, DefaultActions=list(actions), **given
        )
        return str(made["Listeners"][0]["ListenerArn"])


@functools.cache
def client(service: str, region: str) -> Any:
    """Return a client; making one takes as long as 20 calls, and moto answers any."""
    make: Any = boto3.client  # its stubs know services by literal name only
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return make(service, region_name=region, **keys)


def to(group: str) -> dict[str, Any]:
    """The action that forwards to a group."""
    return {"Type": "forward", "TargetGroupArn": group}


@contextlib.contextmanager
def moto(
    *modules: ModuleType, speed: float = NO_TIME, images: bool = False
) -> Iterator[PatchedMoto]:
    """Run moto with the patches of load balancers for a block.

    `modules` have more patches. `images` if the public images are wanted, which take a moment.
    """
    addresses = (f"127.77.255.{n}" for n in itertools.count(1))
    here = PatchedMoto(traffic=FakeTraffic(), answers={})
    behaviors = SimpleNamespace(answers_of=lambda target: here.answers.get(target.instance, ""))
    no_images = SimpleNamespace(without_files=set())
    cloud = Cloud(
        host=cast("Any", SimpleNamespace(clock=Clock(speed=speed), images=no_images)),
        network=cast("Any", SimpleNamespace(balancer_address=lambda: next(addresses))),
        loop=cast("Any", SimpleNamespace(call_soon_threadsafe=lambda *_: None)),
        traffic=here.traffic,
        behaviors=cast("Any", behaviors),
        quotas=here.quotas,
    )
    cloud.on_change.append(BalancerSync(cloud=cloud))
    patches = patches_of(*modules, classic, classic_members, elbv2, elbv2_targets, after)
    wanted = {"MOTO_EC2_LOAD_DEFAULT_AMIS": str(images).lower()}
    few_images = mock.patch.dict(os.environ, wanted)
    with few_images, mock_aws():
        undo = apply(patches, Context.of(cloud, contextlib.nullcontext()))
        try:
            yield here
        finally:
            undo()


@contextlib.contextmanager
def refused(code: str, message: str = "") -> Iterator[None]:
    """Expect AWS's error."""
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        yield
    error = cast("dict[str, Any]", failed.value.response)["Error"]
    assert error["Code"] == code
    assert message in error["Message"]
