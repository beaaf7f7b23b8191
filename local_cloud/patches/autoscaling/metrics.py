"""Report the sizes of groups whose metrics are enabled.

Source: EC2 Auto Scaling User Guide, "Amazon CloudWatch metrics for Amazon EC2 Auto Scaling".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from local_cloud.metrics.distribution import Distribution
from local_cloud.metrics.store import Metric

if TYPE_CHECKING:
    from local_cloud.groups.regions import Regions
    from local_cloud.scaling.model import Group

NAMESPACE = "AWS/AutoScaling"


def sample(regions: Regions) -> Iterator[tuple[Metric, Distribution]]:
    """Yield one sample of each enabled metric of each group."""
    for region in regions.all():
        for group in region.groups.values():
            yield from of_group(group)


def of_group(group: Group) -> Iterator[tuple[Metric, Distribution]]:
    """Yield the enabled metrics of a group."""
    region, account = group.settings.arn.split(":")[3:5]
    dimensions = (("AutoScalingGroupName", group.name),)
    for name, value in sizes(group).items():
        if name in group.settings.metrics:
            metric = Metric(account, region, NAMESPACE, name, dimensions)
            yield metric, Distribution.of({float(value): 1})


def sizes(group: Group) -> Mapping[str, int]:
    """Return the sizes of a group, and its members by state, as the metrics are named."""
    states = [member.lifecycle_state for member in group.members]

    def count(state: str) -> int:
        return sum(each.startswith(state) for each in states)

    return {
        "GroupMinSize": group.settings.min_size,
        "GroupMaxSize": group.settings.max_size,
        "GroupDesiredCapacity": group.settings.desired_capacity,
        "GroupInServiceInstances": count("InService"),
        "GroupPendingInstances": count("Pending"),
        "GroupStandbyInstances": count("Standby"),
        "GroupTerminatingInstances": count("Terminating"),
        "GroupTotalInstances": len(states),
    }
