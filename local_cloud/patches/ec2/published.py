"""Publish images of the distributions that templates start from, in every region.

Each publisher names its account and the form of its names; a template takes the most recent image
of a name. moto has Amazon's current images, and of the others only some of 2017.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any

from moto.ec2.models.amis import Ami, AmiBackend

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
"""EC2's names, and those of Debian and Ubuntu."""

SDA, XVDA = "/dev/sda1", "/dev/xvda"
PUBLISHED = (
    # ubuntu.com/aws, "Find Ubuntu images on AWS"
    ("099720109477", SDA, "ubuntu/images/hvm-ssd/ubuntu-focal-20.04-{deb}-server-20250529"),
    ("099720109477", SDA, "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-{deb}-server-20260928"),
    ("099720109477", SDA, "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{deb}-server-20260928"),
    # wiki.debian.org/Cloud/AmazonEC2Image
    ("136693071363", XVDA, "debian-11-{deb}-20260812-2201"),
    ("136693071363", XVDA, "debian-12-{deb}-20260914-2234"),
    ("136693071363", XVDA, "debian-13-{deb}-20260914-2234"),
    # access.redhat.com/solutions/15356
    ("309956199498", SDA, "RHEL-8.10.0_HVM-20260721-{arch}-0-Hourly2-GP3"),
    ("309956199498", SDA, "RHEL-9.6.0_HVM-20260818-{arch}-0-Hourly2-GP3"),
    # rockylinux.org/download and almalinux.org/get-almalinux, AWS
    ("792107900819", SDA, "Rocky-9-EC2-Base-9.6-20260601.0.{arch}"),
    ("764336703387", XVDA, "AlmaLinux OS 9.6.20260522 {arch}"),
)


# DescribeImages finds the images of verified publishers by their account, and shows the alias
# `amazon` for them (EC2 User Guide, "Find an AMI that meets the requirements for your instance").
@patch(AmiBackend, "_load_amis")
def load_images(original: Callable[..., Any], backend: Any) -> None:
    """Load the images that moto has, and those of the distributions."""
    original(backend)
    if backend.amis:  # none are wanted otherwise
        backend.amis |= {each["ami_id"]: Ami(backend, **each) for each in images(backend)}


def images(backend: Any) -> Iterator[dict[str, Any]]:
    """Yield the fields of each published image in the region of a backend."""
    kinds = itertools.product(PUBLISHED, ARCHITECTURES.items())
    for (owner, device, form), (architecture, short) in kinds:
        name = form.format(arch=architecture, deb=short)
        digest = hashlib.sha256(f"{backend.region_name} {name}".encode()).hexdigest()
        yield {
            "ami_id": f"ami-0{digest[:16]}",
            "name": name,
            "description": name,
            "owner_id": owner,
            "owner_alias": "amazon",
            "architecture": architecture,
            "root_device_name": device,
            "root_device_type": "ebs",
            "virtualization_type": "hvm",
            "hypervisor": "xen",
            "image_type": "machine",
            "platform": None,
            "public": True,
            "state": "available",
            "sriov": "simple",
        }
