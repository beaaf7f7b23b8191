"""Groups and activities as Auto Scaling describes them, read and made into the core's values.

Apart from `groups`, which changes them: the odd shapes are here, mixed instances policies, launch
configurations, sources that were attached by three different calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.adapters.aws.balancers import batches
from pipeline.adapters.aws.client import call, error_code
from pipeline.core.health.observation import Activity, Member, ObservedGroup

GROUPS = 100
"""Groups in a call, the most AWS takes (with MaxRecords; without, 50)."""

ACTIVITIES = 100
"""Activities read of a group, the most AWS gives in a page.

Those in progress come first and every member has one: a shorter page of a group that boots many
members would hold none of those that failed.
"""

Said = Mapping[str, Any]


def read_groups(client: Any, names: Sequence[str]) -> dict[str, ObservedGroup]:
    """Return those of these groups that AWS knows, by name.

    No names, no call: AWS would describe every group of the account.
    """
    found: dict[str, ObservedGroup] = {}
    for batch in batches(names, GROUPS):
        asked = {"AutoScalingGroupNames": list(batch), "MaxRecords": GROUPS}
        page = call(client.describe_auto_scaling_groups, **asked)
        found |= _by_name(page)
        while token := page.get("NextToken"):
            page = call(client.describe_auto_scaling_groups, **asked, NextToken=token)
            found |= _by_name(page)
    return found


def _by_name(page: Said) -> dict[str, ObservedGroup]:
    seen = map(group_seen, page["AutoScalingGroups"])
    return {group.name: group for group in seen}


def read_activities(client: Any, group: str) -> tuple[Activity, ...]:
    """Return the newest activities of a group, those in progress first; one page.

    Of a group that is not there, none: the local cloud answers an empty list, and AWS is known
    to refuse (terraform-provider-aws looks for "not found" in a ValidationError).
    """
    from botocore.exceptions import ClientError

    ask = client.describe_scaling_activities
    try:
        page = call(ask, AutoScalingGroupName=group, MaxRecords=ACTIVITIES)
    except ClientError as error:
        if error_code(error) == "ValidationError" and "not found" in str(error):
            return ()
        raise
    return tuple(map(activity, page["Activities"]))


def group_seen(said: Said) -> ObservedGroup:
    """Return a group of DescribeAutoScalingGroups.

    `created` is AWS's CreatedTime, UTC, ISO 8601. `template` is an id wherever AWS gives one, for
    a group as for its members; `version` stays `$Latest` or `$Default` where the group says so.
    """
    template, version = launched_from(said)
    return ObservedGroup(
        name=said["AutoScalingGroupName"],
        minimum=said["MinSize"],
        maximum=said["MaxSize"],
        desired=said["DesiredCapacity"],
        template=template,
        version=version,
        members=tuple(_member(each) for each in said.get("Instances", [])),
        attached=_attached(said),
        status=said.get("Status") or "",
        suspended=frozenset(each["ProcessName"] for each in said.get("SuspendedProcesses", [])),
        health_check=said.get("HealthCheckType", "EC2"),
        created=_time(said.get("CreatedTime")),
        zones=frozenset(said.get("AvailabilityZones", [])),
        tags={tag["Key"]: tag.get("Value", "") for tag in said.get("Tags", [])},
    )


def launched_from(said: Said) -> tuple[str, str]:
    """Return template and version of a group or an instance; a launch configuration has none."""
    mixed = (said.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    template = said.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification") or {}
    name = template.get("LaunchTemplateId") or template.get("LaunchTemplateName")
    return name or said.get("LaunchConfigurationName") or "", template.get("Version") or ""


def _member(said: Said) -> Member:
    template, version = launched_from(said)
    return Member(
        id=said["InstanceId"],
        lifecycle=said.get("LifecycleState", ""),
        health=said.get("HealthStatus", ""),
        template=template,
        version=version,
        zone=said.get("AvailabilityZone", ""),
    )


def _attached(said: Said) -> frozenset[str]:
    """A source may have been attached by its own call or as a traffic source; one list is enough.

    TrafficSources holds all of them (API Reference, AttachTrafficSources), and the older fields
    are read too, for a group that was attached before there were any.
    """
    sources = (source["Identifier"] for source in said.get("TrafficSources", []))
    return frozenset(
        [*sources, *said.get("LoadBalancerNames", []), *said.get("TargetGroupARNs", [])]
    )


def activity(said: Said) -> Activity:
    """Return an activity of DescribeScalingActivities."""
    return Activity(
        id=said["ActivityId"],
        status=said.get("StatusCode", ""),
        description=said.get("Description", ""),
        cause=said.get("Cause", ""),
        message=said.get("StatusMessage") or "",
        began=_time(said.get("StartTime")),
    )


def _time(moment: datetime | None) -> str:
    """Return AWS's time in UTC: botocore gives it in the zone of this machine."""
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""
