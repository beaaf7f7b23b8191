"""Deployments whose real Terraform commands share one real provider process."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.matrix import child_of
from tests.e2e.serving import other, serving, sources
from tests.e2e.site import LONGEST, Site, state_with, wait_for_exit
from tests.e2e.testbed import CloudTestbed
from tests.running_cloud import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]

CREATING = "terraform: creating aws_autoscaling_group"


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("shared", "application", keep_previous="none")
    made.shares = True
    made.project.extra.pop("PATH")  # it has a Terraform with a provider of the test bed's
    made.configure(keep_previous="none", soak="1s", observe="1s")
    result = made.promote("--image", testbed.old)
    assert result.code == 0, result.err
    return made


def providers(site: Site) -> list[int]:
    """Return every provider that the tool has started for all commands, in order."""
    log = site.project.folder / f".ami-pipeline/logs/terraform-web-{site.environment}.log"
    found = re.findall(
        r"^provider: \S+/terraform-provider-aws\S*, process (\d+)$", log.read_text(), re.MULTILINE
    )
    return [int(each) for each in found]


def is_running(pid: int) -> bool:
    """Return True for a Terraform or a provider; an ended one that is not reaped has no words."""
    try:
        return b"terraform" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def groups_in_state(site: Site) -> set[str]:
    folder = site.project.folder / f".ami-pipeline/terraform/web/{site.environment}"
    state: dict[str, Any] = json.loads((folder / "terraform.tfstate").read_bytes())
    return {
        each["attributes"]["id"]
        for one in state["resources"]
        if one["type"] == "aws_autoscaling_group"
        for each in one["instances"]
    }


def test_a_promotion_starts_one_provider_which_ends_with_it(site: Site) -> None:
    before = providers(site)
    with site.under_load():
        result = site.promote("--image", other(site))
    assert result.code == 0, result.err
    started = providers(site)[len(before) :]
    assert len(started) == 1
    assert not any(map(is_running, started))
    green = serving(site)
    assert site.state() == state_with(green, serving=green)


def test_an_apply_keeps_its_provider_after_the_tool_is_killed_until_the_state_is_saved(
    site: Site,
) -> None:
    blue, cloud = serving(site), site.testbed.cloud
    group = site.group(f"r{site.document()['content']['next']:06}")
    slow = {"service": "autoscaling", "action": "DescribeAutoScalingGroups", "kind": "delay"}
    try:
        running = site.begin("promote", CREATING, "--yes", "--image", other(site))
        terraform = child_of(running.pid, b"\0apply\0")
        cloud.fault(**slow, seconds=1, times=10)
        eventually(lambda: sources(site, group) is not None)
        provider = providers(site)[-1]
        running.kill()
        while is_running(terraform):
            assert is_running(provider) or not is_running(terraform)
            time.sleep(0.01)
        eventually(lambda: not is_running(provider))
    finally:
        cloud.client.clear_faults()
    wait_for_exit(running)
    assert groups_in_state(site) == {site.group(blue), group}
    result = site.run("recover")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "rolled back"
    assert site.state() == state_with(blue, serving=blue)
    assert not any(map(is_running, providers(site)))


def test_a_provider_that_is_killed_in_an_apply_fails_it_and_the_way_back_has_another(
    site: Site,
) -> None:
    blue, started = serving(site), providers(site)
    text = "terraform: creating aws_launch_template"
    with site.under_load():
        running = site.begin("promote", text, "--yes", "--image", other(site))
        (provider,) = providers(site)[len(started) :]
        os.kill(provider, signal.SIGKILL)
        result = wait_for_exit(running)
    assert result.code == 4, result.err
    assert (result.document["outcome"], result.document["phase"]) == ("rolled back", "launch")
    assert re.search("Plugin did not respond|Request cancelled", result.document["reason"])
    assert "the shared AWS provider cannot be used: it ended by itself" in result.err
    assert site.state() == state_with(blue, serving=blue)
    assert len(providers(site)) == len(started) + 1
