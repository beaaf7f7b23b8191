"""AMIs of the local cloud, asked for through boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

WRITES = "#!/bin/sh\necho made >$ROOT/opt/made; ln -s /opt/made $ROOT/opt/link; echo done writing\n"


def image_of(cloud: Cloud, name: str, **more: Any) -> str:
    instance = cloud.launch(UserData=WRITES)["InstanceId"]
    eventually(lambda: "done writing" in cloud.console(instance))
    made = cloud.aws("ec2").create_image(InstanceId=instance, Name=name, **more)
    return str(made["ImageId"])


def describe(cloud: Cloud, image: str, region: str = "us-east-1") -> dict[str, Any]:
    found = cloud.aws("ec2", region).describe_images(ImageIds=[image])["Images"]
    described: dict[str, Any] = found[0]
    return described


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as failure:
        call(**arguments)
    return str(failure.value.response["Error"]["Code"])


@pytest.mark.long
def test_an_image_is_pending_then_available_and_cannot_be_launched_before(
    unhurried: Cloud,
) -> None:
    ec2 = unhurried.aws("ec2")
    image = image_of(unhurried, "states")
    assert describe(unhurried, image)["State"] == "pending"
    launch = {"ImageId": image, "MinCount": 1, "MaxCount": 1}
    assert refused(ec2.run_instances, **launch) == "InvalidAMIID.Unavailable"
    eventually(lambda: describe(unhurried, image)["State"] == "available")
    assert describe(unhurried, image)["RootDeviceType"] == "ebs"


def test_one_image_pends_for_long_by_order(cloud: Cloud) -> None:
    instance = cloud.launch()["InstanceId"]
    cloud.client.set_behavior("pends", instance=instance, times=1, seconds=10**9)
    make = cloud.aws("ec2").create_image
    slow, quick = (make(InstanceId=instance, Name=f"by-order-{n}")["ImageId"] for n in "ab")
    eventually(lambda: describe(cloud, quick)["State"] == "available")
    assert describe(cloud, slow)["State"] == "pending"


def test_images_are_described_in_pages_on_request(cloud: Cloud) -> None:
    describe_images = cloud.aws("ec2").describe_images
    whole = [each["ImageId"] for each in describe_images(Owners=["amazon"])["Images"]]
    first = describe_images(Owners=["amazon"], MaxResults=1000)
    rest = describe_images(Owners=["amazon"], MaxResults=1000, NextToken=first["NextToken"])
    assert len(first["Images"]) == 1000
    assert [each["ImageId"] for each in [*first["Images"], *rest["Images"]]] == whole
    assert refused(describe_images, ImageIds=whole[:1], MaxResults=5) == (
        "InvalidParameterCombination"
    )


def test_an_image_holds_what_the_instance_wrote_and_a_launch_has_it(cloud: Cloud) -> None:
    image = image_of(cloud, "holds")
    root = cloud.home.images / image
    eventually((root / "opt/link").is_symlink)
    assert str((root / "opt/link").readlink()) == "/opt/made"
    script = "#!/bin/sh\necho found $(cat $ROOT/opt/made)\n"
    instance = cloud.launch(ImageId=image, UserData=script)["InstanceId"]
    eventually(lambda: "found made" in cloud.console(instance))


@pytest.mark.long
def test_what_an_instance_writes_does_not_change_its_image(cloud: Cloud) -> None:
    image = image_of(cloud, "unchanged")
    script = "#!/bin/sh\necho changed >>$ROOT/opt/made; echo changed it\n"
    instance = cloud.launch(ImageId=image, UserData=script)["InstanceId"]
    eventually(lambda: "changed it" in cloud.console(instance))
    assert (cloud.home.images / image / "opt/made").read_text() == "made\n"


@pytest.mark.long
def test_an_image_is_found_by_the_instance_and_the_image_that_it_was_made_from(
    cloud: Cloud,
) -> None:
    image = image_of(cloud, "made")
    elsewhere = cloud.aws("ec2", "eu-west-1")
    copy = elsewhere.copy_image(SourceImageId=image, SourceRegion="us-east-1", Name="copied")
    instance = describe(cloud, image)["SourceInstanceId"]

    def found(client: Any, name: str, value: str) -> list[str]:
        filters = [{"Name": name, "Values": [value]}]
        images = client.describe_images(Owners=["self"], Filters=filters)["Images"]
        return [each["ImageId"] for each in images]

    assert found(cloud.aws("ec2"), "source-instance-id", instance) == [image]
    assert found(elsewhere, "source-image-id", image) == [copy["ImageId"]]
    assert found(elsewhere, "source-image-region", "us-east-1") == [copy["ImageId"]]
    seen = describe(cloud, copy["ImageId"], "eu-west-1")
    assert (seen["SourceImageId"], seen["SourceImageRegion"]) == (image, "us-east-1")
    assert "SourceInstanceId" not in seen
    assert describe(cloud, image)["SourceImageId"] == cloud.base_image()


@pytest.mark.long
def test_a_copy_has_the_tags_of_the_image_on_request_and_its_snapshot_has_none(
    cloud: Cloud,
) -> None:
    image = image_of(cloud, "tagged")
    tags: Any = [{"Key": "ami-pipeline:bake", "Value": "web-1"}]
    cloud.aws("ec2").create_tags(Resources=[image], Tags=tags)
    elsewhere = cloud.aws("ec2", "eu-west-1")
    for wanted in (True, False):
        copy = elsewhere.copy_image(
            SourceImageId=image,
            SourceRegion="us-east-1",
            Name=f"copied-{wanted}",
            CopyImageTags=wanted,
        )["ImageId"]
        seen = describe(cloud, copy, "eu-west-1")
        assert seen.get("Tags", []) == (tags if wanted else [])
        snapshot = seen["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
        assert not elsewhere.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0].get("Tags")


@pytest.mark.long
def test_a_copy_in_another_region_can_be_launched_after_the_original_was_deleted(
    cloud: Cloud,
) -> None:
    image = image_of(cloud, "travels")
    elsewhere = cloud.aws("ec2", "eu-west-1")
    copied = elsewhere.copy_image(SourceImageId=image, SourceRegion="us-east-1", Name="travelled")
    copy = copied["ImageId"]
    eventually(lambda: describe(cloud, copy, "eu-west-1")["State"] == "available")
    eventually((cloud.home.images / copy / "opt/made").exists)
    cloud.aws("ec2").deregister_image(ImageId=image)
    eventually(lambda: not (cloud.home.images / image).exists())
    launched = elsewhere.run_instances(
        ImageId=copy, MinCount=1, MaxCount=1, UserData="#!/bin/sh\necho found $(cat $ROOT/opt/made)"
    )["Instances"][0]["InstanceId"]

    def printed() -> str:
        return str(elsewhere.get_console_output(InstanceId=launched)["Output"])

    eventually(lambda: "found made" in printed())


@pytest.mark.long
def test_nothing_can_be_launched_from_a_deregistered_image(cloud: Cloud) -> None:
    image = image_of(cloud, "gone")
    ec2 = cloud.aws("ec2")
    ec2.deregister_image(ImageId=image)
    launch = {"ImageId": image, "MinCount": 1, "MaxCount": 1}
    assert refused(ec2.run_instances, **launch) == "InvalidAMIID.NotFound"


@pytest.mark.long
def test_a_snapshot_is_tagged_kept_while_in_use_and_can_go_with_its_image(cloud: Cloud) -> None:
    tags = [{"Key": "App", "Value": "web"}]
    kinds = [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]
    image = image_of(cloud, "tagged", TagSpecifications=kinds)
    ec2 = cloud.aws("ec2")
    assert describe(cloud, image)["Tags"] == tags
    snapshot = describe(cloud, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["Tags"] == tags
    assert refused(ec2.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert refused(ec2.describe_snapshots, SnapshotIds=[snapshot]) == "InvalidSnapshot.NotFound"


def test_a_name_is_used_once(cloud: Cloud) -> None:
    image_of(cloud, "taken")
    instance = cloud.launch()["InstanceId"]
    again = {"InstanceId": instance, "Name": "taken"}
    assert refused(cloud.aws("ec2").create_image, **again) == "InvalidAMIName.Duplicate"


@pytest.mark.long
def test_the_image_of_an_encrypted_volume_is_encrypted(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    volume = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "Encrypted": True}}
    instance = cloud.launch(BlockDeviceMappings=[volume])["InstanceId"]
    image = ec2.create_image(InstanceId=instance, Name="encrypted")["ImageId"]
    assert describe(cloud, image)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    plain = image_of(cloud, "not-encrypted")
    copied = ec2.copy_image(
        SourceImageId=plain, SourceRegion="us-east-1", Name="copy", Encrypted=True
    )
    mapping = describe(cloud, copied["ImageId"])["BlockDeviceMappings"][0]
    assert mapping["Ebs"]["Encrypted"] is True


def test_published_images_have_the_day_of_their_name(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    names = ["amzn2-ami-hvm-*-arm64-gp2", "Windows_Server-2016-English-Nano-*", "amazon-eks-node-*"]
    images = ec2.describe_images(Filters=[{"Name": "name", "Values": names}])["Images"]
    days = {each["Name"]: each["CreationDate"] for each in images}
    assert days["Windows_Server-2016-English-Nano-Base-2017.10.13"] == "2017-10-13T00:00:00.000Z"
    assert days["amazon-eks-node-linux"] == "2017-01-01T00:00:00.000Z"
    (newest,) = [name for name in days if name.startswith("amzn2")]
    assert days[newest][:10].replace("-", "") in newest


def test_an_image_of_windows_cannot_be_launched(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    named = [{"Name": "name", "Values": ["Windows_Server-2016-English-Nano-*"]}]
    image = ec2.describe_images(Filters=named)["Images"][0]["ImageId"]
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        cloud.launch(ImageId=image)
    error = raised.value.response["Error"]
    assert error["Code"] == "NotImplementedByLocalCloud"
    assert error["Message"].startswith("The local cloud runs Linux instances only, and ami-")


def test_a_build_that_connects_by_winrm_is_refused(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    groups = [
        ec2.create_security_group(GroupName=name, Description=description)["GroupId"]
        for name, description in [
            ("packer_1", "Temporary group for Packer"),
            ("windows", "Of a team that has Windows servers"),
        ]
    ]

    def open_port(group: str, port: int) -> None:
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "FromPort": port,
                    "ToPort": port,
                    "IpProtocol": "tcp",
                    "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
                }
            ],
        )

    open_port(groups[0], 22)
    open_port(groups[1], 5985)
    for port in (5985, 5986):
        assert refused(open_port, group=groups[0], port=port) == "NotImplementedByLocalCloud"
    instance = cloud.launch()["InstanceId"]
    assert refused(ec2.get_password_data, InstanceId=instance) == "NotImplementedByLocalCloud"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"),
        ("099720109477", "ubuntu/images/*ubuntu-noble-24.04-arm64-server-*"),
        ("136693071363", "debian-13-amd64-*"),
        ("309956199498", "RHEL-9*x86_64*"),
        ("amazon", "al2023-ami-2023.*-kernel-6.1-x86_64"),
    ],
)
def test_the_images_that_templates_start_from_are_published(
    cloud: Cloud, owner: str, name: str
) -> None:
    filters = [
        {"Name": "name", "Values": [name]},
        {"Name": "root-device-type", "Values": ["ebs"]},
        {"Name": "virtualization-type", "Values": ["hvm"]},
    ]
    found = cloud.aws("ec2").describe_images(Owners=[owner], Filters=filters)["Images"]
    assert [each["State"] for each in found] == ["available"]
    assert found[0]["CreationDate"] > "2026"
