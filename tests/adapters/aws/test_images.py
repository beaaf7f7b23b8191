from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.core.bake.model import ObservedImage, Source
from pipeline.core.errors import RefusedError
from tests.aws.moto_account import amis, register

REGION = "us-east-1"
OWNER = "123456789012"


@pytest.fixture
def images(aws: Clients) -> Ec2Images:
    return Ec2Images(aws)


def test_an_image_is_parsed(images: Ec2Images, aws: Clients) -> None:
    register(aws, "ami-00000001", "web-1")
    seen = images.find(REGION, "ami-00000001")
    assert seen is not None
    assert (seen.name, seen.state, seen.public) == ("web-1", "available", False)
    assert len(seen.snapshots) == 1
    assert seen.created.endswith("Z")


def test_a_missing_or_foreign_image_is_none(images: Ec2Images, aws: Clients) -> None:
    register(aws, "ami-00000001", "web-1")
    amis()["ami-00000001"].owner_id = "999999999999"
    assert images.find(REGION, "ami-00000001") is None
    assert images.named(REGION, "web-1") == ()
    assert images.find(REGION, "ami-00000002") is None


def test_an_image_of_any_owner_is_usable_if_it_is_available(
    images: Ec2Images, aws: Clients
) -> None:
    for number in (1, 2, 3):
        register(aws, f"ami-0000000{number}", f"web-{number}")
    amis()["ami-00000001"].owner_id = "999999999999"
    amis()["ami-00000002"].state = "failed"
    found = images.usable(REGION, [f"ami-0000000{number}" for number in (1, 2, 3, 4)])
    assert sorted(each.id for each in found) == ["ami-00000001", "ami-00000003"]
    assert images.usable(REGION, []) == ()


def test_an_image_of_our_own_that_is_not_good_is_no_source(images: Ec2Images, aws: Clients) -> None:
    for number, status in ((1, "good"), (2, "quarantined")):
        image_id = register(aws, f"ami-0000000{number}", f"base-{number}")
        amis()[image_id].creation_date = datetime(2026, 1, number)  # noqa: DTZ001 - moto's are naive
        seen = images.find(REGION, image_id)
        assert seen is not None
        images.tag(seen, {"ami-pipeline:status": status})
    newest = Source(id="", owner="self", name="base-*")
    assert images.resolve(newest, REGION) == "ami-00000001"
    with pytest.raises(RefusedError, match="was baked by ami-pipeline and is quarantined"):
        images.resolve(Source(id="ami-00000002", owner="", name=""), REGION)
    with pytest.raises(RefusedError, match="1 that ami-pipeline baked are not good"):
        images.resolve(Source(id="", owner="self", name="base-2*"), REGION)


def test_only_tags_of_these_values_are_removed_from_the_image_and_its_snapshots(
    images: Ec2Images, aws: Clients
) -> None:
    register(aws, "ami-00000001", "web-1")
    seen = images.find(REGION, "ami-00000001")
    assert seen is not None
    images.tag(seen, {"Name": "baking web-1", "ami-pipeline:bake": "web-1", "Team": "shop"})
    own: Any = [{"Key": "Name", "Value": "golden"}]
    aws.ec2(REGION).create_tags(Resources=list(seen.snapshots), Tags=own)
    images.untag(seen, {"Name": "baking web-1", "ami-pipeline:bake": "web-1"})
    after = images.find(REGION, "ami-00000001")
    assert after is not None
    assert after.tags == {"Team": "shop"}
    [snapshot] = aws.ec2(REGION).describe_snapshots(SnapshotIds=list(seen.snapshots))["Snapshots"]
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert tags == {"Name": "golden", "Team": "shop"}


def test_a_name_is_not_a_pattern(images: Ec2Images, aws: Clients) -> None:
    register(aws, "ami-00000001", "web-1")
    register(aws, "ami-00000002", "web-10")
    assert [image.id for image in images.named(REGION, "web-1")] == ["ami-00000001"]
    assert images.named(REGION, "web-*") == ()


def test_images_are_found_by_all_their_tags_newest_first(images: Ec2Images, aws: Clients) -> None:
    for number in (1, 2, 3):
        image_id = register(aws, f"ami-0000000{number}", f"web-{number}")
        amis()[image_id].creation_date = datetime(2026, 1, number)  # noqa: DTZ001 - moto's are naive
        tags = {"a": "1"} if number == 2 else {"a": "1", "b": "2"}
        seen = images.find(REGION, image_id)
        assert seen is not None
        images.tag(seen, tags)
    found = images.owned(REGION, {"a": "1", "b": "2"})
    assert [image.id for image in found] == ["ami-00000003", "ami-00000001"]


def test_tags_go_on_the_image_and_its_snapshots(images: Ec2Images, aws: Clients) -> None:
    register(aws, "ami-00000001", "web-1")
    seen = images.find(REGION, "ami-00000001")
    assert seen is not None
    images.tag(seen, {"Team": "shop"})
    again = images.find(REGION, "ami-00000001")
    assert again is not None
    assert again.tags == {"Team": "shop"}
    [snapshot] = aws.ec2(REGION).describe_snapshots(SnapshotIds=list(seen.snapshots))["Snapshots"]
    assert snapshot["Tags"] == [{"Key": "Team", "Value": "shop"}]


def test_an_image_is_deleted_with_its_snapshots_and_may_be_deleted_twice(
    images: Ec2Images, aws: Clients
) -> None:
    register(aws, "ami-00000001", "web-1")
    seen = images.find(REGION, "ami-00000001")
    assert seen is not None
    images.remove(seen)
    images.remove(seen)
    assert images.find(REGION, "ami-00000001") is None
    with pytest.raises(ClientError, match="InvalidSnapshot"):
        aws.ec2(REGION).describe_snapshots(SnapshotIds=list(seen.snapshots))


def test_a_source_by_id_is_that_image(images: Ec2Images, aws: Clients) -> None:
    register(aws, "ami-00000001", "base")
    assert images.resolve(Source(id="ami-00000001"), REGION) == "ami-00000001"


def test_a_source_by_name_is_the_owners_newest(images: Ec2Images, aws: Clients) -> None:
    for number in (1, 3, 2):
        image_id = register(aws, f"ami-0000000{number}", f"base-{number}")
        amis()[image_id].creation_date = datetime(2026, 1, number)  # noqa: DTZ001 - moto's are naive
    foreign = register(aws, "ami-00000009", "base-9")
    amis()[foreign].owner_id = "999999999999"
    amis()[foreign].creation_date = datetime(2026, 2, 1)  # noqa: DTZ001 - moto's are naive
    assert images.resolve(Source(owner=OWNER, name="base-*"), REGION) == "ami-00000003"


NO_SOURCE: list[Any] = [
    (Source(id="ami-00000009"), "there is no image ami-00000009 in us-east-1", "--image-ids"),
    (Source(owner=OWNER, name="nope*"), f"{OWNER} has no such image in us-east-1", "--owners"),
    (Source(id="ami-00000002"), "ami-00000002 is pending in us-east-1", "[bake.source]"),
    (
        Source(owner=OWNER, name="twin"),
        "ambiguous: ami-00000003 (twin) and ami-00000004 (twin) match and are equally new",
        "make the name more specific",
    ),
]


@pytest.mark.parametrize(("source", "what", "remedy"), NO_SOURCE)
def test_a_missing_or_ambiguous_source_is_an_error(
    images: Ec2Images, aws: Clients, source: Source, what: str, remedy: str
) -> None:
    register(aws, "ami-00000002", "pending")
    amis()["ami-00000002"].state = "pending"
    for image_id in ("ami-00000003", "ami-00000004"):
        register(aws, image_id, "twin")
        amis()[image_id].creation_date = datetime(2026, 1, 1)  # noqa: DTZ001 - moto's are naive
    with pytest.raises(RefusedError) as told:
        images.resolve(source, REGION)
    assert told.value.where.startswith("[bake.source] ")
    assert what in told.value.what
    assert remedy in told.value.remedy


def test_the_images_of_a_bake_are_found_by_name_tag_and_instance(
    images: Ec2Images, aws: Clients
) -> None:
    ec2 = aws.ec2(REGION)
    launched = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
    instance = launched["Instances"][0]["InstanceId"]
    made = ec2.create_image(InstanceId=instance, Name="intermediate")["ImageId"]
    named = register(aws, "ami-00000001", "golden-web-1-abc-2026")
    tagged = register(aws, "ami-00000002", "any")
    register(aws, "ami-00000003", "web-1-ab")
    ec2.create_tags(Resources=[tagged], Tags=[{"Key": "ami-pipeline:bake", "Value": "web-1-abc"}])

    found = images.of_bake(REGION, "web-1-abc", (instance,))

    assert {image.id for image in found} == {named, tagged, made}
    assert {image.id for image in images.of_bake(REGION, "web-1-abc", ())} == {named, tagged}


def intermediate(images: Ec2Images, aws: Clients) -> tuple[str, ObservedImage]:
    """Return an instance, and an image that was created from it."""
    ec2 = aws.ec2(REGION)
    launched = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
    instance = launched["Instances"][0]["InstanceId"]
    made = ec2.create_image(InstanceId=instance, Name="intermediate")["ImageId"]
    seen = images.find(REGION, made)
    assert seen is not None
    return instance, seen


def test_snapshots_of_a_deregistered_image_are_found_by_its_instance(
    images: Ec2Images, aws: Clients
) -> None:
    instance, seen = intermediate(images, aws)
    ec2 = aws.ec2(REGION)
    ec2.deregister_image(ImageId=seen.id)
    assert images.remove_snapshots(REGION, ("i-0000",)) == ()
    assert images.remove_snapshots(REGION, (instance,)) == seen.snapshots


def test_the_snapshots_of_an_image_that_is_pending_go_with_it(
    images: Ec2Images, aws: Clients
) -> None:
    _, seen = intermediate(images, aws)
    ec2 = aws.ec2(REGION)
    images.remove(replace(seen, state="pending", snapshots=()))
    kept = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert not {each["SnapshotId"] for each in kept} & set(seen.snapshots)


def test_copies_are_found_by_their_source_and_images_made_from_its_instances_are_none(
    images: Ec2Images, aws: Clients
) -> None:
    ec2 = aws.ec2(REGION)
    source = register(aws, "ami-00000001", "web-1")
    copy = register(aws, "ami-00000002", "copied")
    launched = ec2.run_instances(ImageId=source, MinCount=1, MaxCount=1)
    made = ec2.create_image(InstanceId=launched["Instances"][0]["InstanceId"], Name="another")
    for image_id in (copy, made["ImageId"]):
        amis()[image_id].source_image_id = source
    assert [image.id for image in images.copies(REGION, [source])] == [copy]
    assert images.copies(REGION, []) == ()
