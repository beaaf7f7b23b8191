"""A killed CI job: what stays locked, and what shows it (known issue 13)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST, wait_for_exit
from tests.e2e.testbed import CloudTestbed
from tests.known_issues.recipe import RECIPE, Recipe, assert_no_failures
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Recorder

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

BUCKET = "states"
BACKEND = f"""
terraform {{
  backend "s3" {{
    bucket       = "{BUCKET}"
    key          = "recipe.tfstate"
    region       = "us-east-1"
    use_lockfile = true
  }}
}}
"""
BACKEND_CONFIGURATION = f"""\
[terraform.backend]
bucket = "{BUCKET}"
[state]
url = "s3://{BUCKET}/ours"
"""


@pytest.fixture(scope="module")
def bucket(testbed: CloudTestbed) -> str:
    testbed.cloud.aws("s3").create_bucket(Bucket=BUCKET)
    return BUCKET


def stored_keys(testbed: CloudTestbed) -> list[str]:
    listed = testbed.cloud.aws("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return [each["Key"] for each in listed]


def kill_job(process: subprocess.Popen[str]) -> None:
    """Kill a program and its children, as when a runner is removed."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (str(process.pid), *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    wait_for_exit(process)


@pytest.mark.usefixtures("bucket")
def test_the_recipe_stays_locked_by_a_killed_job_and_no_command_lists_the_lock(
    testbed: CloudTestbed, tmp_path: Path
) -> None:
    """hashicorp/terraform#28710, microsoft/azure-pipelines-terraform#312."""
    root = tmp_path / "main.tf"
    root.write_text(RECIPE.read_text() + BACKEND)
    recipe = Recipe.of(testbed, "locked", "classic", root)
    assert recipe.deploy(testbed.old).code == 0
    running = recipe.begin(testbed.new)
    eventually(lambda: "recipe.tfstate.tflock" in stored_keys(testbed))
    kill_job(running)

    result = recipe.apply()
    assert result.code == 1
    assert "Error acquiring the state lock" in result.err
    listed = recipe.run("state", "list")
    assert "lock" not in (listed.out + listed.err).lower()
    assert "recipe.tfstate.tflock" in stored_keys(testbed)


@pytest.mark.usefixtures("bucket")
def test_ami_pipeline_shows_who_held_the_lease_and_removes_the_lock_of_a_killed_job(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform#28710, microsoft/azure-pipelines-terraform#312."""
    site = testbed.site("locked-too", "classic", keep_previous="none")
    text = (site.project.folder / "pipeline.toml").read_text()
    head, mark, tail = text.partition("[environments.locked-too]")
    site.project.write(head + BACKEND_CONFIGURATION + mark + tail)
    result = site.promote("--image", testbed.old)
    assert result.code == 0, result.err
    with assert_no_failures(site, record_property):
        text = "terraform: creating aws_autoscaling_group"
        running = site.begin("promote", text, "--yes", "--image", testbed.new)
        kill_job(running)
        assert "web/locked-too.tfstate.tflock" in stored_keys(testbed)
        shown = site.status()
        assert shown["lease"]["pid"] == running.pid
        assert shown["next"] == "ami-pipeline recover -e locked-too"
        result = site.run("recover")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "rolled back"
    assert "terraform: deleted its lock" in result.err
    assert "web/locked-too.tfstate.tflock" not in stored_keys(testbed)
    shown = site.status()
    assert (shown["serving"], shown["lease"], shown["in_flight"]) == ("r000001", None, None)
    assert [each["release"] for each in shown["releases"]] == ["r000001"]
    record_property("seconds", result.document["phases"][-1]["seconds"])
