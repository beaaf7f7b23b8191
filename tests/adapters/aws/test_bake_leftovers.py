from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws import bake_leftovers as module
from pipeline.adapters.aws.bake_leftovers import Ec2Leftovers
from pipeline.adapters.aws.client import Clients
from pipeline.core.bake.model import BuildResources
from pipeline.core.errors import RefusedError

REGION = "us-east-1"
NAME = "web-1"


@pytest.fixture
def leftovers(aws: Clients) -> Ec2Leftovers:
    return Ec2Leftovers(aws)


def launch(aws: Clients, **changes: Any) -> str:
    run: Any = aws.ec2(REGION).run_instances
    made = run(ImageId="ami-12345678", MinCount=1, MaxCount=1, **changes)
    return str(made["Instances"][0]["InstanceId"])


def group(aws: Clients, name: str) -> str:
    return aws.ec2(REGION).create_security_group(GroupName=name, Description="x")["GroupId"]


def state(aws: Clients, instance: str) -> str:
    answer = aws.ec2(REGION).describe_instances(InstanceIds=[instance])
    return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])


def test_every_named_leftover_is_deleted(leftovers: Ec2Leftovers, aws: Clients) -> None:
    aws.ec2(REGION).create_key_pair(KeyName="packer_key")
    made = group(aws, "packer_group")
    instance = launch(aws, KeyName="packer_key", SecurityGroupIds=[made])
    resources = BuildResources(key_pairs=("packer_key",), security_groups=("packer_group",))
    assert leftovers.remove(REGION, resources, NAME) == (instance, "packer_key", made)
    assert state(aws, instance) == "terminated"
    assert leftovers.remove(REGION, resources, NAME) == ()


@pytest.mark.parametrize("by", ["key", "group", "tag"])
def test_an_instance_is_found_by_key_group_or_tag(
    leftovers: Ec2Leftovers, aws: Clients, by: str
) -> None:
    aws.ec2(REGION).create_key_pair(KeyName="packer_key")
    made = group(aws, "packer_group")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "ami-pipeline:bake", "Value": NAME}]}]
    marks: dict[str, Any] = {
        "key": {"KeyName": "packer_key"},
        "group": {"SecurityGroupIds": [made]},
        "tag": {"TagSpecifications": tags},
    }
    instance = launch(aws, **marks[by])
    resources = BuildResources(key_pairs=("packer_key",), security_groups=("packer_group",))
    assert instance in leftovers.remove(REGION, resources, NAME)


def test_an_instance_that_only_the_output_names_stays(
    leftovers: Ec2Leftovers, aws: Clients
) -> None:
    instance = launch(aws)
    assert leftovers.remove(REGION, BuildResources(instances=(instance,)), NAME) == ()
    assert leftovers.remove(REGION, BuildResources(instances=(instance,)), "") == ()
    assert state(aws, instance) == "running"


def test_without_names_nothing_is_deleted(leftovers: Ec2Leftovers, aws: Clients) -> None:
    aws.ec2(REGION).create_key_pair(KeyName="mine")
    group(aws, "mine")
    launch(aws, KeyName="mine")
    assert leftovers.remove(REGION, BuildResources(), NAME) == ()


def test_a_security_group_in_use_is_an_error_with_awss_message(
    leftovers: Ec2Leftovers, aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    group(aws, "packer_group")
    in_use: Any = {"Error": {"Code": "DependencyViolation", "Message": "has a dependent object"}}

    def refuse(**_: str) -> None:
        raise ClientError(in_use, "DeleteSecurityGroup")

    monkeypatch.setattr(aws.ec2(REGION), "delete_security_group", refuse)
    limits: list[float] = []

    def poll_until(ask: Any, *, seconds: float) -> Any:
        limits.append(seconds)
        return ask()

    monkeypatch.setattr(module, "poll_until", poll_until)
    with pytest.raises(RefusedError) as told:
        leftovers.remove(REGION, BuildResources(security_groups=("packer_group",)), NAME)
    assert "DependencyViolation" in told.value.what
    assert limits == [60.0]
