"""A bake that Packer gives up while AWS continues: issue 11 of docs/development/known-issues.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import running_cloud
from tests.e2e.project import REPOSITORY
from tests.running_cloud import Cloud, eventually

pytestmark = pytest.mark.long

IMPATIENT = {"AWS_POLL_DELAY_SECONDS": "1", "AWS_MAX_ATTEMPTS": "4"}
"""Long enough for an instance at this speed, too short for an image."""
SPEED = 4
NAME = "web-1.0.0-by-hand"


def test_the_recipe_times_out_on_an_image_that_exists_and_then_always_fails_on_its_name(
    tmp_path: Path,
) -> None:
    """spinnaker/spinnaker#4498 (the retry fails on the name), scylladb/scylla-machine-image#352.

    tests/e2e/test_bake_faults.py has the counterpart of ami-pipeline.
    """
    with running_cloud.a_cloud(tmp_path / "cloud", speed=SPEED) as cloud:
        bake_twice(cloud, tmp_path)


def bake_twice(cloud: Cloud, folder: Path) -> None:
    given = {
        "app": "web",
        "version": "1.0.0",
        "ami_name": NAME,
        "region": "us-east-1",
        "source_ami": cloud.base_image(),
    }
    words = [f"-var={name}={value}" for name, value in given.items()]
    template = REPOSITORY / "packer/app.pkr.hcl"
    command = ["packer", "build", "-machine-readable", *words, "-var=manifest=left.json"]

    def build(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, str(template)],
            cwd=folder,
            env={**cloud.env, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    first = build(**IMPATIENT)
    assert first.returncode == 1
    assert "Error waiting for AMI" in first.stdout
    named = [{"Name": "name", "Values": [NAME]}]
    ec2 = cloud.aws("ec2")
    left = ec2.describe_images(Owners=["self"], Filters=named)["Images"]
    assert len(left) == 1
    eventually(
        lambda: (
            ec2.describe_images(Owners=["self"], Filters=named)["Images"][0]["State"] == "available"
        )
    )
    again = build()
    assert again.returncode == 1
    assert "is used by an existing AMI" in again.stdout
