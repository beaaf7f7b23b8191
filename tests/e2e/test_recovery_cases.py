"""Worlds that nobody left so: what a person, a schedule or AWS did after a run had died.

A promotion is killed, something is done to what it left, and one command is typed. What each of
these means is decided and swept in tests/core/deploy/test_recovery.py.
Here AWS answers, under traffic.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.deploying import LONGEST, state_with
from tests.e2e.matrix import DONE, REFUSED, Case, RunningDeployment
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import CommandResult

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST)]

LONG = {"soak": "10m", "observe": "10m"}  # ten seconds here
TAG = "ami-pipeline:deployment"


def kill(running: RunningDeployment) -> None:
    running.signal(signal.SIGKILL)


@pytest.fixture
def killed(case: Case) -> Case:
    """Both groups serve, in the soak, and nobody is there to go on."""
    case.configure(**LONG)
    case.promote_unloaded("soak: at most", kill)
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


def green_of(case: Case) -> str:
    releases = case.site.document()["content"]["releases"]
    return str(max(releases))


def journal(case: Case) -> list[dict[str, Any]]:
    """Return the entries of the newest deployment of this environment, first entry first."""
    store = case.site.project.folder / ".ami-pipeline/deployments"
    newest = max(path for path in store.iterdir() if path.is_dir())
    return [json.loads(path.read_text())["content"] for path in sorted(newest.glob("0*.json"))]


def changes(case: Case) -> dict[str, int]:
    """Return how often each call that changes something was made."""
    reads = ("Describe", "Get", "List", "Head")
    counted = {each["action"]: each["calls"] for each in case.cloud.calls()}
    return {name: counted[name] for name in counted if not name.startswith(reads)}


def recover(case: Case) -> CommandResult:
    case.configure(soak="1s", observe="1s")
    return case.site.run("recover")


def assert_rolled_back(case: Case, result: CommandResult) -> None:
    case.assert_result(result, DONE, outcome="rolled back")
    case.assert_unchanged()


def test_where_nobody_serves_blue_is_attached_first(killed: Case, scaling: Any) -> None:
    for release in (killed.blue, green_of(killed)):
        detach(killed, scaling, release, sources(killed))
    before = journal(killed)
    assert_rolled_back(killed, recover(killed))
    first = journal(killed)[len(before)]
    assert (first["kind"], first["step"]) == ("intent", "attach")
    assert first["facts"] == {"group": killed.site.group(killed.blue)}


def test_blue_that_a_schedule_shrank_is_raised_before_green_leaves(
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


@pytest.mark.parametrize("whose", ["blue", "green"])
def test_a_group_that_is_attached_to_one_of_two_load_balancers_is_put_right(
    killed: Case, scaling: Any, whose: str
) -> None:
    release = {"blue": killed.blue, "green": green_of(killed)}[whose]
    detach(killed, scaling, release, sources(killed)[:1])
    assert_rolled_back(killed, recover(killed))
    attached = scaling.describe_traffic_sources(AutoScalingGroupName=killed.site.group(killed.blue))
    assert len(attached["TrafficSources"]) == len(killed.site.balancers)


@pytest.mark.parametrize("whose", ["blue", "green"])
def test_a_group_that_somebody_deletes_is_waited_for_and_left_alone(
    killed: Case, scaling: Any, whose: str
) -> None:
    green = green_of(killed)
    release = {"blue": killed.blue, "green": green}[whose]
    name = killed.site.group(release)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    described = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    assert described["AutoScalingGroups"][0]["Status"] == "Delete in progress"
    result = recover(killed)
    if whose == "green":
        assert_rolled_back(killed, result)
    else:
        killed.assert_result(result, DONE, outcome="promoted", release=green)
        assert killed.site.state() == state_with(green, serving=green)


def test_what_died_after_the_drain_is_gone_on_with(case: Case) -> None:
    case.configure(soak="1s", observe="10m")
    with case.under_load():
        case.promote_unloaded("observe: at most", kill)
        green = green_of(case)
        result = recover(case)
    case.assert_result(result, DONE, outcome="promoted", release=green)
    assert case.site.state() == state_with(green, serving=green)


def test_what_died_after_the_drain_is_put_back_by_abort(case: Case) -> None:
    case.configure(soak="1s", observe="10m")
    with case.under_load():
        case.promote_unloaded("observe: at most", kill)
        result = case.site.run("abort")
    assert_rolled_back(case, result)


def test_a_group_of_another_deployment_is_refused_and_left_as_it_is(
    killed: Case, scaling: Any
) -> None:
    name = killed.site.group(green_of(killed))
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
def test_what_terraform_left_half_made_is_removed_and_never_taken_for_good(
    case: Case, scaling: Any, what: str
) -> None:
    """The state says tainted, or knows a part; AWS has a part. All of it goes."""
    case.configure(**LONG)
    case.promote_unloaded("terraform: created", kill)
    state = case.site.project.folder / ".ami-pipeline/terraform/web" / case.site.environment
    path = next(state.glob("*.tfstate"))
    said = json.loads(path.read_text())
    green = case.site.group(green_of(case))
    for each in said["resources"]:
        group = each["type"] == "aws_autoscaling_group"
        kept = [one for one in each["instances"] if one["index_key"] != green_of(case)]
        mine = [one for one in each["instances"] if one not in kept]
        for one in mine:
            if group == (what == "tainted group"):
                one["status"] = "tainted"
        if group and what != "tainted group":
            mine = []
        each["instances"] = [*kept, *mine]
    said["serial"] += 1
    path.write_text(json.dumps(said))
    if what != "tainted group":
        there = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[green])
        if there["AutoScalingGroups"] and what == "tainted template alone":
            scaling.delete_auto_scaling_group(AutoScalingGroupName=green, ForceDelete=True)
    assert_rolled_back(case, recover(case))


def test_nothing_in_flight_is_refused_by_both(case: Case) -> None:
    for verb in ("recover", "abort"):
        result = case.site.run(verb)
        assert result.code == REFUSED, result.err
        assert "nothing is in flight" in result.document["error"]["what"]
