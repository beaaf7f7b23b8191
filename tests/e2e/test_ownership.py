"""Traffic and groups that the configuration does not name, with the real command line under load.

The Terraform stand-in creates the groups; the load balancers are real.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.matrix import QUICK, reset_after
from tests.e2e.site import LONGEST, Balancer, Site, wait_for_exit
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.matrix import Case, RunningDeployment, Sites
    from tests.e2e.project import CommandResult

pytestmark = pytest.mark.timeout(LONGEST + 20)
REFUSED = 3
NUMBERS = count(1)
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"


@pytest.fixture
def shop(case: Case) -> Iterator[Balancer]:
    """A load balancer that sends the serving group requests and is not configured."""
    name = f"shop{next(NUMBERS)}-{case.site.environment}"
    made = Balancer.make(case.site.testbed, name, "application")
    scaling = case.site.testbed.cloud.aws("autoscaling")
    source = {"Identifier": made.arn, "Type": "elbv2"}
    group = case.site.group(case.blue)
    scaling.attach_traffic_sources(AutoScalingGroupName=group, TrafficSources=[source])
    yield made
    left = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    if any(made.arn in each["TargetGroupARNs"] for each in left["AutoScalingGroups"]):
        scaling.detach_traffic_sources(AutoScalingGroupName=group, TrafficSources=[source])


def group_of_another_environment(case: Case) -> tuple[Any, str]:
    """Create an empty group on this environment's load balancer, tagged for another one."""
    scaling, name = case.site.testbed.cloud.aws("autoscaling"), f"other-{case.site.environment}"
    blue = case.site.group(case.blue)
    tags = {"ami-pipeline:app": "web", "ami-pipeline:environment": "production"}
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": blue, "Version": "1"},
        MinSize=0,
        MaxSize=0,
        VPCZoneIdentifier=",".join(case.site.testbed.made["subnet_ids"]),
        LoadBalancerNames=[each.name for each in case.site.balancers if each.kind == "classic"],
        TargetGroupARNs=[each.arn for each in case.site.balancers if each.arn],
        Tags=[{"Key": key, "Value": tags[key], "PropagateAtLaunch": False} for key in tags],
    )
    return scaling, name


@pytest.mark.long
def test_traffic_that_is_not_configured_and_a_group_of_another_environment_are_refused(
    case: Case, shop: Balancer
) -> None:
    scaling, name = group_of_another_environment(case)
    before = case.site.document()["content"]
    try:
        with case.site.under_load():
            refused = wait_for_exit(case.start())
    finally:
        scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    assert refused.code == REFUSED, refused.err
    what = refused.document["error"]["what"]
    assert "belongs to web/production (0 instances) and receives traffic from" in what
    assert f"receives traffic from target group {shop.name}, which" in what
    assert f"--detach {shop.name}" in what
    content = case.site.document()["content"]
    assert (content["serving"], content["releases"]) == (before["serving"], before["releases"])


@pytest.mark.long
def test_the_option_ends_traffic_that_is_not_configured(case: Case, shop: Balancer) -> None:
    words = ("--allow-quarantined", "--image", case.image, "--detach", shop.name)
    with case.site.under_load():
        done = case.site.promote(*words)
    assert done.code == 0, done.err
    assert done.document["outcome"] == "promoted"
    assert shop.registered(case.site.testbed.cloud) == set()


# --- sizes ----------------------------------------------------------------------------------------


def at_once(**sizes: int) -> Callable[[Any, str], None]:
    """Return a person who sets these sizes of a group."""

    def change(scaling: Any, group: str) -> None:
        scaling.update_auto_scaling_group(AutoScalingGroupName=group, **sizes)

    return change


def scheduled(**sizes: int) -> Callable[[Any, str], None]:
    """Return a schedule that sets these sizes of a group, and wait until it has."""

    def change(scaling: Any, group: str) -> None:
        scaling.put_scheduled_update_group_action(
            AutoScalingGroupName=group,
            ScheduledActionName="night",
            StartTime=datetime.now(UTC) + timedelta(seconds=1),
            **sizes,
        )
        eventually(lambda: sizes_of(scaling, group)["DesiredCapacity"] == sizes["DesiredCapacity"])

    return change


def sizes_of(scaling: Any, group: str) -> dict[str, int]:
    described = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    found: dict[str, Any] = described["AutoScalingGroups"][0]
    return {name: found[name] for name in ("MinSize", "MaxSize", "DesiredCapacity")}


SIZES = {"MinSize": 1, "MaxSize": 6, "DesiredCapacity": 3}
ZERO = dict.fromkeys(SIZES, 0)


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "whose", "sizes"),
    [
        pytest.param(at_once(**SIZES), "blue", SIZES, id="a person changes blue"),
        pytest.param(at_once(**SIZES), "green", SIZES, id="a person changes green"),
        pytest.param(scheduled(**SIZES), "blue", SIZES, id="a schedule changes blue"),
        pytest.param(scheduled(**ZERO), "blue", ZERO, id="a schedule scales blue to zero"),
        pytest.param(at_once(**ZERO), "green", ZERO, id="a person scales green to zero"),
    ],
)
def test_sizes_that_were_set_during_a_deployment_are_kept_on_green(
    case: Case, change: Callable[[Any, str], None], whose: str, sizes: dict[str, int]
) -> None:
    scaling = case.site.testbed.cloud.aws("autoscaling")
    green = case.site.group(case.green)
    group = case.site.group(case.blue) if whose == "blue" else green

    def act(_: RunningDeployment) -> None:
        change(scaling, group)

    case.configure(soak="3m", observe="10s")
    done = case.promote_unloaded("soak: started", act)
    try:
        assert (done.code, done.document["outcome"]) == (0, "promoted"), done.err
        assert sizes_of(scaling, green) == sizes
        status = case.site.status()
        assert (status["serving"], status["in_flight"]) == (done.document["release"], None)
    finally:
        scaling.update_auto_scaling_group(
            AutoScalingGroupName=green, MinSize=2, MaxSize=4, DesiredCapacity=2
        )
        eventually(lambda: len(case.site.members(case.site.serving)) == 2)
        cloud, balancers = case.site.testbed.cloud, case.site.balancers
        eventually(lambda: {len(each.healthy(cloud)) for each in balancers} == {2})


# --- services whose names run together ------------------------------------------------------------


@pytest.fixture
def twins(sites: Sites, kinds: tuple[str, ...]) -> Iterator[tuple[Site, Site]]:
    """Environment shop-eu of app web and environment eu of app web-shop: their names are one."""
    with reset_after(sites.testbed):
        pair = tuple(sites.testbed.site(name, *kinds) for name in ("shop-eu", "eu"))
        first, second = pair
        first.configure(keep_previous="none", **QUICK)
        second.configure(keep_previous="none", **QUICK)
        second.project.edit("pipeline.toml", 'app = "web"', 'app = "web-shop"')
        yield first, second


@pytest.mark.long
@pytest.mark.timeout(2 * LONGEST)
def test_two_services_whose_names_run_together_never_touch_each_other(
    twins: tuple[Site, Site],
) -> None:
    """Each deploys while the other's group has the name of its next or of an earlier release."""
    first, second = twins
    scaling = first.testbed.cloud.aws("autoscaling")
    name = "web-shop-eu-r000001"

    def facts() -> dict[str, Any]:
        described = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        found: dict[str, Any] = described["AutoScalingGroups"][0]
        return {key: found[key] for key in ("Instances", "Tags", "TargetGroupARNs", "MinSize")}

    def promote(site: Site, image: str) -> CommandResult:
        return site.promote("--allow-quarantined", "--image", image)

    assert promote(first, first.testbed.old).code == 0
    before = facts()
    refused = promote(second, first.testbed.old)
    assert refused.code == REFUSED, refused.err
    assert "but it belongs to web/shop-eu" in refused.document["error"]["what"]
    assert "have the same names" in refused.document["error"]["next"]
    assert second.status()["unknown_groups"] == []
    assert facts() == before

    assert promote(first, first.testbed.new).document["release"] == "r000002"
    done = promote(second, first.testbed.old)
    assert (done.code, done.document["release"]) == (0, "r000001"), done.err
    before = facts()
    with second.under_load():
        done = promote(first, first.testbed.old)
    assert (done.code, done.document["release"]) == (0, "r000003"), done.err
    assert name not in done.err
    assert first.status()["unknown_groups"] == []
    assert facts() == before


# --- what people attach ---------------------------------------------------------------------------


@pytest.fixture
def by_hand(case: Case) -> Iterator[str]:
    """The serving group, with one of each thing that a person may attach to it or change."""
    scaling, group = case.site.testbed.cloud.aws("autoscaling"), case.site.group(case.blue)
    named = {"AutoScalingGroupName": group}
    tag = {"Key": "team", "ResourceId": group, "ResourceType": "auto-scaling-group"}
    tag |= {"PropagateAtLaunch": False}  # type: ignore[dict-item]
    scaling.put_scheduled_update_group_action(
        ScheduledActionName="night", Recurrence="0 20 * * *", MinSize=1, **named
    )
    scaling.put_scaling_policy(
        PolicyName="busy", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1, **named
    )
    scaling.put_lifecycle_hook(
        LifecycleHookName="farewell",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=30,
        **named,
    )
    scaling.put_notification_configuration(
        TopicARN=TOPIC, NotificationTypes=["autoscaling:EC2_INSTANCE_LAUNCH"], **named
    )
    scaling.suspend_processes(ScalingProcesses=["AZRebalance"], **named)
    scaling.create_or_update_tags(Tags=[{**tag, "Value": "shop"}])
    yield group
    scaling.delete_scheduled_action(ScheduledActionName="night", **named)
    scaling.delete_policy(PolicyName="busy", **named)
    scaling.delete_lifecycle_hook(LifecycleHookName="farewell", **named)
    scaling.delete_notification_configuration(TopicARN=TOPIC, **named)
    scaling.resume_processes(ScalingProcesses=["AZRebalance"], **named)
    scaling.delete_tags(Tags=[tag])


@pytest.mark.long
def test_what_people_attached_to_the_serving_group_is_listed(case: Case, by_hand: str) -> None:
    planned = case.site.run("promote", "--plan", "--allow-quarantined", "--image", case.image)
    assert planned.code == 0, planned.err
    found = {each["where"]: each["what"] for each in planned.document["findings"]}
    assert found[f"server group {by_hand}"] == (
        "has what the next release will not have: scheduled action night; scaling policy busy; "
        f"lifecycle hook farewell; notification {TOPIC}; suspended process AZRebalance; tag team"
    )
    assert found[f"server group {by_hand}"] in planned.err
