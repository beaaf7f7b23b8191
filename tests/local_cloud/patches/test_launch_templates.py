"""Launch templates of the local cloud, asked for through boto3."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from typing import Any

    from tests.running_cloud import Cloud

NUMBERS = itertools.count(1)


def said(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def make(cloud: Cloud, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    data = {"ImageId": cloud.base_image(), "InstanceType": "t3.micro", **(data or {})}
    made: dict[str, Any] = cloud.aws("ec2").create_launch_template(
        LaunchTemplateName=f"template-{next(NUMBERS)}", LaunchTemplateData=data, **more
    )["LaunchTemplate"]
    return made


def add(cloud: Cloud, template: dict[str, Any], **data: Any) -> int:
    version = cloud.aws("ec2").create_launch_template_version(
        LaunchTemplateId=template["LaunchTemplateId"], LaunchTemplateData=data
    )
    return int(version["LaunchTemplateVersion"]["VersionNumber"])


def versions(cloud: Cloud, template: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.aws("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], **more
    )["LaunchTemplateVersions"]
    return found


def launch(cloud: Cloud, template: dict[str, Any], version: str, **more: Any) -> dict[str, Any]:
    launched = cloud.aws("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": version},
        MinCount=1,
        MaxCount=1,
        **more,
    )
    return cloud.instance(launched["Instances"][0]["InstanceId"])


def tags(described: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}


def test_the_tags_of_a_template_are_not_part_of_its_data(cloud: Cloud) -> None:
    specification = [
        {"ResourceType": "launch-template", "Tags": [{"Key": "Owner", "Value": "web"}]}
    ]
    template = make(cloud, TagSpecifications=specification)
    assert tags(template) == {"Owner": "web"}
    assert "TagSpecifications" not in versions(cloud, template)[0]["LaunchTemplateData"]


def test_tags_that_are_changed_later_are_described(cloud: Cloud) -> None:
    template = make(cloud)
    ec2, name = cloud.aws("ec2"), template["LaunchTemplateId"]
    ec2.create_tags(Resources=[name], Tags=[{"Key": "Stage", "Value": "late"}])
    (described,) = ec2.describe_launch_templates(LaunchTemplateIds=[name])["LaunchTemplates"]
    assert tags(described) == {"Stage": "late"}


def test_a_name_is_checked_and_used_once(cloud: Cloud) -> None:
    create = cloud.aws("ec2").create_launch_template
    taken = make(cloud)["LaunchTemplateName"]
    data = {"LaunchTemplateData": {"InstanceType": "t3.micro"}}
    code, _ = said(create, LaunchTemplateName=taken, **data)
    assert code == "InvalidLaunchTemplateName.AlreadyExistsException"
    code, _ = said(create, LaunchTemplateName="not a name", **data)
    assert code == "InvalidLaunchTemplateName.MalformedException"


def test_an_unknown_template_is_refused_by_id_and_by_name(cloud: Cloud) -> None:
    ec2, missing = cloud.aws("ec2"), "lt-0123456789abcdef0"
    for call in (ec2.describe_launch_templates,):
        assert said(call, LaunchTemplateIds=[missing]) == (
            "InvalidLaunchTemplateId.NotFound",
            f"The specified launch template, with template ID {missing}, does not exist.",
        )
        code, _ = said(call, LaunchTemplateNames=["unknown"])
        assert code == "InvalidLaunchTemplateName.NotFoundException"
    for one in (ec2.describe_launch_template_versions, ec2.delete_launch_template):
        assert said(one, LaunchTemplateId=missing)[0] == "InvalidLaunchTemplateId.NotFound"
        code, _ = said(one, LaunchTemplateName="unknown")
        assert code == "InvalidLaunchTemplateName.NotFoundException"
    launch_it = {"LaunchTemplate": {"LaunchTemplateId": missing}, "MinCount": 1, "MaxCount": 1}
    assert said(ec2.run_instances, **launch_it)[0] == "InvalidLaunchTemplateId.NotFound"


@pytest.mark.long
def test_more_templates_than_fit_a_page_are_all_described(cloud: Cloud) -> None:
    made = {make(cloud)["LaunchTemplateId"] for _ in range(17)}
    ec2 = cloud.aws("ec2")
    at_once = ec2.describe_launch_templates()["LaunchTemplates"]
    assert made <= {template["LaunchTemplateId"] for template in at_once}
    pages = ec2.get_paginator("describe_launch_templates").paginate(
        PaginationConfig={"PageSize": 5}
    )
    found = [t["LaunchTemplateId"] for page in pages for t in page["LaunchTemplates"]]
    assert made <= set(found)
    assert len(found) == len(set(found))


def test_a_version_takes_missing_parameters_from_its_source(cloud: Cloud) -> None:
    template = make(cloud, {"KeyName": "key"})
    bare = add(cloud, template, InstanceType="t3.small")
    based = cloud.aws("ec2").create_launch_template_version(
        LaunchTemplateId=template["LaunchTemplateId"],
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.large"},
    )["LaunchTemplateVersion"]
    (described,) = versions(cloud, template, Versions=[str(bare)])
    assert described["LaunchTemplateData"] == {"InstanceType": "t3.small"}
    assert based["LaunchTemplateData"]["InstanceType"] == "t3.large"
    assert based["LaunchTemplateData"]["KeyName"] == "key"
    assert based["LaunchTemplateData"]["ImageId"] == cloud.base_image()


def test_latest_and_default_are_resolved(cloud: Cloud) -> None:
    template = make(cloud)
    add(cloud, template, InstanceType="t3.small")
    add(cloud, template, InstanceType="t3.large")
    named = {"LaunchTemplateId": template["LaunchTemplateId"]}
    ec2 = cloud.aws("ec2")

    def numbers(*wanted: str) -> list[int]:
        return [v["VersionNumber"] for v in versions(cloud, template, Versions=list(wanted))]

    assert numbers("$Default", "$Latest") == [1, 3]
    ec2.modify_launch_template(**named, DefaultVersion="2")
    assert numbers("$Default", "$Latest") == [2, 3]
    (described,) = ec2.describe_launch_templates(LaunchTemplateIds=list(named.values()))[
        "LaunchTemplates"
    ]
    assert (described["DefaultVersionNumber"], described["LatestVersionNumber"]) == (2, 3)
    code, _ = said(ec2.modify_launch_template, **named, DefaultVersion="9")
    assert code == "InvalidLaunchTemplateId.VersionNotFound"
    ranged = versions(cloud, template, MinVersion="2", MaxVersion="3")
    assert [v["VersionNumber"] for v in ranged] == [3, 2]
    only = versions(cloud, template, Filters=[{"Name": "is-default-version", "Values": ["true"]}])
    assert [v["VersionNumber"] for v in only] == [2]


def test_deleted_versions_disappear_and_their_numbers_are_not_reused(cloud: Cloud) -> None:
    template = make(cloud)
    add(cloud, template, InstanceType="t3.small")
    named = {"LaunchTemplateId": template["LaunchTemplateId"]}
    ec2 = cloud.aws("ec2")
    answer = ec2.delete_launch_template_versions(**named, Versions=["1", "2", "7"])
    (done,) = answer["SuccessfullyDeletedLaunchTemplateVersions"]
    failed = answer["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert done["VersionNumber"] == 2
    assert [(f["VersionNumber"], f["ResponseError"]["Code"]) for f in failed] == [
        (1, "unexpectedError"),
        (7, "launchTemplateVersionDoesNotExist"),
    ]
    assert add(cloud, template, InstanceType="t3.large") == 3
    assert [v["VersionNumber"] for v in versions(cloud, template)] == [3, 1]
    code, _ = said(
        ec2.run_instances,
        LaunchTemplate={**named, "Version": "2"},
        MinCount=1,
        MaxCount=1,
    )
    assert code == "InvalidLaunchTemplateId.VersionNotFound"


@pytest.mark.long
def test_an_instance_has_the_settings_of_its_template_version(cloud: Cloud) -> None:
    ec2, iam = cloud.aws("ec2"), cloud.aws("iam")
    ec2.create_key_pair(KeyName="of-version-two")
    iam.create_instance_profile(InstanceProfileName="of-version-two")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    group = ec2.create_security_group(
        GroupName="of-version-two", Description="web", VpcId=vpc["VpcId"]
    )["GroupId"]
    script = base64.b64encode(b"#!/bin/sh\necho this is version two\n").decode()
    template = make(cloud)
    version = add(
        cloud,
        template,
        ImageId=cloud.base_image(),
        InstanceType="t3.large",
        KeyName="of-version-two",
        UserData=script,
        SecurityGroupIds=[group],
        IamInstanceProfile={"Name": "of-version-two"},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 33, "VolumeType": "gp3"}}
        ],
        Monitoring={"Enabled": True},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Version", "Value": "two"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "Disk", "Value": "two"}]},
        ],
    )
    assert version == 2
    instance = launch(cloud, template, "2")
    assert instance["InstanceType"] == "t3.large"
    assert instance["KeyName"] == "of-version-two"
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["IamInstanceProfile"]["Arn"].endswith("/of-version-two")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert instance["Monitoring"]["State"] == "enabled"
    assert tags(instance) == {
        "Version": "two",
        "aws:ec2launchtemplate:id": template["LaunchTemplateId"],
        "aws:ec2launchtemplate:version": "2",
    }
    ids = [m["Ebs"]["VolumeId"] for m in instance["BlockDeviceMappings"]]
    volumes = ec2.describe_volumes(VolumeIds=ids)["Volumes"]
    assert sorted((v["Attachments"][0]["Device"] == "/dev/sdf", v["Size"]) for v in volumes) == [
        (False, 15),
        (True, 33),
    ]
    assert all(tags(volume) == {"Disk": "two"} for volume in volumes)
    eventually(lambda: "this is version two" in cloud.console(instance["InstanceId"]))
    assert launch(cloud, template, "$Default")["InstanceType"] == "t3.micro"


def test_parameters_of_the_call_win_over_the_template(cloud: Cloud) -> None:
    template = make(cloud, {"MetadataOptions": {"HttpTokens": "required"}})
    instance = launch(
        cloud,
        template,
        "1",
        InstanceType="t3.nano",
        MetadataOptions={"HttpTokens": "optional"},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "called"}]}
        ],
    )
    assert instance["InstanceType"] == "t3.nano"
    assert instance["MetadataOptions"]["HttpTokens"] == "optional"
    assert tags(instance)["Name"] == "called"


def test_the_network_interface_of_a_template_carries_its_security_groups(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    group = ec2.create_security_group(
        GroupName="on-the-interface", Description="web", VpcId=vpc["VpcId"]
    )["GroupId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "Groups": [group]}
    template = make(cloud, {"NetworkInterfaces": [{**interface, "SubnetId": subnet}]})
    instance = launch(cloud, template, "$Latest")
    assert [g["GroupId"] for g in instance["NetworkInterfaces"][0]["Groups"]] == [group]
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["SubnetId"] == subnet


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"KeyName": "lost"}, "InvalidKeyPair.NotFound"),
        ({"IamInstanceProfile": {"Name": "lost"}}, "InvalidParameterValue"),
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
    ],
)
def test_a_template_may_name_missing_resources_until_its_launch(
    cloud: Cloud, data: dict[str, Any], code: str
) -> None:
    template = make(cloud, data)
    wanted = {"LaunchTemplateId": template["LaunchTemplateId"]}
    assert (
        said(cloud.aws("ec2").run_instances, LaunchTemplate=wanted, MinCount=1, MaxCount=1)[0]
        == code
    )
