"""What an AMI says beside its files: deprecation, protection, IMDS support, boot mode."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.patches.ec2 import image_settings, images, registered
from tests.patched_moto import moto, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.patched_moto import PatchedMoto

NUMBERS = itertools.count()
UNKNOWN = "ami-0123456789abcdef0"


@pytest.fixture(scope="module")
def aws() -> Iterator[PatchedMoto]:
    with moto(images, image_settings, registered, speed=1) as running:
        yield running


def register(aws: PatchedMoto, **more: Any) -> str:
    named = {"Name": f"made-{next(NUMBERS)}"} | more
    return str(aws.aws("ec2").register_image(**named)["ImageId"])


def described(aws: PatchedMoto, image: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.aws("ec2").describe_images(ImageIds=[image])["Images"][0]
    return found


def ahead(**time: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(**time)


def test_an_image_is_deprecated_at_the_nearest_minute_and_no_more(aws: PatchedMoto) -> None:
    ec2, image = aws.aws("ec2"), register(aws)
    at = ahead(days=90).replace(second=40)
    assert ec2.enable_image_deprecation(ImageId=image, DeprecateAt=at)["Return"] is True
    nearest = at.replace(second=0) + dt.timedelta(minutes=1)
    assert described(aws, image)["DeprecationTime"] == f"{nearest:%Y-%m-%dT%H:%M:00.000Z}"
    assert ec2.disable_image_deprecation(ImageId=image)["Return"] is True
    assert "DeprecationTime" not in described(aws, image)


@pytest.mark.parametrize("at", [ahead(days=-1), ahead(days=3700)])
def test_a_time_in_the_past_or_beyond_ten_years_is_refused(
    aws: PatchedMoto, at: dt.datetime
) -> None:
    image = register(aws)
    with refused("InvalidParameterValue", "DeprecateAt"):
        aws.aws("ec2").enable_image_deprecation(ImageId=image, DeprecateAt=at)


def test_every_change_of_an_image_needs_one_that_exists(aws: PatchedMoto) -> None:
    ec2 = aws.aws("ec2")
    gone = register(aws)
    ec2.deregister_image(ImageId=gone)
    for image, code in ((UNKNOWN, "InvalidAMIID.NotFound"), (gone, "InvalidAMIID.Unavailable")):
        for change in (
            ec2.disable_image_deprecation,
            ec2.enable_image_deregistration_protection,
            ec2.disable_image_deregistration_protection,
            ec2.deregister_image,
        ):
            with refused(code):
                change(ImageId=image)
        with refused(code):
            ec2.enable_image_deprecation(ImageId=image, DeprecateAt=ahead(days=1))


def test_a_protected_image_cannot_be_deregistered(aws: PatchedMoto) -> None:
    ec2, image = aws.aws("ec2"), register(aws)
    assert described(aws, image)["DeregistrationProtection"] == "disabled"
    protected = ec2.enable_image_deregistration_protection(ImageId=image)
    assert protected["Return"] == "enabled-without-cooldown"
    assert described(aws, image)["DeregistrationProtection"] == "enabled-without-cooldown"
    with refused("OperationNotPermitted", image):
        ec2.deregister_image(ImageId=image)
    assert ec2.disable_image_deregistration_protection(ImageId=image)["Return"] == "disabled"
    ec2.deregister_image(ImageId=image)


def test_the_protection_lasts_for_its_cooldown_after_it_is_turned_off(aws: PatchedMoto) -> None:
    ec2, image = aws.aws("ec2"), register(aws)
    ec2.enable_image_deregistration_protection(ImageId=image, WithCooldown=True)
    assert described(aws, image)["DeregistrationProtection"] == "enabled-with-cooldown"
    ec2.disable_image_deregistration_protection(ImageId=image)
    with refused("OperationNotPermitted"):
        ec2.deregister_image(ImageId=image)


def test_the_cooldown_passes_with_the_speed_of_the_cloud() -> None:
    with moto(images, image_settings, registered) as aws:
        ec2, image = aws.aws("ec2"), register(aws)
        ec2.enable_image_deregistration_protection(ImageId=image, WithCooldown=True)
        ec2.disable_image_deregistration_protection(ImageId=image)
        ec2.deregister_image(ImageId=image)


def test_a_registered_image_is_as_it_was_asked_for(aws: PatchedMoto) -> None:
    tags = [{"ResourceType": "image", "Tags": [{"Key": "App", "Value": "web"}]}]
    image = register(
        aws,
        Architecture="arm64",
        BootMode="uefi",
        ImdsSupport="v2.0",
        RootDeviceName="/dev/xvda",
        VirtualizationType="hvm",
        TagSpecifications=tags,
    )
    shown = described(aws, image)
    assert (shown["Architecture"], shown["BootMode"]) == ("arm64", "uefi")
    assert (shown["ImdsSupport"], shown["RootDeviceName"]) == ("v2.0", "/dev/xvda")
    assert (shown["VirtualizationType"], shown["Tags"]) == ("hvm", tags[0]["Tags"])
    with refused("InvalidAMIName.Duplicate"):
        register(aws, Name=shown["Name"])


def test_an_image_is_registered_from_a_snapshot_that_exists(aws: PatchedMoto) -> None:
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}
    with refused("InvalidSnapshot.NotFound"):
        register(aws, RootDeviceName="/dev/xvda", BlockDeviceMappings=[mapping])


def test_the_imds_support_and_the_description_of_an_image_can_be_changed(
    aws: PatchedMoto,
) -> None:
    ec2, image = aws.aws("ec2"), register(aws)
    assert "ImdsSupport" not in described(aws, image)
    ec2.modify_image_attribute(ImageId=image, ImdsSupport={"Value": "v2.0"})
    ec2.modify_image_attribute(ImageId=image, Attribute="description", Value="of the team")
    assert described(aws, image)["ImdsSupport"] == "v2.0"
    assert described(aws, image)["Description"] == "of the team"
    asked = ec2.describe_image_attribute(ImageId=image, Attribute="imdsSupport")
    assert asked["ImdsSupport"] == {"Value": "v2.0"}
    with refused("InvalidParameterValue"):
        ec2.modify_image_attribute(ImageId=image, Attribute="imdsSupport", Value="v1.0")


@pytest.mark.parametrize(
    ("asked", "tokens", "hops"),
    [
        ({}, "required", 2),
        ({"HttpEndpoint": "enabled"}, "required", 2),
        ({"HttpTokens": "optional"}, "optional", 2),
        ({"HttpTokens": "optional", "HttpPutResponseHopLimit": 1}, "optional", 1),
    ],
)
def test_a_launch_requires_tokens_where_its_image_does_and_it_says_nothing_else(
    asked: dict[str, Any], tokens: str, hops: int
) -> None:
    class Image:
        imds_support = "v2.0"

    options = image_settings.metadata_options(Image(), asked)
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == (tokens, hops)
    assert image_settings.metadata_options(object(), asked) == asked
