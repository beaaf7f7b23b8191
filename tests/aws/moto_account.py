"""A moto account in this process: the fixture `aws`, and AMIs with ids of a test's choice.

moto has the shapes of AWS's responses and no behavior: no health checks, no traffic, no delays.
For a load balancer use the fixture `service` (`service.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial, partialmethod
from typing import TYPE_CHECKING, Any

from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami

from pipeline.adapters.aws import client
from pipeline.adapters.aws.client import Clients

if TYPE_CHECKING:
    import pytest


@cache
def made(make: Callable[[str, str], Any], service: str, region: str) -> Any:
    """Return a client that all tests of a worker share: making one takes as long as 20 calls."""
    return make(service, region)


@contextmanager
def moto_account(patch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Replace AWS by an empty moto account inside the block; yield clients of it."""
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Loading AWS's own images takes longer than any of these tests.
    patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    patch.setattr(Ami, "get_filter_value", partialmethod(_filter_value, Ami.get_filter_value))
    patch.setattr(client, "_make", partial(made, client._make))
    with mock_aws():
        yield Clients()


def _filter_value(
    ami: Any, original: Callable[..., Any], name: str, method: str | None = None
) -> Any:
    """Know EC2's filter for copies, which moto lacks; a test sets `source_image_id`."""
    if name == "source-image-id":
        return getattr(ami, "source_image_id", None)
    return original(ami, name, method)


def register(clients: Clients, image_id: str, name: str, region: str = "us-east-1") -> str:
    """Register an AMI of this account with this id."""
    ec2 = clients.ec2(region)
    snapshot = ec2.create_snapshot(
        VolumeId=ec2.create_volume(AvailabilityZone=f"{region}a", Size=1)["VolumeId"]
    )["SnapshotId"]
    made = ec2.register_image(
        Name=name,
        RootDeviceName="/dev/sda1",
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}],
    )["ImageId"]
    images = amis(region)
    image = images.pop(made)
    image.id = image_id
    images[image_id] = image
    return image_id


def amis(region: str = "us-east-1") -> dict[str, Any]:
    """Return moto's own objects of a region's AMIs, to change or count them."""
    found: dict[str, Any] = ec2_backends[DEFAULT_ACCOUNT_ID][region].amis
    return found
