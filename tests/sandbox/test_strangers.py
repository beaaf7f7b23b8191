"""A configuration of somebody who never heard of this cloud: applied, planned again, destroyed.

The one behind an application load balancer is not run here: the provider alone waits a
minute for each of those.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local_cloud import Cloud

STRANGERS = Path(__file__).parent / "terraform" / "strangers"
CHANGES = 2  # terraform plan -detailed-exitcode


def terraform(cloud: Cloud, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["terraform", *words, "-input=false", "-no-color"],  # noqa: S607  as a user's shell finds it
        cwd=folder,
        env={**cloud.env, "TF_VAR_image_id": cloud.base_image()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)
def test_a_group_behind_a_classic_load_balancer_is_what_its_configuration_says(
    cloud: Cloud, tmp_path: Path
) -> None:
    shutil.copy(STRANGERS / "classic" / "main.tf", tmp_path)
    update = ("-var=instance_type=t3.small", '-var=extra_tags={Owner="web"}')
    steps = (("init",), ("apply", "-auto-approve"), ("apply", "-auto-approve", *update))
    for words in steps:
        said = terraform(cloud, tmp_path, *words)
        assert said.returncode == 0, said.stdout + said.stderr
    planned = terraform(cloud, tmp_path, "plan", "-detailed-exitcode", *update)
    assert planned.returncode != CHANGES, planned.stdout
    assert planned.returncode == 0, planned.stderr
    ended = terraform(cloud, tmp_path, "destroy", "-auto-approve", *update)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    groups = cloud.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["web"])
    assert groups["AutoScalingGroups"] == []
