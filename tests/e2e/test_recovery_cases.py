"""Changes by a person, a schedule or AWS to what a killed promotion left.

A promotion is killed, something changes, and one command runs. tests/core/deploy/test_recovery.py
decides and sweeps these cases. Here they run against the local cloud, under traffic.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.matrix import DONE, LONG, REFUSED, Case, kill, newest_release
from tests.e2e.site import LONGEST, state_with
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.e2e.project import CommandResult

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST)]

TAG = "ami-pipeline:deployment"


@pytest.fixture
def killed(case: Case) -> Case:
    """Both groups serve, in the soak, and the process is dead."""
    case.configure(**LONG)
    case.promote_unloaded("soak: started", kill)
    return case


@pytest.fixture
def scaling(case: Case) -> Any:
    return case.site.testbed.cloud.aws("autoscaling")


def sources(case: Case) -> list[dict[str, str]]:
    return [
        {"Identifier": each.arn or each.name, "Type": "elbv2" if each.arn else "elb"}
        for each in case.site.balancers
    ]


def detach(case: Case, scaling: Any, release: str, of: list[dict[str, str]]) -> None:
    name = case.site.group(release)
    scaling.detach_traffic_sources(AutoScalingGroupName=name, TrafficSources=of)


def journal(case: Case) -> list[dict[str, Any]]:
    """Return the journal of the environment's newest deployment, first entry first."""
    store = case.site.project.folder / ".ami-pipeline/deployments"
    newest = max(path for path in store.iterdir() if path.is_dir())
    return [json.loads(path.read_text())["content"] for path in sorted(newest.glob("0*.json"))]


def changes(case: Case) -> dict[str, int]:
    """Count the mutating calls by action."""
    reads = ("Describe", "Get", "List", "Head")
    counted = {each["action"]: each["calls"] for each in case.cloud.calls()}
    return {name: counted[name] for name in counted if not name.startswith(reads)}


def recover(case: Case) -> CommandResult:
    case.configure(soak="1s", observe="1s")
    return case.site.run("recover")


def assert_rolled_back(case: Case, result: CommandResult) -> None:
    case.assert_result(result, DONE, outcome="rolled back")
    case.assert_unchanged()


def test_blue_is_attached_first_if_no_release_serves(killed: Case, scaling: Any) -> None:
    for release in (killed.blue, newest_release(killed)):
        detach(killed, scaling, release, sources(killed))
    before = journal(killed)
    assert_rolled_back(killed, recover(killed))
    first = journal(killed)[len(before)]
    assert (first["kind"], first["step"]) == ("intent", "attach")
    assert first["facts"] == {"group": killed.site.group(killed.blue)}


def test_blue_that_a_schedule_shrank_is_resized_before_green_is_detached(
    killed: Case, scaling: Any
) -> None:
    blue = killed.site.group(killed.blue)
    scaling.update_auto_scaling_group(AutoScalingGroupName=blue, MinSize=1, DesiredCapacity=1)
    eventually(lambda: len(killed.site.members(killed.blue)) == 1)
    with killed.under_load():
        result = recover(killed)
    assert_rolled_back(killed, result)
    assert len(killed.site.members(killed.blue)) == 2
    scaling.update_auto_scaling_group(AutoScalingGroupName=blue, MinSize=2)


@pytest.mark.parametrize("which", ["blue", "green"])
def test_a_group_attached_to_one_of_two_load_balancers_is_corrected(
    killed: Case, scaling: Any, which: str
) -> None:
    release = {"blue": killed.blue, "green": newest_release(killed)}[which]
    detach(killed, scaling, release, sources(killed)[:1])
    assert_rolled_back(killed, recover(killed))
    attached = scaling.describe_traffic_sources(AutoScalingGroupName=killed.site.group(killed.blue))
    assert len(attached["TrafficSources"]) == len(killed.site.balancers)


@pytest.mark.parametrize("which", ["blue", "green"])
def test_a_group_deleted_by_hand_is_waited_for_and_left_alone(
    killed: Case, scaling: Any, which: str
) -> None:
    green = newest_release(killed)
    release = {"blue": killed.blue, "green": green}[which]
    name = killed.site.group(release)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    described = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    assert described["AutoScalingGroups"][0]["Status"] == "Delete in progress"
    result = recover(killed)
    if which == "green":
        assert_rolled_back(killed, result)
    else:
        killed.assert_result(result, DONE, outcome="promoted", release=green)
        assert killed.site.state() == state_with(green, serving=green)


def test_a_promotion_that_died_after_the_drain_is_continued(case: Case) -> None:
    case.configure(soak="1s", observe="10m")
    with case.under_load():
        case.promote_unloaded("observe: started", kill)
        green = newest_release(case)
        result = recover(case)
    case.assert_result(result, DONE, outcome="promoted", release=green)
    assert case.site.state() == state_with(green, serving=green)


def test_a_promotion_that_died_after_the_drain_is_rolled_back_by_abort(case: Case) -> None:
    case.configure(soak="1s", observe="10m")
    with case.under_load():
        case.promote_unloaded("observe: started", kill)
        result = case.site.run("abort")
    assert_rolled_back(case, result)


def test_a_group_of_another_deployment_is_refused_and_left_unchanged(
    killed: Case, scaling: Any
) -> None:
    name = killed.site.group(newest_release(killed))
    tag = {"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": TAG}
    found = scaling.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": [name]}])
    [before] = [each["Value"] for each in found["Tags"] if each["Key"] == TAG]
    theirs = {**tag, "Value": "20260101T000000Z-beef", "PropagateAtLaunch": False}
    scaling.create_or_update_tags(Tags=[theirs])
    before_all = changes(killed)
    for verb in ("recover", "abort", "promote"):
        result = killed.site.run(verb, *(["--yes"] if verb == "promote" else []))
        assert result.code == REFUSED, result.err
        error = result.document["error"]
        assert error["where"] == f"server group {name}"
        assert "20260101T000000Z-beef" in error["what"]
        assert error["next"].endswith(f"ami-pipeline status -e {killed.site.environment}")
    assert changes(killed) == before_all
    scaling.create_or_update_tags(Tags=[{**theirs, "Value": before}])
    assert_rolled_back(killed, recover(killed))


@pytest.mark.parametrize("what", ["tainted group", "no group", "tainted template alone"])
def test_a_group_that_terraform_left_half_created_is_deleted_and_never_used(
    case: Case, scaling: Any, what: str
) -> None:
    """The state says tainted or lacks a part, and AWS has a part. All of it is deleted."""
    case.configure(**LONG)
    case.promote_unloaded("terraform: created", kill)
    folder = case.site.project.folder / ".ami-pipeline/terraform/web" / case.site.environment
    # The supervisor ends Terraform, which saves its state and then deletes its lock.
    eventually(lambda: not list(folder.glob(".*.lock.info")))
    path = next(folder.glob("*.tfstate"))
    state = json.loads(path.read_text())
    green = case.site.group(newest_release(case))
    for each in state["resources"]:
        group = each["type"] == "aws_autoscaling_group"
        kept = [one for one in each["instances"] if one["index_key"] != newest_release(case)]
        mine = [one for one in each["instances"] if one not in kept]
        for one in mine:
            if group == (what == "tainted group"):
                one["status"] = "tainted"
        if group and what != "tainted group":
            mine = []
        each["instances"] = [*kept, *mine]
    state["serial"] += 1
    path.write_text(json.dumps(state))
    if what != "tainted group":
        there = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[green])
        if there["AutoScalingGroups"] and what == "tainted template alone":
            scaling.delete_auto_scaling_group(AutoScalingGroupName=green, ForceDelete=True)
    assert_rolled_back(case, recover(case))


def test_recover_and_abort_without_a_deployment_in_flight_are_refused(case: Case) -> None:
    for verb in ("recover", "abort"):
        result = case.site.run(verb)
        assert result.code == REFUSED, result.err
        assert "no deployment is in flight" in result.document["error"]["what"]
