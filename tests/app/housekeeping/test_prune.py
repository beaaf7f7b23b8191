"""A whole prune on moto: what is read, asked, removed and said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local_cloud.patches import quotas
from local_cloud.patches.autoscaling import settings
from local_cloud.patches.ec2 import image_settings, images, recycle_bin, registered
from pipeline.cli.main import run
from tests.aws.moto_account import amis
from tests.patched_moto import PatchedMoto, moto

Captured = pytest.CaptureFixture[str]
HOME, AWAY = "us-east-1", "eu-west-1"
CONFIGURATION = f"""
app = "web"
region = "{HOME}"
[bake]
template = "app.pkr.hcl"
keep = 1
regions = ["{AWAY}"]
"""


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PatchedMoto]:
    (tmp_path / "app.pkr.hcl").touch()
    (tmp_path / "pipeline.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr("time.sleep", lambda _: None)
    modules = (images, image_settings, recycle_bin, registered, settings, quotas)
    with moto(*modules, speed=1) as running:
        yield running


def register(aws: PatchedMoto, number: int, region: str = HOME) -> tuple[str, str]:
    """Register a good image of the app; return its id and its snapshot."""
    ec2 = aws.aws("ec2", region)
    volume = ec2.create_volume(AvailabilityZone=f"{region}a", Size=1)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    mapping = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}
    image = ec2.register_image(
        Name=f"web-{number}", RootDeviceName="/dev/sda1", BlockDeviceMappings=[mapping]
    )["ImageId"]
    amis(region)[image].creation_date = datetime(2026, 1, number, tzinfo=UTC)
    facts = {"app": "web", "status": "good", "version": f"1.{number}.0"}
    tags = [{"Key": f"ami-pipeline:{key}", "Value": facts[key]} for key in facts]
    ec2.create_tags(Resources=[image, snapshot], Tags=tags)
    return image, snapshot


def of_account(aws: PatchedMoto, region: str = HOME) -> set[str]:
    ec2 = aws.aws("ec2", region)
    found = ec2.describe_images(Owners=["self"])["Images"]
    left = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    return {*(each["ImageId"] for each in found), *(each["SnapshotId"] for each in left)}


def plan(captured: Captured) -> dict[str, Any]:
    assert run(["--output", "json", "prune", "--plan"]) == 0
    found: dict[str, Any] = json.loads(captured.readouterr().out)
    return found


def reasons(captured: Captured) -> dict[str, list[str]]:
    return {each["ami_id"]: each["reasons"] for each in plan(captured)["keep"]}


def test_a_prune_removes_an_unused_image_with_its_copy_and_their_snapshots(
    aws: PatchedMoto, capsys: Captured
) -> None:
    old, copy = register(aws, 1), register(aws, 1, AWAY)
    new = register(aws, 2)
    assert run(["prune", "--plan"]) == 0
    text = capsys.readouterr().out
    assert f"{old[0]}  1.1.0" in text
    assert f"remove; its copy {copy[0]} in {AWAY}" in text
    assert text.endswith("to remove: 2 images and 2 snapshots; 1 images stay\n")
    assert {*old, *new} <= of_account(aws)
    assert run(["prune"]) == 3
    assert "confirmation needed, but stdin is not a terminal" in capsys.readouterr().err
    assert run(["prune", "--yes"]) == 0
    assert capsys.readouterr().out == "removed: 2 images and 2 snapshots\n"
    assert of_account(aws) & {*old, *new} == {*new}
    assert not of_account(aws, AWAY) & {*copy}
    assert run(["prune", "--yes"]) == 0
    assert "nothing to remove: 1 images stay" in capsys.readouterr().out


@pytest.mark.long
def test_what_others_use_stays_and_the_plan_says_why(aws: PatchedMoto, capsys: Captured) -> None:
    ec2, scaling = aws.aws("ec2"), aws.aws("autoscaling")
    launched, templated, configured, shared, protected, snapshot = (
        register(aws, number) for number in range(1, 7)
    )
    register(aws, 9)
    instance = ec2.run_instances(ImageId=launched[0], MinCount=1, MaxCount=1)["Instances"][0]
    template = {"LaunchTemplateName": "theirs", "LaunchTemplateData": {"ImageId": templated[0]}}
    ec2.create_launch_template(**template)
    configuration = {"LaunchConfigurationName": "older", "InstanceType": "t3.micro"}
    scaling.create_launch_configuration(**configuration, ImageId=configured[0])
    permission = {"Add": [{"UserId": "111111111111"}]}
    ec2.modify_image_attribute(ImageId=shared[0], LaunchPermission=permission)
    ec2.enable_image_deregistration_protection(ImageId=protected[0])
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot[1],
        Attribute="createVolumePermission",
        OperationType="add",
        UserIds=["222222222222"],
    )
    found = reasons(capsys)
    assert found[launched[0]] == [f"used by instance {instance['InstanceId']} in {HOME}"]
    assert found[templated[0]] == [f"used by launch template theirs in {HOME}"]
    assert found[configured[0]] == [f"used by launch configuration older in {HOME}"]
    assert found[shared[0]] == [f"shared with 111111111111 in {HOME}"]
    assert found[protected[0]] == [f"protected from deregistration in {HOME}"]
    assert found[snapshot[0]] == [f"shared with 222222222222 in {HOME}"]


@pytest.mark.long
def test_the_snapshots_of_an_image_in_the_recycle_bin_stay_with_it(
    aws: PatchedMoto, capsys: Captured
) -> None:
    aws.quotas.set({"recycle-bin-days": 7})
    old, _ = register(aws, 1), register(aws, 2)
    assert run(["prune", "--yes"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("removed: 1 image and 0 snapshots\nleft: ")
    assert f"{old[0]} in {HOME}: in the Recycle Bin until 20" in text
    assert text.endswith(f"with {old[1]}\n")
    assert old[1] in of_account(aws)
    assert plan(capsys)["remove_snapshots"] == []


@pytest.mark.long
def test_a_removal_that_fails_ends_with_the_remedy_and_what_was_removed(
    aws: PatchedMoto, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = register(aws, 1)
    register(aws, 2)
    ec2 = aws.aws("ec2")
    monkeypatch.setattr("pipeline.adapters.aws.images._protection", lambda _: "")
    ec2.enable_image_deregistration_protection(ImageId=old[0])
    assert run(["prune", "--yes"]) == 3
    said = capsys.readouterr().err
    assert f"The image '{old[0]}' may not be deregistered" in said
    assert "removed: 0 images and 0 snapshots" in said
    assert "disable-image-deregistration-protection" in said
    assert {*old} <= of_account(aws)


def test_a_document_that_cannot_be_read_refuses_the_prune(
    aws: PatchedMoto, capsys: Captured
) -> None:
    register(aws, 1)
    path = Path(".ami-pipeline/environments/staging.json")
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert run(["prune", "--yes"]) == 3
    assert "is damaged" in capsys.readouterr().err
