"""Publish the images that templates start from, in every region, and those that a user adds.

A template takes the most recent image of a name; the day is in the name.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend

from local_cloud.options import REGION
from local_cloud.patches.context import Context
from local_cloud.patches.ec2.publishers import IMAGES
from local_cloud.patches.patching import patch
from local_cloud.published_images import PublishedImage, added

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from local_cloud.cloud import Cloud

DAY = re.compile(r"(?<!\d)(20\d\d)([-.]?)(\d\d)\2(\d\d)(?!\d)")
KERNEL = re.compile(r"kernel-(\d+)\.(\d+)")
OLDEST = dt.datetime(2017, 1, 1)  # noqa: DTZ001  moto's times have no zone


# DescribeImages finds the images of verified publishers by their account, and shows the alias
# `amazon` for them (EC2 User Guide, "Find an AMI that meets the requirements for your instance").
@patch(AmiBackend, "_load_amis")
def load_images(context: Context, original: Callable[..., Any], backend: Any) -> None:
    """Load the images that moto has, those of the publishers, and those that were added."""
    original(backend)
    if backend.amis:  # none are wanted otherwise
        for image in (*IMAGES, *context.cloud.added_images):
            add(backend, image)


def add_everywhere(cloud: Cloud, lock: AbstractContextManager[Any], body: Any) -> dict[str, Any]:
    """Publish the image that a user describes, in every region, as long as the cloud runs."""
    image = added(**body)
    with lock:
        if image not in cloud.added_images:
            cloud.added_images.append(image)
        for regions in list(ec2_backends.values()):
            for backend in list(regions.values()):
                add(backend, image)
    return {
        "owner": image.owner,
        "name": image.name,
        "architecture": image.architecture,
        "region": REGION,
        "image": image_id(REGION, image),
    }


def add(backend: Any, image: PublishedImage) -> None:
    """Publish an image in the region of a backend; it has the same id each time."""
    fields = described(backend.region_name, image)
    own = image.owner == backend.account_id
    backend.amis.setdefault(fields["ami_id"], Ami(backend, **fields, public=not own))


def image_id(region: str, image: PublishedImage) -> str:
    """Return the id of a published image in a region."""
    text = f"{region} {image.owner} {image.name} {image.architecture}"
    return f"ami-0{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def described(region: str, image: PublishedImage) -> dict[str, Any]:
    """Return the fields of a published image, as moto names them."""
    return {
        "ami_id": image_id(region, image),
        "name": image.name,
        "description": image.name,
        "owner_id": image.owner,
        "owner_alias": image.alias,
        "architecture": image.architecture,
        "creation_date": published(image.name, without=dt.datetime.now(dt.UTC)),
        "root_device_name": image.device,
        "root_device_type": "ebs",
        "virtualization_type": "hvm",
        "hypervisor": "xen",
        "image_type": "machine",
        "platform": image.platform,
        "state": "available",
        "sriov": "simple",
    }


# CreationDate is when an image was made (EC2 API Reference, Image), and templates take the most
# recent one. moto's images of Amazon and Canonical all have the time at which moto began. No two
# images of a day have one time, so that the most recent one is certain; of two kernels the newer is
# published later, and a standard image later than a minimal one or one with backports.
def published(name: str, *, without: dt.datetime = OLDEST) -> dt.datetime:
    """Return the time of a published image, by the day in its name; `without` if it has none."""
    for year, _, month, day in DAY.findall(name):
        with contextlib.suppress(ValueError):
            midnight = dt.datetime(int(year), int(month), int(day))  # noqa: DTZ001  moto's have no zone
            return midnight + time_of_day(name)
    return without.replace(tzinfo=None)


def time_of_day(name: str) -> dt.timedelta:
    """Return when a publisher publishes this kind of image."""
    kernel = KERNEL.search(name)
    version = int(kernel[1]) * 30 + int(kernel[2]) if kernel else 0
    hours = 6 if "minimal" in name or "backports" in name else 14
    chosen = int(hashlib.sha256(name.encode()).hexdigest(), 16) % (60 if kernel else 18_000)
    return dt.timedelta(hours=hours, minutes=version, seconds=chosen)
