"""Deployments whose process is killed, behind both kinds of load balancer, under traffic.

Interrupts are scenarios of the matrix. Each test leaves one release in service and nothing else.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.e2e.matrix import RunningDeployment, child_of
from tests.e2e.serving import other, serving, sources
from tests.e2e.site import LONGEST, Site, state_with, wait_for_exit
from tests.e2e.testbed import CloudTestbed
from tests.running_cloud import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

LONG = {"soak": "10m", "observe": "10m"}  # ten seconds here


@pytest.fixture(scope="module")
def first(testbed: CloudTestbed) -> Site:
    made = testbed.site("risky", "classic", "application", keep_previous="none")
    result = made.promote("--image", testbed.old)
    assert result.code == 0, result.err
    return made


@pytest.fixture
def site(first: Site) -> Site:
    """The site with one release in service."""
    first.configure(keep_previous="none", **LONG)
    return first


@pytest.mark.parametrize("text", ["terraform: creating aws_autoscaling_group", "soak: started"])
def test_a_promotion_killed_before_the_drain_is_rolled_back(site: Site, text: str) -> None:
    blue = serving(site)
    with site.under_load():
        running = site.begin("promote", text, "--yes", "--image", other(site))
        running.kill()
        wait_for_exit(running)
        result = site.run("recover")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "rolled back"
    assert site.state() == state_with(blue, serving=blue)


def test_a_provider_killed_while_it_creates_a_launch_template_is_rolled_back(
    site: Site,
) -> None:
    """Terraform starts a provider of its own here; other tests share one."""
    blue = serving(site)
    shared = site.project.extra.pop("PATH")
    try:
        with site.under_load():
            text = "terraform: creating aws_launch_template"
            running = site.begin("promote", text, "--yes", "--image", other(site))
            RunningDeployment(process=running).kill_provider()
            result = wait_for_exit(running)
    finally:
        site.project.extra["PATH"] = shared
    assert result.code == 4, result.err
    assert (result.document["outcome"], result.document["phase"]) == ("rolled back", "launch")
    # Terraform reports one or the other, depending on whether it was calling the provider.
    assert re.search("Plugin did not respond|Request cancelled", result.document["reason"])
    assert site.state() == state_with(blue, serving=blue)


def test_terraform_saves_its_state_after_the_tool_is_killed_in_the_middle_of_an_apply(
    site: Site,
) -> None:
    """Uses a provider of its own, because Terraform ends it, too; slow AWS calls keep it busy."""
    blue, cloud = serving(site), site.testbed.cloud
    group = site.group(f"r{site.document()['content']['next']:06}")
    shared = site.project.extra.pop("PATH")
    try:
        text = "terraform: creating aws_autoscaling_group"
        slow = {"service": "autoscaling", "action": "DescribeAutoScalingGroups", "kind": "delay"}
        running = site.begin("promote", text, "--yes", "--image", other(site))
        terraform = child_of(running.pid, b"terraform")
        cloud.fault(**slow, seconds=1, times=10)
        eventually(lambda: sources(site, group) is not None)
        running.kill()
        began = time.monotonic()
        eventually(lambda: not Path(f"/proc/{terraform}").exists())
        seconds = time.monotonic() - began
    finally:
        site.project.extra["PATH"] = shared
        cloud.client.clear_faults()
    wait_for_exit(running)
    folder = site.project.folder / f".ami-pipeline/terraform/web/{site.environment}"
    state = json.loads((folder / "terraform.tfstate").read_bytes())
    known = {
        each["attributes"]["id"]
        for one in state["resources"]
        if one["type"] == "aws_autoscaling_group"
        for each in one["instances"]
    }
    assert known == {site.group(blue), group}
    assert not (folder / ".terraform.tfstate.lock.info").exists()
    assert seconds < 5.0
    result = site.run("recover")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "rolled back"
    assert site.state() == state_with(blue, serving=blue)


def test_the_next_promotion_rolls_back_a_killed_one_and_then_succeeds(site: Site) -> None:
    image = other(site)
    with site.under_load():
        running = site.begin("promote", "soak: started", "--yes", "--image", image)
        running.kill()
        wait_for_exit(running)
        left = site.path.read_bytes()
        for verb in ("promote", "rollback", "rebuild"):
            yes = () if verb == "rebuild" else ("--yes",)
            result = site.run(verb, "--no-recover", *yes)
            assert result.code == 3, result.err
            remedy = f"ami-pipeline recover -e {site.environment}"
            assert result.document["error"]["next"] == remedy, result.err
        assert site.path.read_bytes() == left
        site.configure(keep_previous="none")
        result = site.promote("--image", image)
    assert result.code == 0, result.err
    green = serving(site)
    assert result.document["release"] == green
    assert site.state() == state_with(green, serving=green)


def test_a_promotion_killed_while_retiring_is_finished(site: Site) -> None:
    site.configure(keep_previous="none")
    text = "terraform: deleting aws_autoscaling_group"
    with site.under_load():
        running = site.begin("promote", text, "--yes", "--image", other(site))
        running.kill()
        wait_for_exit(running)
        green = serving(site)
        result = site.run("recover")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "promoted"
    assert site.state() == state_with(green, serving=green)


def test_repeating_a_promotion_that_was_killed_while_retiring_finishes_it(site: Site) -> None:
    image = other(site)
    site.configure(keep_previous="none")
    with site.under_load():
        text = "terraform: deleting aws_autoscaling_group"
        running = site.begin("promote", text, "--yes", "--image", image)
        running.kill()
        wait_for_exit(running)
        green = serving(site)
        result = site.promote("--image", image)
    assert result.code == 0, result.err
    assert (result.document["outcome"], result.document["release"]) == ("unchanged", green)
    assert site.state() == state_with(green, serving=green)
