"""What a launch takes from its image, and what security groups remember."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

if TYPE_CHECKING:
    from tests.running_cloud import Cloud


def launched_with(cloud: Cloud, name: str, device: str) -> dict[str, Any]:
    ebs = {"Encrypted": True, "VolumeType": "gp3", "DeleteOnTermination": True}
    data = {
        "ImageId": cloud.base_image(),
        "InstanceType": "t3.micro",
        "BlockDeviceMappings": [{"DeviceName": device, "Ebs": ebs}],
    }
    ec2 = cloud.aws("ec2")
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    template = {"LaunchTemplateName": name, "Version": "1"}
    made = ec2.run_instances(LaunchTemplate=template, MinCount=1, MaxCount=1)
    return cloud.instance(made["Instances"][0]["InstanceId"])


def image(cloud: Cloud, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.aws("ec2").describe_images(ImageIds=[image_id])["Images"][0]
    return found


@pytest.mark.long
def test_a_mapping_of_the_root_device_without_a_size_keeps_the_images_snapshot(
    cloud: Cloud,
) -> None:
    base = image(cloud, cloud.base_image())
    root = base["RootDeviceName"]
    instance = launched_with(cloud, "no-size", root)
    assert [each["DeviceName"] for each in instance["BlockDeviceMappings"]] == [root]
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    made = cloud.aws("ec2").describe_volumes(VolumeIds=[volume])["Volumes"][0]
    assert made["SnapshotId"] == base["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert made["Encrypted"]


def test_a_mapping_of_another_device_needs_a_size(cloud: Cloud) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as failure:
        launched_with(cloud, "other-device", "/dev/xvdz")
    assert failure.value.response["Error"]["Code"] == "MissingParameter"


@pytest.mark.long
def test_an_image_names_its_root_device_as_the_instance_did(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    amazon = ec2.describe_images(
        Owners=["amazon"], Filters=[{"Name": "root-device-name", "Values": ["/dev/xvda"]}]
    )["Images"][0]
    instance = cloud.launch(ImageId=amazon["ImageId"])["InstanceId"]
    made = ec2.create_image(InstanceId=instance, Name="keeps-its-root-device")["ImageId"]
    assert image(cloud, made)["RootDeviceName"] == "/dev/xvda"
    copy = ec2.copy_image(SourceImageId=made, SourceRegion="us-east-1", Name="its-copy")["ImageId"]
    assert image(cloud, copy)["RootDeviceName"] == "/dev/xvda"


def test_a_rule_that_names_a_group_keeps_its_description(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    group = ec2.create_security_group(GroupName="described", Description="d")["GroupId"]
    pair = {"GroupId": group, "Description": "each other"}
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [pair]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    filters = [{"Name": "group-id", "Values": [group]}]
    rules = ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert [each["Description"] for each in rules if not each["IsEgress"]] == ["each other"]
