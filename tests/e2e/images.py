"""Images with the sample application that no Packer bakes: a script installs it at the first boot.

Ten times as fast as a bake. For tests that need images to deploy, and not how they were made.
"""

from __future__ import annotations

import base64
import io
import tarfile
from typing import TYPE_CHECKING

from tests.e2e.project import REPOSITORY
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.running_cloud import Cloud

PROVISION = REPOSITORY / "packer/provision"
BOOTED = 120.0
"""Seconds on a loaded machine."""


def installed_images(cloud: Cloud, versions: Sequence[str], then: str = "") -> list[str]:
    """Return an image for each version, tagged as a bake does, with the application enabled.

    `then` are shell commands that change what was installed.
    """
    ec2 = cloud.aws("ec2")
    scripts = [_script(each, then) for each in versions]
    instances = [cloud.launch(UserData=each)["InstanceId"] for each in scripts]
    images = []
    for instance, version in zip(instances, versions, strict=True):
        eventually(lambda: f"installed web {version}" in cloud.console(instance), BOOTED)  # noqa: B023  called at once
        made = ec2.create_image(InstanceId=instance, Name=f"web-{version}", NoReboot=True)
        images.append(str(made["ImageId"]))
        mark_baked(cloud, images[-1], version)
    eventually(lambda: _available(cloud, images), BOOTED)
    ec2.terminate_instances(InstanceIds=instances)
    return images


def mark_baked(cloud: Cloud, image: str, version: str) -> None:
    """Tag an image as a bake of the application does."""
    tags = {"app": "web", "version": version, "status": "good", "bake": f"b{version}"}
    given = [{"Key": f"ami-pipeline:{key}", "Value": value} for key, value in tags.items()]
    cloud.aws("ec2").create_tags(Resources=[image], Tags=given)


def _script(version: str, then: str) -> str:
    """Return user data that runs the sample's own installation script."""
    return f"""#!/bin/sh
set -eu
mkdir -p "${{ROOT:-}}/tmp"
base64 -d <<END | tar -xz -C "${{ROOT:-}}/tmp"
{_archive()}
END
APP=web VERSION={version} PORT=8080 sh "${{ROOT:-}}/tmp/install.sh" >"${{ROOT:-}}/tmp/installed"
{then}
cat "${{ROOT:-}}/tmp/installed"
"""


def _archive() -> str:
    """Return the application and its installation script, compressed: user data may have 16 KB."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("unit", "install.sh"):
            archive.add(PROVISION / name, name)
    return base64.encodebytes(packed.getvalue()).decode()


def _available(cloud: Cloud, images: Sequence[str]) -> bool:
    described = cloud.aws("ec2").describe_images(ImageIds=list(images))["Images"]
    return {each["State"] for each in described} == {"available"}
