"""Real Packer against the local cloud, as a user runs it."""

from __future__ import annotations

import concurrent.futures
import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import running_cloud
from tests.running_cloud import baked, eventually

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

TEMPLATE = Path(__file__).with_name("app.pkr.hcl")


def bake(cloud: Cloud, name: str, source: str = "", **more: str) -> str:
    origin = source or cloud.base_image()
    image = baked(cloud.packer(TEMPLATE, ami_name=name, source=origin, **more))
    # At this speed an image is available before the last file is copied; a launch waits for it.
    version = cloud.home.images / image / "opt/app/VERSION"
    eventually(lambda: version.is_file() and version.read_text() == f"{name}\n")
    return image


def ask(address: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://{address}:8080/", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def service_of(cloud: Cloud, image: str, **more: Any) -> dict[str, Any]:
    instance = cloud.launch(ImageId=image, **more)
    described = cloud.instance(instance["InstanceId"])
    return eventually(lambda: ask(described["PrivateIpAddress"]))


@pytest.mark.long
@pytest.mark.parametrize("transfer", ["scp", "sftp"])
def test_a_baked_image_boots_its_service_with_file_modes_kept(cloud: Cloud, transfer: str) -> None:
    image = bake(cloud, f"booted-{transfer}", transfer=transfer)
    assert service_of(cloud, image)["version"] == f"booted-{transfer}"
    assert (cloud.home.images / image / "opt/app/server.py").stat().st_mode & 0o777 == 0o755


@pytest.mark.long
def test_an_image_of_an_image_has_the_files_of_both(cloud: Cloud) -> None:
    first = bake(cloud, "first")
    (cloud.home.images / first / "opt/kept").write_text("from the first\n")
    second = bake(cloud, "second", first)
    assert service_of(cloud, second)["version"] == "second"
    assert (cloud.home.images / second / "opt/kept").read_text() == "from the first\n"


@pytest.mark.long
def test_six_bakes_at_once_succeed(cloud: Cloud) -> None:
    source = cloud.base_image()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        images = list(pool.map(lambda n: bake(cloud, f"six-{n}", source), range(6)))
    versions = {(cloud.home.images / i / "opt/app/VERSION").read_text() for i in images}
    assert versions == {f"six-{n}\n" for n in range(6)}


@pytest.mark.long
def test_user_data_is_there_before_the_service_starts(cloud: Cloud) -> None:
    image = bake(cloud, "greets")
    script = "#!/bin/sh\necho GREETING=hello >/etc/app.env\n"
    assert service_of(cloud, image, UserData=script)["greeting"] == "hello"


@pytest.mark.long
def test_packer_leaves_no_instance_key_or_group_behind(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")

    def made() -> list[str]:
        keys, groups = ec2.describe_key_pairs(), ec2.describe_security_groups()
        return [
            *(each["KeyName"] for each in keys["KeyPairs"]),
            *(each["GroupName"] for each in groups["SecurityGroups"]),
        ]

    before = made()
    bake(cloud, "tidy")
    assert made() == before
    described = ec2.describe_images(Filters=[{"Name": "name", "Values": ["tidy"]}])["Images"][0]
    snapshot = described["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    tags = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["Tags"]
    assert {"Key": "Version", "Value": "tidy"} in tags


def only(folder: Path) -> list[Path]:
    """The one entry of a folder; nothing while there are others."""
    entries = list(folder.iterdir())
    return entries if len(entries) == 1 else []


@pytest.mark.long
@pytest.mark.parametrize("isolation", ["plain", "user-namespaces"])
def test_weaker_isolation_bakes_and_boots_the_same_template(tmp_path: Path, isolation: str) -> None:
    with running_cloud.a_cloud(tmp_path / "cloud", isolation=isolation) as weaker:
        image = bake(weaker, "weaker")
        assert service_of(weaker, image)["version"] == "weaker"
        # The build's instance is terminated, its directory goes a moment later.
        (gone,) = eventually(lambda: only(weaker.home.instances))
        weaker.aws("ec2").terminate_instances(InstanceIds=[gone.name])
        eventually(lambda: not gone.exists())
