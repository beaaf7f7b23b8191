"""Traffic and groups that the configuration does not name, with the real command line under load.

The Terraform stand-in creates the groups; the load balancers are real.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST, Balancer, wait_for_exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.matrix import Case

pytestmark = pytest.mark.timeout(LONGEST + 20)
REFUSED = 3
NUMBERS = count(1)


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
