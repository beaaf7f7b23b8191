"""The public images that templates start from, asked for as templates do."""

from __future__ import annotations

import fnmatch
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.patches.ec2 import image_settings, images, published
from local_cloud.patches.ec2.publishers import IMAGES
from local_cloud.patches.ssm import parameters
from local_cloud.published_images import NAME, PublishedImage, added
from tests.patched_moto import moto, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.patched_moto import PatchedMoto

UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu"
WINDOWS = "Windows_Server"
PARAMETERS = [
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
    "/aws/service/canonical/ubuntu/server/jammy/stable/current/arm64/hvm/ebs-gp2/ami-id",
    "/aws/service/debian/release/12/latest/amd64",
    "/aws/service/debian/release/trixie/latest/arm64",
    "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id",
    "/aws/service/eks/optimized-ami/1.32/amazon-linux-2-arm64/recommended/image_id",
    "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-arm64-gp2",
    "/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base",
]
FILTERS = [
    ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*", "20260731"),
    ("099720109477", "ubuntu/images/*ubuntu-noble-24.04-arm64-server-*", "20260923"),
    ("099720109477", f"{UBUNTU}-resolute-26.04-amd64-server-*", "20261003"),
    ("099720109477", f"{UBUNTU}-questing-25.10-amd64-server-*", "20260701"),
    ("099720109477", "ubuntu-minimal/images/*/ubuntu-noble-24.04-amd64-minimal-*", "20260923"),
    ("136693071363", "debian-12-amd64-*", "20261006-2623"),
    ("136693071363", "debian-13-arm64-*", "20260914-2601"),
    ("136693071363", "debian-13-*amd64*", "debian-13-amd64-20260914-2601"),
    ("309956199498", "RHEL-9*_HVM*x86_64*", "RHEL-9.8.0_HVM-20260908"),
    ("309956199498", "RHEL-10*_HVM-*-arm64-*-Hourly2-GP3", "RHEL-10.2.0_HVM-20260908-arm64"),
    ("792107900819", "Rocky-9-EC2-Base-9.*x86_64*", "9.8-20260525.0.x86_64"),
    ("792107900819", "Rocky-10-EC2-Base-10.*aarch64", "10.2-20260525.0.aarch64"),
    ("764336703387", "AlmaLinux OS 9*x86_64*", "9.8.20261005 x86_64"),
    ("764336703387", "AlmaLinux OS 10.*aarch64", "10.2.20260817.0 aarch64"),
    ("602401143452", "amazon-eks-node-al2023-x86_64-standard-1.34-v*", "v20260930"),
    ("602401143452", "amazon-eks-node-1.32-v*", "v20251120"),
    ("602401143452", "amazon-eks-arm64-node-1.32-v*", "v20251120"),
    ("801119661308", f"{WINDOWS}-2019-English-Full-Base-*", "2026.09.17"),
    ("801119661308", f"{WINDOWS}-2022-English-Core-Base-*", "2026.09.17"),
    ("801119661308", f"{WINDOWS}-2022-English-Full-ECS_Optimized-*", "2026.09.17"),
    ("801119661308", f"{WINDOWS}-2025-English-Full-Base-*", "2026.09.17"),
]


def newest(owner: str, name: str) -> PublishedImage:
    """The image that `most_recent` chooses."""
    found = [
        each for each in IMAGES if each.owner == owner and fnmatch.fnmatchcase(each.name, name)
    ]
    return max(found, key=lambda each: published.published(each.name))


@pytest.mark.parametrize(("owner", "name", "chosen"), FILTERS)
def test_a_template_finds_the_newest_image_of_each_publisher(
    owner: str, name: str, chosen: str
) -> None:
    assert chosen in newest(owner, name).name


def test_no_two_images_of_a_publisher_have_one_time_or_one_id() -> None:
    times = {(each.owner, published.published(each.name)) for each in IMAGES}
    assert len(times) == len(IMAGES)
    assert len({published.image_id("us-east-1", each) for each in IMAGES}) == len(IMAGES)
    assert all(NAME.fullmatch(each.name) for each in IMAGES)


def test_a_public_parameter_names_one_image() -> None:
    parameters = list(itertools.chain.from_iterable(each.parameters for each in IMAGES))
    assert len(set(parameters)) == len(parameters)


def test_an_image_with_the_whole_system_is_newer_than_a_minimal_one_of_its_day() -> None:
    names = [
        "al2023-ami-minimal-2023.12.20260930.0-kernel-6.18-x86_64",
        "al2023-ami-2023.12.20260930.0-kernel-6.1-x86_64",
        "al2023-ami-2023.12.20260930.0-kernel-6.18-x86_64",
    ]
    times = [published.published(name) for name in names]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("owner", "name", "problem"),
    [
        ("acme", "acme-base", "'acme' is neither an account of 12 digits nor amazon,"),
        ("12345678901", "acme-base", "neither an account"),
        ("210987654321", "acme*", "cannot be the whole name of an image"),
        ("210987654321", "ab", "3 to 128 letters"),
    ],
)
def test_an_image_that_cannot_exist_is_not_added(owner: str, name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("*", r"\*")):
        added(owner=owner, name=name)


@pytest.fixture(scope="module")
def aws() -> Iterator[PatchedMoto]:
    with moto(images, image_settings, published, parameters, images=True) as running:
        yield running


def described(aws: PatchedMoto, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.aws("ec2").describe_images(**asked)["Images"]
    return found


def test_a_public_parameter_names_an_image_that_is_there(aws: PatchedMoto) -> None:
    found = aws.aws("ssm").get_parameters(Names=PARAMETERS)
    assert found["InvalidParameters"] == []
    values = {each["Value"] for each in found["Parameters"]}
    assert {each["ImageId"] for each in described(aws, ImageIds=[*values])} == values
    assert len(values) == len(PARAMETERS)


def test_an_image_has_its_owners_alias_its_device_and_its_platform(aws: PatchedMoto) -> None:
    def shown(name: str) -> tuple[Any, ...]:
        filters = [{"Name": "name", "Values": [name]}, {"Name": "ena-support", "Values": ["true"]}]
        listed = described(aws, Owners=["amazon"], Filters=filters)
        found = max(listed, key=lambda each: str(each["CreationDate"]))
        keys = ("Architecture", "RootDeviceName", "BootMode", "ImdsSupport", "Platform")
        volume = found["BlockDeviceMappings"][0]["Ebs"]["VolumeType"]
        return (*(found.get(key) for key in keys), volume)

    assert shown("al2023-ami-2023.*-kernel-6.1-x86_64") == (
        *("x86_64", "/dev/xvda", "uefi-preferred", "v2.0", None),
        "gp3",
    )
    assert shown("amzn2-ami-hvm-2.0.*-x86_64-gp2") == (
        *("x86_64", "/dev/xvda", None, None, None),
        "gp2",
    )
    assert shown("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20260731") == (
        *("arm64", "/dev/sda1", "uefi", None, None),
        "gp2",
    )
    assert shown("Windows_Server-2022-English-Full-Base-2026.09.17")[4] == "windows"


def test_the_filters_of_templates_find_images(aws: PatchedMoto) -> None:
    filters = {
        "name": "amzn2-ami-hvm-*",
        "architecture": "x86_64",
        "block-device-mapping.volume-type": "gp2",
        "creation-date": "2026-09-*",
        "sriov-net-support": "simple",
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
    }
    asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
    (found,) = described(aws, Owners=["137112412989"], Filters=asked)
    assert found["Name"].startswith("amzn2-ami-hvm-2.0.2026")


def test_an_image_of_another_account_cannot_be_changed(aws: PatchedMoto) -> None:
    filters = [{"Name": "name", "Values": ["debian-12-amd64-20261006-2623"]}]
    (image,) = described(aws, Filters=filters)
    assert "DeregistrationProtection" not in image
    ec2 = aws.aws("ec2")
    for change in (ec2.disable_image_deprecation, ec2.deregister_image):
        with refused("AuthFailure", f"Not authorized for image:{image['ImageId']}"):
            change(ImageId=image["ImageId"])
