"""The effect of other tools' order of calls on a service, and ami-pipeline in the same situation.

Issues 3, 4, 5 and 15 of docs/development/known-issues.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.site import LONGEST, Site, state_with, wait_for_exit
from tests.e2e.testbed import CloudTestbed
from tests.known_issues import scripts
from tests.known_issues.recipe import RATE, assert_no_failures, count_failures
from tests.known_issues.scripts import Service
from tests.running_cloud import eventually
from tools.load import load

if TYPE_CHECKING:
    from tests.known_issues.recipe import Recorder

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

DEADLINES = {"attach": "3m"}  # three seconds here
ROLLED_BACK, NEEDS_ATTENTION = 4, 5


@pytest.fixture(scope="module")
def first(testbed: CloudTestbed) -> Site:
    made = testbed.site("ours", "classic", keep_previous="none", deadlines=DEADLINES)
    result = made.promote("--image", testbed.old)
    assert result.code == 0, result.err
    return made


@pytest.fixture
def site(first: Site) -> Site:
    """The site with its first release in service."""
    assert first.state() == state_with("r000001", serving="r000001")
    return first


def make_next_unhealthy(site: Site) -> str:
    """Make the next release's group never become healthy; return the group's name."""
    number = site.document()["content"]["next"]
    name = site.group(f"r{number:06d}")
    site.testbed.cloud.client.set_behavior("never-healthy", group=name)
    return name


def blue(site: Site) -> dict[str, Any]:
    answer = site.testbed.cloud.aws("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[site.group("r000001")]
    )
    found: dict[str, Any] = answer["AutoScalingGroups"][0]
    return found


def size(site: Site, desired: int) -> None:
    site.testbed.cloud.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=site.group("r000001"), DesiredCapacity=desired
    )
    eventually(lambda: len(site.members("r000001")) == desired)


# --- 3: the old group is deleted after a timeout --------------------------------------------------


def test_a_tool_that_only_logs_a_timeout_deletes_the_serving_group(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """DevopsArtFactory/goployer#170: the service responded with 503."""
    service = Service.of(testbed, "logged")
    testbed.cloud.client.set_behavior("never-healthy", group=service.group("new"))
    with load(f"{service.balancer.url}/", RATE) as running:
        assert not scripts.as_goployer_did(service, testbed.new)
        eventually(lambda: service.described("old") == {})
        time.sleep(1)
    assert {each.status for each in running.results[-20:]} == {503}
    assert count_failures(running, record_property) > 0
    service.delete("new")


def test_ami_pipeline_deletes_the_new_group_after_a_timeout_and_not_the_serving_one(
    site: Site, record_property: Recorder
) -> None:
    """DevopsArtFactory/goployer#170."""
    make_next_unhealthy(site)
    with assert_no_failures(site, record_property):
        result = site.promote("--image", site.testbed.new)
    assert result.code == ROLLED_BACK, result.err
    assert site.state() == state_with("r000001", serving="r000001")


# --- 4: no scaling during a deployment, and none after a failed one -------------------------------


def test_a_tool_that_suspends_the_alarms_leaves_a_group_that_cannot_scale(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """guardian/riff-raff#1342: suspended for three minutes at best, for hours after a failure."""
    service = Service.of(testbed, "suspended")
    testbed.cloud.client.set_behavior("no-capacity", group=service.group("old"))
    with pytest.raises(TimeoutError):
        scripts.as_riff_raff_does(service)
    left = service.described("old")
    assert [each["ProcessName"] for each in left["SuspendedProcesses"]] == ["AlarmNotification"]
    record_property("desired", left["DesiredCapacity"])
    service.delete("old")


def test_the_serving_group_scales_during_a_deployment_and_after_a_failed_one(
    site: Site, record_property: Recorder
) -> None:
    """guardian/riff-raff#1342. A new size set by a policy or a person takes effect at once, and
    stays.
    """
    make_next_unhealthy(site)
    with assert_no_failures(site, record_property):
        running = site.begin("promote", "attach: started", "--yes", "--image", site.testbed.new)
        assert blue(site)["SuspendedProcesses"] == []
        size(site, 3)
        result = wait_for_exit(running)
    assert result.code == ROLLED_BACK, result.err
    left = blue(site)
    assert (left["SuspendedProcesses"], left["DesiredCapacity"]) == ([], 3)
    size(site, 2)


# --- 5: the size of the serving group stays pinned ------------------------------------------------


def test_a_tool_that_pins_the_serving_group_leaves_it_pinned(testbed: CloudTestbed) -> None:
    """spinnaker/spinnaker#4812; spinnaker/orca#2756 and #3181 removed the pinning again."""
    service = Service.of(testbed, "pinned")
    service.scaling.set_desired_capacity(
        AutoScalingGroupName=service.group("old"), DesiredCapacity=4
    )
    eventually(lambda: service.healthy("old"))
    testbed.cloud.client.set_behavior("never-healthy", group=service.group("new"))
    with pytest.raises(TimeoutError):
        scripts.as_spinnaker_did(service, testbed.new)
    assert service.described("old")["MinSize"] == 4
    with pytest.raises(ClientError, match="below"):  # the load is over, but the group cannot shrink
        service.scaling.set_desired_capacity(
            AutoScalingGroupName=service.group("old"), DesiredCapacity=2
        )
    for which in ("old", "new"):
        service.delete(which)


def test_a_killed_promotion_pins_nothing(site: Site, record_property: Recorder) -> None:
    """spinnaker/spinnaker#4812, spinnaker/orca#1877: the new group was never unpinned either."""
    size(site, 4)
    site.configure(keep_previous="none", soak="10m")  # ten seconds here
    with assert_no_failures(site, record_property):
        running = site.begin("promote", "soak: started", "--yes", "--image", site.testbed.new)
        running.kill()
        wait_for_exit(running)
        assert (blue(site)["MinSize"], blue(site)["DesiredCapacity"]) == (2, 4)
        result = site.run("recover")
    site.configure(keep_previous="none", deadlines=DEADLINES)
    assert result.code == 0, result.err
    assert site.state() == state_with("r000001", serving="r000001")
    assert blue(site)["MinSize"] == 2
    size(site, 2)  # the load is over


# --- 15: a switch of the traffic that fails on a group without a part in it -----------------------


def test_a_tool_that_goes_through_all_versions_stops_at_a_broken_one(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """zalando-stups/senza#560 (0 % for every stack) and #453. Senza used weights in DNS and a stack
    that had failed or was being deleted; here a group was deleted in the meantime.
    """
    service = Service.of(testbed, "switched")
    service.launch("new", testbed.new, detached=True)
    with load(f"{service.balancer.url}/", RATE) as running:
        with pytest.raises(ClientError, match="not found"):
            scripts.as_senza_does(service, to="new", versions=("old", "broken", "new"))
        time.sleep(1)
    assert count_failures(running, record_property) > 0
    for which in ("old", "new"):
        service.delete(which)


def test_a_rollback_ignores_and_forgets_a_failed_group_that_was_deleted_by_hand(
    site: Site, testbed: CloudTestbed, record_property: Recorder
) -> None:
    """zalando-stups/senza#453: an older version that was being deleted blocked the rollback."""
    site.configure(keep_previous="next", deadlines=DEADLINES)
    with assert_no_failures(site, record_property):
        result = site.promote("--image", testbed.new)
        assert result.code == 0, result.err
        failed = make_next_unhealthy(site)
        result = site.promote("--image", testbed.old, "--keep-failed")
        assert result.code == ROLLED_BACK, result.err
        scaling = testbed.cloud.aws("autoscaling")
        scaling.delete_auto_scaling_group(AutoScalingGroupName=failed, ForceDelete=True)
        result = site.run("rollback", "--yes", "--wait")
        record_property("seconds", sum(each["seconds"] for each in result.document["phases"][:2]))
    assert result.code == 0, result.err
    assert site.state() == state_with("r000001", serving="r000001")
