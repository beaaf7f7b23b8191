"""Promotions that pause, with the real tools under traffic: resumed by another, undone, queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.project import alive, wait_for
from tests.e2e.site import LONGEST, Site, state_with, wait_for_exit
from tests.e2e.testbed import CloudTestbed, build_testbed
from tests.running_cloud import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]

RATE = 100.0
BOTH = "to continue: ami-pipeline resume -e {0}; to go back: ami-pipeline abort -e {0}"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudTestbed]:
    """A test bed whose time is slow enough for a hundred requests a second beside the tools."""
    with build_testbed(tmp_path_factory.mktemp("pausing"), speed=20) as made:
        yield made


@pytest.fixture(scope="module")
def site(slow: CloudTestbed) -> Site:
    """A site with one release in service, whose promotions wait for another person."""
    made = slow.site("patient", "application", keep_previous="none", approval="another")
    result = made.promote("--image", slow.old)
    assert result.code == 0, result.err
    return made


@contextmanager
def acting(site: Site, user: str) -> Iterator[None]:
    """Run commands as jobs that a user of GitHub started."""
    before = dict(site.project.extra)
    site.project.extra |= {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": user}
    try:
        yield
    finally:
        site.project.extra.clear()
        site.project.extra.update(before)


def pause(site: Site, phase: str) -> None:
    with acting(site, "ann"):
        result = site.promote("--image", site.other_image, "--pause-before", phase)
    assert result.code == 7, result.err
    document = result.document
    assert (document["outcome"], document["next"]) == (
        "paused",
        f"ami-pipeline resume -e {site.environment}",
    )
    eventually(lambda: not alive(f"-e\0{site.environment}"), within=5)


def test_another_person_resumes_a_promotion_that_paused_before_its_drain(site: Site) -> None:
    blue, green = site.serving, site.next_release
    with site.under_load(RATE):
        pause(site, "drain")
        state = site.status()["in_flight"]
        assert (state["outcome"], state["running"], state["pauses"][0]["before"]) == (
            "paused",
            False,
            "drain",
        )
        left = site.content["deployment"]
        for verb in (("rebuild",), ("promote", "--yes", "--wait"), ("rollback", "--yes")):
            refused = site.run(*verb)
            assert refused.code == 3, refused.err
            assert refused.document["error"]["next"] == BOTH.format(site.environment)
        with acting(site, "ann"):
            refused = site.run("resume")
        assert refused.code == 3, refused.err
        assert "ann (GitHub Actions) began the deployment" in refused.document["error"]["what"]
        assert site.content["deployment"] == left
        with acting(site, "bob"):
            result = site.run("resume", "--reason", "the graphs are flat")
    assert result.code == 0, result.err
    [ended] = result.document["pauses"]
    assert (ended["decision"], ended["approver"]["name"], ended["reason"]) == (
        "resumed",
        "bob",
        "the graphs are flat",
    )
    assert site.state() == state_with(green, serving=green)
    assert blue != green


@pytest.mark.parametrize("phase", ["attach", "retire"])
def test_abort_restores_the_release_before(site: Site, phase: str) -> None:
    blue = site.serving
    with site.under_load(RATE):
        pause(site, phase)
        result = site.run("abort", "--reason", "too slow")
    assert result.code == 0, result.err
    assert result.document["outcome"] == "rolled back"
    assert site.state() == state_with(blue, serving=blue)


def test_a_promotion_waits_behind_a_running_one_and_then_goes_on(site: Site) -> None:
    old, new = site.image_of(site.serving), site.other_image
    with site.under_load(RATE):
        first = site.begin("promote", "launch: started", "--yes", "--image", new)
        second = site.start("promote", "--yes", "--wait", "--image", old)
        assert "which runs promote" in wait_for(second, "waiting for ")
        assert wait_for_exit(first).code == 0
        result = wait_for_exit(second)
    assert result.code == 0, result.err
    assert site.image_of(site.serving) == old
