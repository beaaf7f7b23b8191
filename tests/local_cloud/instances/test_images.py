"""AMIs of the local cloud, asked for through boto3."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from local_cloud.instances.images import Images
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_cloud import Cloud

WRITES = "#!/bin/sh\necho made >$ROOT/opt/made; ln -s /opt/made $ROOT/opt/link; echo done writing\n"


def test_a_copy_of_an_image_that_is_deregistered_meanwhile_is_complete(tmp_path: Path) -> None:
    """Packer deregisters the AMI of `encrypt_boot` as soon as the copy is available."""
    (tmp_path / "ami-1" / "opt").mkdir(parents=True)
    (tmp_path / "ami-1" / "opt" / "made").write_text("made\n")

    async def copied() -> bool:
        images = Images(folder=tmp_path)
        done, _ = await asyncio.gather(images.duplicate("ami-2", "ami-1"), images.forget("ami-1"))
        return done

    assert asyncio.run(copied())
    assert (tmp_path / "ami-2/opt/made").read_text() == "made\n"
    assert not (tmp_path / "ami-1").exists()


def test_an_image_that_is_deregistered_while_it_is_made_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "ami-1" / "opt").mkdir(parents=True)

    async def forgotten() -> None:
        images = Images(folder=tmp_path)
        work = (
            images.duplicate("ami-2", "ami-1"),
            images.forget("ami-2"),
            images.forget("ami-1"),
        )
        await asyncio.wait_for(asyncio.gather(*work), 10)

    asyncio.run(forgotten())
    assert list(tmp_path.iterdir()) == []


def test_an_image_whose_files_cannot_be_written_fails_and_keeps_no_launch_waiting(
    tmp_path: Path,
) -> None:
    (tmp_path / "instance").mkdir()
    (tmp_path / "ami-1").touch()  # not a folder

    async def launched() -> tuple[bool, bool]:
        images = Images(folder=tmp_path)
        images.expect("ami-1")
        taken = images.take("ami-1", tmp_path / "instance")
        done, unpacked = await asyncio.wait_for(
            asyncio.gather(taken, images.unpack("ami-1", tmp_path / "new")), 10
        )
        return done, unpacked

    assert asyncio.run(launched()) == (False, False)


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


@pytest.mark.long
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
    image = image_of(cloud, "with-snapshot", TagSpecifications=kinds)
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
    names = ["amzn2-ami-hvm-*-arm64-gp2", "Windows_Server-2016-English-Nano-*", "*eks-node-linux"]
    images = ec2.describe_images(Filters=[{"Name": "name", "Values": names}])["Images"]
    days = {each["Name"]: each["CreationDate"] for each in images}
    assert days["Windows_Server-2016-English-Nano-Base-2017.10.13"].startswith("2017-10-13")
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


def test_an_image_that_is_added_is_found_in_every_region_and_can_be_launched(
    cloud: Cloud,
) -> None:
    asked = {"owner": "210987654321", "name": "acme-base-arm64-20260901", "architecture": "arm64"}
    added = cloud.client.add_image(**asked)
    assert cloud.client.add_image(**asked) == added
    wanted = [{"Name": "name", "Values": ["acme-base-*"]}]
    for region in ("us-east-1", "eu-west-1", "ap-south-1"):
        call = cloud.aws("ec2", region).describe_images
        (found,) = call(Owners=["210987654321"], Filters=wanted)["Images"]
        assert (found["Architecture"], found["CreationDate"][:10]) == ("arm64", "2026-09-01")
        assert found["Public"] is True
    instance = cloud.launch(ImageId=added["image"], InstanceType="t4g.micro")
    assert instance["ImageId"] == added["image"]


def test_an_image_is_registered_with_the_files_of_a_root_snapshot(cloud: Cloud) -> None:
    instance = cloud.launch(UserData=WRITES)
    eventually(lambda: "done writing" in cloud.console(instance["InstanceId"]))
    ec2 = cloud.aws("ec2")
    volume = cloud.instance(instance["InstanceId"])["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}
    image = ec2.register_image(
        Name="of-a-snapshot",
        Architecture="x86_64",
        VirtualizationType="hvm",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[mapping],
    )["ImageId"]
    seen = describe(cloud, image)["BlockDeviceMappings"][0]
    assert (seen["DeviceName"], seen["Ebs"]["SnapshotId"]) == ("/dev/xvda", snapshot)
    eventually((cloud.home.images / image / "opt/made").exists)
    assert refused(ec2.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    eventually(lambda: not (cloud.home.images / snapshot).exists())


def test_an_instance_of_a_surrogate_volume_says_that_it_has_no_files(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    volume = ec2.create_volume(Size=8, AvailabilityZone="us-east-1a")["VolumeId"]
    mapping = {
        "DeviceName": "/dev/xvda",
        "Ebs": {"SnapshotId": ec2.create_snapshot(VolumeId=volume)["SnapshotId"]},
    }
    image = ec2.register_image(
        Name="surrogate", RootDeviceName="/dev/xvda", BlockDeviceMappings=[mapping]
    )["ImageId"]
    instance = cloud.launch(ImageId=image)["InstanceId"]
    eventually(lambda: "is of a data volume: it has no files here" in cloud.console(instance))


def test_an_image_of_an_instance_requires_tokens_as_its_source_does(cloud: Cloud) -> None:
    instance = cloud.launch()["InstanceId"]
    image = cloud.aws("ec2").create_image(InstanceId=instance, Name="keeps-tokens")["ImageId"]
    assert describe(cloud, image)["ImdsSupport"] == "v2.0"
    assert describe(cloud, image)["BootMode"] == "uefi-preferred"
