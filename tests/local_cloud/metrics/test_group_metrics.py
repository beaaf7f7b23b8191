"""The metrics of Auto Scaling groups."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from local_cloud.patches.autoscaling.metrics import of_group, sizes
from local_cloud.scaling.model import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

ARN = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:1:autoScalingGroupName/web"


def a_group(states: Sequence[str], metrics: Sequence[str] = ()) -> Group:
    settings = SimpleNamespace(
        name="web", arn=ARN, min_size=1, max_size=9, desired_capacity=3, metrics=list(metrics)
    )
    members: list[Any] = [SimpleNamespace(lifecycle_state=each) for each in states]
    return Group(settings=settings, members=members)


def test_members_are_counted_by_state() -> None:
    group = a_group(["InService", "InService", "Pending:Wait", "Terminating", "Standby"])
    assert sizes(group) == {
        "GroupMinSize": 1,
        "GroupMaxSize": 9,
        "GroupDesiredCapacity": 3,
        "GroupInServiceInstances": 2,
        "GroupPendingInstances": 1,
        "GroupStandbyInstances": 1,
        "GroupTerminatingInstances": 1,
        "GroupTotalInstances": 5,
    }


def test_only_enabled_metrics_of_a_group_are_sampled() -> None:
    group = a_group(["InService"], metrics=["GroupInServiceInstances", "GroupTotalCapacity"])
    [(metric, values)] = of_group(group)
    assert metric == (
        "123456789012",
        "us-east-1",
        "AWS/AutoScaling",
        "GroupInServiceInstances",
        (("AutoScalingGroupName", "web"),),
    )
    assert values.values == {1.0: 1}
