"""Deregistered AMIs in the Recycle Bin."""

from __future__ import annotations

from local_cloud.patches.ec2 import image_settings, images, recycle_bin, registered
from tests.patched_moto import PatchedMoto, moto

DAY = 86400


def register(aws: PatchedMoto, name: str) -> str:
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}
    made = aws.aws("ec2").register_image(
        Name=name, RootDeviceName="/dev/xvda", BlockDeviceMappings=[mapping]
    )
    return str(made["ImageId"])


def test_a_deregistered_image_stays_in_the_recycle_bin_for_its_time() -> None:
    with moto(images, image_settings, recycle_bin, registered, speed=1) as aws:
        ec2 = aws.aws("ec2")
        gone, kept = register(aws, "gone"), register(aws, "kept")
        ec2.deregister_image(ImageId=gone)
        aws.quotas.set({"recycle-bin-days": 2})
        ec2.deregister_image(ImageId=kept)
        (found,) = ec2.list_images_in_recycle_bin()["Images"]
        assert (found["ImageId"], found["Name"]) == (kept, "kept")
        stay = found["RecycleBinExitTime"] - found["RecycleBinEnterTime"]
        assert stay.total_seconds() == 2 * DAY
        assert ec2.list_images_in_recycle_bin(ImageIds=[gone])["Images"] == []
        assert ec2.describe_images(ImageIds=[], Owners=["self"])["Images"] == []
