"""What a test puts into moto's account: AMIs with ids of its choice."""

from __future__ import annotations

from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from pipeline.adapters.aws.client import Clients


def register(clients: Clients, image_id: str, name: str, region: str = "us-east-1") -> str:
    """Register an AMI of our own under this id."""
    ec2 = clients.ec2(region)
    snapshot = ec2.create_snapshot(
        VolumeId=ec2.create_volume(AvailabilityZone=f"{region}a", Size=1)["VolumeId"]
    )["SnapshotId"]
    made = ec2.register_image(
        Name=name,
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
    there = amis(region)
    image = there.pop(made)
    image.id = image_id
    there[image_id] = image
    return image_id


def amis(region: str = "us-east-1") -> dict[str, Any]:
    """Return moto's own AMIs of a region, to spoil or count them."""
    found: dict[str, Any] = ec2_backends[DEFAULT_ACCOUNT_ID][region].amis
    return found
