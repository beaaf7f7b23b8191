"""What other tools' order of calls does to a service, and ours in the same situation.

Pains 3, 4, 5 and 15 of docs/known-issues.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.site import LONGEST, Site, state_with, wait_for_exit
from tests.e2e.testbed import CloudTestbed
from tests.known_issues import scripts
from tests.known_issues.recipe import RATE, counted, unharmed
from tests.known_issues.scripts import Service
from tests.load import load
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Noting

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

SICK = {"attach": "3m"}  # three seconds here
PUT_BACK, NEEDS_ATTENTION = 4, 5


@pytest.fixture(scope="module")
def first(testbed: CloudTestbed) -> Site:
    made = testbed.site("ours", "classic", keep_previous="none", deadlines=SICK)
    result = made.promote("--image", testbed.old)
    assert result.code == 0, result.err
    return made


@pytest.fixture
def site(first: Site) -> Site:
    """Ours, with one release in service: the first, whatever was tried."""
    assert first.state() == state_with("r000001", serving="r000001")
    return first


def sick_next(site: Site) -> str:
    """Order that the next release's group never gets healthy; return its name."""
    number = site.document()["content"]["next"]
    name = site.group(f"r{number:06d}")
    site.testbed.cloud.client.order("never-healthy", group=name)
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


def test_a_tool_that_only_logs_a_timeout_deletes_the_group_that_served(
    testbed: CloudTestbed, record_property: Noting
) -> None:
    """DevopsArtFactory/goployer#170: the service answered 503."""
    service = Service.of(testbed, "logged")
    testbed.cloud.client.order("never-healthy", group=service.group("new"))
    with load(f"{service.balancer.url}/", RATE) as running:
        assert not scripts.as_goployer_did(service, testbed.new)
        eventually(lambda: service.described("old") == {})
        time.sleep(1)
    assert {each.status for each in running.results[-20:]} == {503}
    assert counted(running, record_property) > 0
    service.delete("new")


def test_we_delete_the_new_group_after_a_timeout_and_not_the_one_that_serves(
    site: Site, record_property: Noting
) -> None:
    """DevopsArtFactory/goployer#170."""
    sick_next(site)
    with unharmed(site, record_property):
        result = site.promote("--image", site.testbed.new)
    assert result.code == PUT_BACK, result.err
    assert site.state() == state_with("r000001", serving="r000001")


# --- 4: no scaling during a deployment, and none after one that failed ----------------------------


def test_a_tool_that_suspends_the_alarms_leaves_a_group_that_cannot_scale(
    testbed: CloudTestbed, record_property: Noting
) -> None:
    """guardian/riff-raff#1342: suspended for three minutes at best, for hours where it failed."""
    service = Service.of(testbed, "suspended")
    testbed.cloud.client.order("no-capacity", group=service.group("old"))
    with pytest.raises(TimeoutError):
        scripts.as_riff_raff_does(service)
    left = service.described("old")
    assert [each["ProcessName"] for each in left["SuspendedProcesses"]] == ["AlarmNotification"]
    record_property("desired", left["DesiredCapacity"])
    service.delete("old")


def test_we_let_the_serving_group_scale_during_a_deployment_and_after_one_that_failed(
    site: Site, record_property: Noting
) -> None:
    """guardian/riff-raff#1342. A policy's or a person's new size is taken at once, and stays."""
    sick_next(site)
    with unharmed(site, record_property):
        running = site.begin("promote", "attach: at most", "--yes", "--image", site.testbed.new)
        assert blue(site)["SuspendedProcesses"] == []
        size(site, 3)
        result = wait_for_exit(running)
    assert result.code == PUT_BACK, result.err
    left = blue(site)
    assert (left["SuspendedProcesses"], left["DesiredCapacity"]) == ([], 3)
    size(site, 2)


# --- 5: the size of the serving group is pinned, and stays so -------------------------------------


def test_a_tool_that_pins_the_serving_group_leaves_it_pinned(testbed: CloudTestbed) -> None:
    """spinnaker/spinnaker#4812; spinnaker/orca#2756 and #3181 took the pinning out again."""
    service = Service.of(testbed, "pinned")
    service.scaling.set_desired_capacity(
        AutoScalingGroupName=service.group("old"), DesiredCapacity=4
    )
    eventually(lambda: service.healthy("old"))
    testbed.cloud.client.order("never-healthy", group=service.group("new"))
    with pytest.raises(TimeoutError):
        scripts.as_spinnaker_did(service, testbed.new)
    assert service.described("old")["MinSize"] == 4
    with pytest.raises(ClientError, match="below"):  # the load is over, and nothing may shrink
        service.scaling.set_desired_capacity(
            AutoScalingGroupName=service.group("old"), DesiredCapacity=2
        )
    for which in ("old", "new"):
        service.delete(which)


def test_we_pin_nothing_even_where_we_are_killed(site: Site, record_property: Noting) -> None:
    """spinnaker/spinnaker#4812, spinnaker/orca#1877: the new group was never unpinned either."""
    size(site, 4)
    site.configure(keep_previous="none", soak="10m")  # ten seconds here
    with unharmed(site, record_property):
        running = site.begin("promote", "soak: at most", "--yes", "--image", site.testbed.new)
        running.kill()
        wait_for_exit(running)
        assert (blue(site)["MinSize"], blue(site)["DesiredCapacity"]) == (2, 4)
        result = site.run("recover")
    site.configure(keep_previous="none", deadlines=SICK)
    assert result.code == 0, result.err
    assert site.state() == state_with("r000001", serving="r000001")
    assert blue(site)["MinSize"] == 2
    size(site, 2)  # the load is over


# --- 15: a switch of the traffic that breaks on a group that has no part in it --------------------


def test_a_tool_that_goes_through_all_versions_stops_at_one_that_is_broken(
    testbed: CloudTestbed, record_property: Noting
) -> None:
    """zalando-stups/senza#560 (0 % for every stack) and #453. Theirs were weights in DNS and a
    stack that had failed or was being deleted; here it is a group that was deleted meanwhile.
    """
    service = Service.of(testbed, "switched")
    service.launch("new", testbed.new, detached=True)
    with load(f"{service.balancer.url}/", RATE) as running:
        with pytest.raises(ClientError, match="not found"):
            scripts.as_senza_does(service, to="new", versions=("old", "broken", "new"))
        time.sleep(1)
    assert counted(running, record_property) > 0
    for which in ("old", "new"):
        service.delete(which)


def test_we_go_back_beside_a_group_that_somebody_deleted_and_forget_it(
    site: Site, testbed: CloudTestbed, record_property: Noting
) -> None:
    """zalando-stups/senza#453: an older version that was being deleted barred the way back."""
    site.configure(keep_previous="next", deadlines=SICK)
    with unharmed(site, record_property):
        result = site.promote("--image", testbed.new)
        assert result.code == 0, result.err
        failed = sick_next(site)
        result = site.promote("--image", testbed.old, "--keep-failed")
        assert result.code == PUT_BACK, result.err
        scaling = testbed.cloud.aws("autoscaling")
        scaling.delete_auto_scaling_group(AutoScalingGroupName=failed, ForceDelete=True)
        result = site.run("rollback", "--yes")
        record_property("seconds", sum(each["seconds"] for each in result.document["phases"][:2]))
    assert result.code == 0, result.err
    assert site.state() == state_with("r000001", serving="r000001")
