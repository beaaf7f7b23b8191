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


def test_everything_that_was_named_goes(leftovers: Ec2Leftovers, aws: Clients) -> None:
    aws.ec2(REGION).create_key_pair(KeyName="packer_key")
    made = group(aws, "packer_group")
    instance = launch(aws, KeyName="packer_key", SecurityGroupIds=[made])
    resources = BuildResources(key_pairs=("packer_key",), security_groups=("packer_group",))
    assert leftovers.remove(REGION, resources, NAME) == (instance, "packer_key", made)
    assert state(aws, instance) == "terminated"
    assert leftovers.remove(REGION, resources, NAME) == ()


@pytest.mark.parametrize("by", ["key", "group", "tag"])
def test_an_instance_is_found_by_any_one_of_its_marks(
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


def test_an_instance_a_line_points_at_is_not_touched(leftovers: Ec2Leftovers, aws: Clients) -> None:
    instance = launch(aws)
    assert leftovers.remove(REGION, BuildResources(instances=(instance,)), NAME) == ()
    assert leftovers.remove(REGION, BuildResources(instances=(instance,)), "") == ()
    assert state(aws, instance) == "running"


def test_without_traces_nothing_is_removed(leftovers: Ec2Leftovers, aws: Clients) -> None:
    aws.ec2(REGION).create_key_pair(KeyName="mine")
    group(aws, "mine")
    launch(aws, KeyName="mine")
    assert leftovers.remove(REGION, BuildResources(), NAME) == ()


def test_a_group_that_stays_in_use_is_told_in_awss_words(
    leftovers: Ec2Leftovers, aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    group(aws, "packer_group")
    in_use: Any = {"Error": {"Code": "DependencyViolation", "Message": "has a dependent object"}}

    def refuse(**_: str) -> None:
        raise ClientError(in_use, "DeleteSecurityGroup")

    monkeypatch.setattr(aws.ec2(REGION), "delete_security_group", refuse)
    asked: list[float] = []

    def until(ask: Any, *, seconds: float) -> Any:
        asked.append(seconds)
        return ask()

    monkeypatch.setattr(module, "until", until)
    with pytest.raises(RefusedError) as told:
        leftovers.remove(REGION, BuildResources(security_groups=("packer_group",)), NAME)
    assert "DependencyViolation" in told.value.what
    assert asked == [60.0]
