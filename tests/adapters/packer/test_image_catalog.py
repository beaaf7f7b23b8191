from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.packer.image_catalog import ImageCatalog
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.image_records import ImageRecords
from pipeline.core.freshness import SETTLED
from pipeline.core.image import ImageStatus, Usage
from tests.aws.moto_account import amis, register
from tests.fakes import FakeSeconds, an_image

REGION = "us-east-1"


@pytest.fixture
def records(tmp_path: Path) -> ImageRecords:
    return ImageRecords(DirectoryStore(tmp_path / "state"), runs=lambda _: False)


def tagged(aws: Clients, image_id: str, **facts: str) -> str:
    register(aws, image_id, f"web-{image_id}")
    tags = {"app": "web", **facts}
    aws.ec2(REGION).create_tags(
        Resources=[image_id],
        Tags=[{"Key": f"ami-pipeline:{key}", "Value": value} for key, value in tags.items()],
    )
    return image_id


def listed(aws: Clients, records: ImageRecords) -> dict[str, tuple[str, tuple[Usage, ...]]]:
    found = ImageCatalog(aws, records, FakeSeconds()).images("web", REGION)
    return {image.id or image.bake: (str(image.status), uses) for image, uses in found}


def test_without_images_the_list_is_empty(aws: Clients, records: ImageRecords) -> None:
    assert listed(aws, records) == {}


def test_an_image_of_another_machine_is_known_by_its_tags(
    aws: Clients, records: ImageRecords
) -> None:
    tagged(aws, "ami-00000001", version="1.2.3", status="good", commit="abc", dirty="true")
    tagged(aws, "ami-00000002", app="other")
    [(image, uses)] = ImageCatalog(aws, records, FakeSeconds()).images("web", REGION)
    assert (image.id, image.version, image.status) == ("ami-00000001", "1.2.3", ImageStatus.GOOD)
    assert (image.commit, image.dirty, uses) == ("abc", True, ())


def test_an_unknown_status_counts_as_baking(aws: Clients, records: ImageRecords) -> None:
    tagged(aws, "ami-00000001", status="splendid")
    assert listed(aws, records) == {"ami-00000001": ("baking", ())}


def test_the_store_adds_missing_images_and_aws_decides(aws: Clients, records: ImageRecords) -> None:
    tagged(aws, "ami-00000001", status="bad")
    for name, ids, status in (
        ("one", {REGION: "ami-00000001"}, ImageStatus.GOOD),
        ("deregistered", {REGION: "ami-00000009"}, ImageStatus.GOOD),
        ("cut off", {}, ImageStatus.LEFT),
        ("cleaned up", {}, ImageStatus.GONE),
    ):
        records.write(an_image(bake=name, name=name, region=REGION, ids=ids, status=status))
    assert listed(aws, records) == {
        "ami-00000001": ("bad", ()),
        "ami-00000009": ("gone", ()),
        "cut off": ("left", ()),
    }


@pytest.mark.parametrize(
    ("recorded", "tagged_as", "shown"),
    [
        (ImageStatus.QUARANTINED, "good", "quarantined"),
        (ImageStatus.GOOD, "quarantined", "quarantined"),
        (ImageStatus.QUARANTINED, "quarantined", "quarantined"),
        (ImageStatus.GOOD, "bad", "bad"),
    ],
)
def test_an_image_is_quarantined_if_either_its_record_or_its_tag_says_so(
    aws: Clients, records: ImageRecords, recorded: ImageStatus, tagged_as: str, shown: str
) -> None:
    """A rollback writes both, and one of the two writes may have failed."""
    tagged(aws, "ami-00000001", status=tagged_as)
    records.write(an_image(region=REGION, ids={REGION: "ami-00000001"}, status=recorded))
    assert listed(aws, records) == {"ami-00000001": (shown, ())}
    [known] = ImageCatalog(aws, records, FakeSeconds()).known("web", REGION)
    assert known.status == shown


@pytest.mark.parametrize("visible", [["app"], [], ["app", "status"]])
def test_a_tag_that_is_not_visible_yet_does_not_overrule_the_record(
    aws: Clients, records: ImageRecords, visible: list[str]
) -> None:
    tags = {key: {"app": "web", "status": "good"}[key] for key in visible}
    register(aws, "ami-00000004", "web-4.0.0")
    if tags:
        named = [{"Key": f"ami-pipeline:{key}", "Value": value} for key, value in tags.items()]
        aws.ec2(REGION).create_tags(Resources=["ami-00000004"], Tags=named)  # type: ignore[arg-type]
    image = an_image(region=REGION, ids={REGION: "ami-00000004"}, version="4.0.0")
    records.write(image.with_status(ImageStatus.GOOD))
    [known] = ImageCatalog(aws, records, FakeSeconds()).known("web", REGION)
    assert (known.id, known.version, known.status) == ("ami-00000004", "4.0.0", ImageStatus.GOOD)


def test_only_an_image_that_was_baked_a_moment_ago_is_asked_for_again(
    aws: Clients, records: ImageRecords
) -> None:
    old = an_image(region=REGION, ids={REGION: "ami-00000008"}, status=ImageStatus.GOOD)
    records.write(old)
    clock = FakeSeconds()
    catalog = ImageCatalog(aws, records, clock)
    assert [image.status for image in catalog.known("web", REGION)] == [ImageStatus.GONE]
    assert clock.time == 0.0
    now = datetime.now(UTC).isoformat()
    records.write(replace(old, bake="new", created=now, ids={REGION: "ami-00000009"}))
    sleep = clock.sleep

    def appear(seconds: float) -> None:
        sleep(seconds)
        if clock.time >= 6 and "ami-00000009" not in amis(REGION):
            register(aws, "ami-00000009", "web-new")

    clock.sleep = appear  # type: ignore[method-assign]
    statuses = {image.id: image.status for image in catalog.known("web", REGION)}
    assert statuses == {"ami-00000008": ImageStatus.GONE, "ami-00000009": ImageStatus.GOOD}
    assert 6 <= clock.time < SETTLED


def template(aws: Clients, name: str, *images: str) -> None:
    first, *later = images
    ec2 = aws.ec2(REGION)
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": first})
    for image in later:
        ec2.create_launch_template_version(
            LaunchTemplateName=name, LaunchTemplateData={"ImageId": image}
        )


def group(aws: Clients, name: str, size: int, **changes: Any) -> None:
    create: Any = aws.autoscaling(REGION).create_auto_scaling_group
    create(
        AutoScalingGroupName=name,
        MinSize=size,
        MaxSize=size,
        AvailabilityZones=[f"{REGION}a"],
        **changes,
    )


def test_the_uses_of_an_image_are_listed(aws: Clients, records: ImageRecords) -> None:
    one, two, three = (tagged(aws, f"ami-0000000{number}") for number in (1, 2, 3))
    template(aws, "web", one, two, three)
    group(aws, "fixed", 0, LaunchTemplate={"LaunchTemplateName": "web", "Version": "2"})
    group(aws, "newest", 0, LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"})
    aws.ec2(REGION).run_instances(ImageId=one, MinCount=1, MaxCount=1)
    uses = {image: used for image, (_, used) in listed(aws, records).items()}
    assert [(use.kind, use.name) for use in uses[one]][:1] == [("launch template", "web")]
    assert uses[one][1].kind == "instance"
    assert uses[two] == (Usage(kind="group", name="fixed"),)
    assert uses[three] == (
        Usage(kind="launch template", name="web"),
        Usage(kind="group", name="newest"),
    )


def test_all_launch_templates_are_read_by_one_call_and_an_earlier_version_by_one_more(
    aws: Clients, records: ImageRecords
) -> None:
    one, two, three = (tagged(aws, f"ami-0000000{number}") for number in (1, 2, 3))
    for name in ("a-web", "b-web", "c-web"):
        template(aws, name, one, two, three)
    aws.ec2(REGION).modify_launch_template(LaunchTemplateName="c-web", DefaultVersion="2")
    for name, version in (("x", "2"), ("y", "1"), ("z", "3")):
        group(aws, name, 0, LaunchTemplate={"LaunchTemplateName": "b-web", "Version": version})
    group(aws, "w", 0, LaunchTemplate={"LaunchTemplateName": "c-web", "Version": "$Default"})
    calls: list[object] = []
    event = "before-parameter-build.ec2.DescribeLaunchTemplateVersions"
    aws.ec2(REGION).meta.events.register(event, lambda params, **_: calls.append(dict(params)))
    uses = {image: used for image, (_, used) in listed(aws, records).items()}
    groups = {image: {u.name for u in used if u.kind == "group"} for image, used in uses.items()}
    assert groups == {one: {"y"}, two: {"w", "x"}, three: {"z"}}
    assert calls == [
        {"Versions": ["$Latest", "$Default"], "MaxResults": 200},
        {"LaunchTemplateName": "b-web", "MaxResults": 200},
    ]


def test_a_launch_configuration_is_not_the_template_of_its_name(
    aws: Clients, records: ImageRecords
) -> None:
    image = tagged(aws, "ami-00000001")
    template(aws, "web", image)
    aws.autoscaling(REGION).create_launch_configuration(
        LaunchConfigurationName="web", ImageId="ami-00000005", InstanceType="t3.micro"
    )
    group(aws, "configured", 0, LaunchConfigurationName="web")
    assert listed(aws, records)[image][1] == (Usage(kind="launch template", name="web"),)


def test_a_terminated_instance_is_not_a_use(aws: Clients, records: ImageRecords) -> None:
    image = tagged(aws, "ami-00000001")
    made = aws.ec2(REGION).run_instances(ImageId=image, MinCount=1, MaxCount=1)
    aws.ec2(REGION).terminate_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])
    assert listed(aws, records) == {image: ("baking", ())}


def test_a_group_of_mixed_instances_uses_its_templates_image(
    aws: Clients, records: ImageRecords
) -> None:
    image = tagged(aws, "ami-00000001")
    template(aws, "web", "ami-00000005", image)
    specification = {"LaunchTemplateName": "web", "Version": "2"}
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": specification}}
    group(aws, "mixed", 0, MixedInstancesPolicy=policy)
    assert Usage(kind="group", name="mixed") in listed(aws, records)[image][1]
