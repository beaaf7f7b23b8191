from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws import bake_leftovers as module
from pipeline.adapters.aws.bake_leftovers import Ec2Leftovers
from pipeline.adapters.aws.client import Clients
from pipeline.core.bake.model import SPOT_TEMPLATES, BuildResources, Removal

REGION = "us-east-1"
NAME = "web-1"
SINCE = "2026-01-01T00:00:00+00:00"


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
    assert leftovers.remove(REGION, resources, NAME, SINCE) == Removal(
        gone=(instance, "packer_key", made)
    )
    assert state(aws, instance) == "terminated"
    assert leftovers.remove(REGION, resources, NAME, SINCE) == Removal()


@pytest.mark.long
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
    assert instance in leftovers.remove(REGION, resources, NAME, SINCE).gone


@pytest.mark.long
@pytest.mark.parametrize(
    ("since", "tags", "gone"),
    [
        (SINCE, {}, True),
        (SINCE, {"ami-pipeline:bake": NAME}, True),
        (SINCE, {"ami-pipeline:bake": "web-2"}, False),
        ("2999-01-01T00:00:00+00:00", {}, False),
    ],
)
def test_an_instance_that_only_the_output_names_must_be_new_and_of_no_other_bake(
    leftovers: Ec2Leftovers, aws: Clients, since: str, tags: dict[str, str], gone: bool
) -> None:
    """With a key pair and security group of the template's own, and no run tags."""
    instance = launch(aws)
    if tags:
        pairs: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
        aws.ec2(REGION).create_tags(Resources=[instance], Tags=pairs)
    resources = BuildResources(instances=(instance,))
    assert leftovers.remove(REGION, resources, NAME, since).gone == ((instance,) if gone else ())
    assert state(aws, instance) == ("terminated" if gone else "running")


def test_a_volume_that_outlives_its_instance_is_deleted(
    leftovers: Ec2Leftovers, aws: Clients
) -> None:
    devices: Any = [
        {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 9, "DeleteOnTermination": False}},
    ]
    instance = launch(aws, BlockDeviceMappings=devices)
    tags: Any = [{"ResourceType": "volume", "Tags": [{"Key": "ami-pipeline:bake", "Value": NAME}]}]
    ec2 = aws.ec2(REGION)
    loose = ec2.create_volume(AvailabilityZone="us-east-1a", Size=7, TagSpecifications=tags)
    removal = leftovers.remove(REGION, BuildResources(instances=(instance,)), NAME, SINCE)
    assert removal.left == ()
    assert removal.gone[0] == instance
    assert loose["VolumeId"] in removal.gone
    assert len(removal.gone) == 3
    assert ec2.describe_volumes()["Volumes"] == []


def test_the_launch_template_of_a_spot_instance_is_deleted(
    leftovers: Ec2Leftovers, aws: Clients
) -> None:
    ec2 = aws.ec2(REGION)
    ids = [
        ec2.create_launch_template(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": "ami-12345678"}
        )["LaunchTemplate"]["LaunchTemplateId"]
        for name in ("packer-fleet-launch-template-abc", "mine")
    ]
    removal = leftovers.remove(REGION, BuildResources(launch_templates=tuple(ids)), NAME, SINCE)
    assert removal == Removal(gone=(ids[0],))
    left = ec2.describe_launch_templates()["LaunchTemplates"]
    assert [each["LaunchTemplateName"] for each in left] == ["mine"]


@pytest.mark.long
@pytest.mark.parametrize("by", ["key", "group", "interface", "tag", "nothing"])
def test_a_launch_template_whose_id_is_not_known_is_found_by_what_it_holds(
    leftovers: Ec2Leftovers, aws: Clients, by: str
) -> None:
    """Packer was killed while it created it; another bake's has the same kind of name."""
    ec2 = aws.ec2(REGION)
    ec2.create_key_pair(KeyName="packer_key")
    made = group(aws, "packer_group")
    tags = [{"Key": "ami-pipeline:bake", "Value": NAME}]
    holds: dict[str, Any] = {
        "key": {"KeyName": "packer_key"},
        "group": {"SecurityGroupIds": [made]},
        "interface": {"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [made]}]},
        "tag": {"TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]},
        "nothing": {"KeyName": "packer_other"},
    }
    template = ec2.create_launch_template(
        LaunchTemplateName="packer-fleet-launch-template-abc", LaunchTemplateData=holds[by]
    )["LaunchTemplate"]["LaunchTemplateId"]
    resources = BuildResources(
        key_pairs=("packer_key",),
        security_groups=("packer_group",),
        launch_templates=(SPOT_TEMPLATES,),
    )
    removal = leftovers.remove(REGION, resources, NAME, SINCE)
    assert (template in removal.gone) is (by != "nothing")
    assert removal.left == ()


def test_what_carries_the_run_tags_is_deleted_although_the_output_does_not_name_it(
    leftovers: Ec2Leftovers, aws: Clients
) -> None:
    ec2, iam = aws.ec2(REGION), aws.iam(REGION)
    tags: Any = [{"Key": "ami-pipeline:bake", "Value": NAME}]

    def tagged(kind: str) -> Any:
        return [{"ResourceType": kind, "Tags": tags}]

    profile = "packer-6b0a8c12-39b0-64a7-33fa-cf8b92d5acdf"
    iam.create_instance_profile(InstanceProfileName=profile)
    ec2.create_key_pair(KeyName="amazon-packer-1", TagSpecifications=tagged("key-pair"))
    made = ec2.create_security_group(
        GroupName="any", Description="x", TagSpecifications=tagged("security-group")
    )["GroupId"]
    instance = launch(
        aws, IamInstanceProfile={"Name": profile}, TagSpecifications=tagged("instance")
    )
    removal = leftovers.remove(REGION, BuildResources(), NAME, SINCE)
    assert removal == Removal(gone=(instance, "amazon-packer-1", made, profile))


@pytest.mark.parametrize(("since", "gone"), [(SINCE, True), ("2999-01-01T00:00:00+00:00", False)])
def test_a_key_pair_that_the_template_names_must_be_new_and_finds_no_instances(
    leftovers: Ec2Leftovers, aws: Clients, since: str, gone: bool
) -> None:
    """CreateKeyPair refuses a name that is taken, so an older one is not of this bake."""
    aws.ec2(REGION).create_key_pair(KeyName="bakery")
    other = launch(aws, KeyName="bakery")
    removal = leftovers.remove(REGION, BuildResources(key_pairs=("bakery",)), NAME, since)
    assert removal == Removal(gone=("bakery",) if gone else ())
    assert state(aws, other) == "running"


@pytest.mark.long
@pytest.mark.parametrize("made", ["all", "role", "profile", "none"])
def test_a_temporary_role_and_its_profile_are_deleted(
    leftovers: Ec2Leftovers, aws: Clients, made: str
) -> None:
    iam, name = aws.iam(REGION), "packer-6b0a8a59"
    if made in {"all", "role"}:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        statement = '{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}'
        document = f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document)
    if made in {"all", "profile"}:
        iam.create_instance_profile(InstanceProfileName=name)
    if made == "all":
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    removal = leftovers.remove(REGION, BuildResources(profiles=(name,)), NAME, SINCE)
    assert removal == Removal(gone=() if made == "none" else (name,))
    assert iam.list_roles()["Roles"] == []
    assert iam.list_instance_profiles()["InstanceProfiles"] == []


def test_without_names_nothing_is_deleted(leftovers: Ec2Leftovers, aws: Clients) -> None:
    aws.ec2(REGION).create_key_pair(KeyName="mine")
    group(aws, "mine")
    launch(aws, KeyName="mine")
    assert leftovers.remove(REGION, BuildResources(), NAME, SINCE) == Removal()


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
    named = BuildResources(security_groups=("packer_group",))
    removal = leftovers.remove(REGION, named, NAME, SINCE)
    assert removal.gone == ()
    assert "DependencyViolation" in removal.left[0]
    assert limits == [60.0]


def test_what_aws_still_lists_is_left(
    leftovers: Ec2Leftovers, aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = aws.ec2(REGION)
    ec2.create_key_pair(KeyName="packer_key")
    monkeypatch.setattr(ec2, "delete_key_pair", lambda **_: {})
    monkeypatch.setattr(module, "SETTLED", 0.0)
    removal = leftovers.remove(REGION, BuildResources(key_pairs=("packer_key",)), NAME, SINCE)
    assert removal == Removal(left=("packer_key in us-east-1 is still there",))


def test_an_instance_that_stays_keeps_and_names_what_belongs_to_it(
    leftovers: Ec2Leftovers, aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = group(aws, "packer_group")
    instance = launch(aws, SecurityGroupIds=[made])
    monkeypatch.setattr(aws.ec2(REGION), "terminate_instances", lambda **_: {})
    monkeypatch.setattr(module, "TERMINATION", 0.0)
    named = BuildResources(security_groups=("packer_group",))
    assert leftovers.remove(REGION, named, NAME, SINCE).left == (
        f"{instance} in us-east-1 is still there",
        f"{made} belongs to it",
    )
