"""Read groups and scaling activities from Auto Scaling; the only parser of both.

DescribeAutoScalingGroups has odd shapes: mixed instances policies, launch configurations, and
load balancers attached by three different calls. `groups.py` changes groups, this module does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from math import ceil
from typing import Any

from pipeline.adapters.aws.ec2 import read_tags, read_time
from pipeline.adapters.aws.retry import batches, call, error_code, items
from pipeline.core.health.observation import Activity, Member, ObservedGroup

GROUPS = 100
"""Groups in a call, the most AWS takes (with MaxRecords; without, 50)."""

ACTIVITIES = 100
"""Activities read of a group, the most AWS returns in a page.

Activities in progress come first, one for each starting instance. A shorter page of a large group
would hold none of those that failed.
"""

Described = Mapping[str, Any]


TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
"""The transition of a hook that holds instances before they are terminated."""


def read_groups(client: Any, names: Sequence[str]) -> dict[str, ObservedGroup]:
    """Return those of these groups that exist, by name.

    Without names there is no call: AWS would describe every group of the region.
    """
    found: dict[str, ObservedGroup] = {}
    for batch in batches(names, GROUPS):
        described = _describe(client, AutoScalingGroupNames=list(batch))
        found |= {each.name: each for each in map(parse_group, described)}
    return found


def read_all_groups(client: Any) -> Iterator[ObservedGroup]:
    """Yield every group of the region."""
    return map(parse_group, _describe(client))


def read_launch_sources(client: Any) -> Iterator[tuple[str, str, str]]:
    """Yield group, launch template and version, of each group itself and of its members.

    An override of a mixed instances policy may have a template of its own (API Reference,
    LaunchTemplateOverrides).
    """
    for each in _describe(client):
        mixed = (each.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
        others = (
            {"LaunchTemplate": one.get("LaunchTemplateSpecification")}
            for one in mixed.get("Overrides", [])
            if one.get("LaunchTemplateSpecification")
        )
        sources = {launch_source(one) for one in (each, *each.get("Instances", []), *others)}
        for template, version in sorted(sources):
            yield each["AutoScalingGroupName"], template, version


def _describe(client: Any, **arguments: Any) -> Iterator[Described]:
    describe = client.describe_auto_scaling_groups
    return items(describe, "AutoScalingGroups", **arguments, MaxRecords=GROUPS)


def read_activities(client: Any, group: str) -> tuple[Activity, ...]:
    """Return the newest activities of a group, those in progress first: as many as a full page.

    A page may have fewer than AWS was asked for, or none, and yet not be the last. A group that
    does not exist has none: the local cloud returns an empty list, AWS a ValidationError
    (terraform-provider-aws searches it for "not found").
    """
    from botocore.exceptions import ClientError

    try:
        described = items(
            client.describe_scaling_activities, "Activities", **activity_arguments(group)
        )
        return tuple(map(_activity, islice(described, ACTIVITIES)))
    except ClientError as error:
        if error_code(error) == "ValidationError" and "not found" in str(error):
            return ()
        raise


def read_hold(client: Any, group: str) -> float:
    """Return the longest heartbeat timeout of a group's termination hooks, in seconds; 0 for none.

    A group that does not exist has none: AWS returns a ValidationError.
    """
    from botocore.exceptions import ClientError

    try:
        hooks = call(client.describe_lifecycle_hooks, AutoScalingGroupName=group)["LifecycleHooks"]
    except ClientError as error:
        if error_code(error) == "ValidationError":
            return 0.0
        raise
    ends = [each for each in hooks if each.get("LifecycleTransition") == TERMINATING]
    return max((float(each.get("HeartbeatTimeout", 3600)) for each in ends), default=0.0)


def activity_arguments(group: str) -> dict[str, Any]:
    """Return the arguments of DescribeScalingActivities for one page of a group's activities."""
    return {"AutoScalingGroupName": group, "MaxRecords": ACTIVITIES}


def parse_activities(responses: Iterable[Described]) -> tuple[Activity, ...]:
    """Return the first activities in the pages of DescribeScalingActivities."""
    described = (each for response in responses for each in response["Activities"])
    return tuple(map(_activity, islice(described, ACTIVITIES)))


def parse_group(described: Described) -> ObservedGroup:
    """Return a group of DescribeAutoScalingGroups.

    `created` is AWS's CreatedTime, UTC, ISO 8601. `template` is an id wherever AWS gives one, for
    a group as for its members; `version` stays `$Latest` or `$Default` if the group says so.
    """
    template, version = launch_source(described)
    members = tuple(map(_member, described.get("Instances", [])))
    sizes = [described[each] for each in ("MinSize", "MaxSize", "DesiredCapacity")]
    weighted = _is_weighted(described)
    minimum, maximum, desired = _instances(sizes, members) if weighted else sizes
    return ObservedGroup(
        name=described["AutoScalingGroupName"],
        minimum=minimum,
        maximum=maximum,
        desired=desired,
        weighted=weighted,
        template=template,
        version=version,
        members=members,
        attached=_attached(described),
        status=described.get("Status") or "",
        suspended=_suspended(described),
        health_check=described.get("HealthCheckType", "EC2"),
        created=_time(described.get("CreatedTime")),
        zones=frozenset(described.get("AvailabilityZones", [])),
        tags=read_tags(described),
        protection=_protection(described),
        subnets=tuple(filter(None, described.get("VPCZoneIdentifier", "").split(","))),
    )


def _is_weighted(described: Described) -> bool:
    """Return True if the group's size counts weights, vCPUs or memory instead of instances.

    API Reference, LaunchTemplateOverrides ("WeightedCapacity") and CreateAutoScalingGroup
    ("DesiredCapacityType").
    """
    mixed = (described.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    weights = {each.get("WeightedCapacity") for each in mixed.get("Overrides") or []}
    return bool(weights - {None, "1"}) or described.get("DesiredCapacityType") in _UNITS


_UNITS = frozenset({"vcpu", "memory-mib"})


def _instances(sizes: Sequence[int], members: Sequence[Member]) -> list[int]:
    """Return minimum, maximum and desired capacity in instances, as large as those of now are."""
    *_, desired = sizes
    if not desired:
        return list(sizes)
    there = max(1, sum(not each.lifecycle.startswith(_LEAVING) for each in members))
    return [ceil(size * there / desired) for size in sizes]


_LEAVING = ("Terminat", "Standby", "EnteringStandby", "Detach", "Warmed")


def _protection(described: Described) -> str:
    found = described.get("DeletionProtection") or ""
    return "" if found == "none" else str(found)


def _suspended(described: Described) -> frozenset[str]:
    return frozenset(each["ProcessName"] for each in described.get("SuspendedProcesses", []))


def launch_source(described: Described) -> tuple[str, str]:
    """Return template and version of a group or an instance; a configuration has no version."""
    mixed = (described.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    template = described.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification") or {}
    name = template.get("LaunchTemplateId") or template.get("LaunchTemplateName")
    return name or described.get("LaunchConfigurationName") or "", template.get("Version") or ""


def _member(described: Described) -> Member:
    template, version = launch_source(described)
    return Member(
        id=described["InstanceId"],
        lifecycle=described.get("LifecycleState", ""),
        health=described.get("HealthStatus", ""),
        template=template,
        version=version,
        zone=described.get("AvailabilityZone", ""),
        protected=described.get("ProtectedFromScaleIn", False),
    )


def _attached(described: Described) -> frozenset[str]:
    """Return every load balancer of a group, by whichever call it was attached.

    TrafficSources holds all of them (API Reference, AttachTrafficSources). The older fields cover
    a group that was attached before TrafficSources existed.
    """
    sources = (source["Identifier"] for source in described.get("TrafficSources", []))
    return frozenset(
        [
            *sources,
            *described.get("LoadBalancerNames", []),
            *described.get("TargetGroupARNs", []),
        ]
    )


def _activity(described: Described) -> Activity:
    return Activity(
        id=described["ActivityId"],
        status=described.get("StatusCode", ""),
        description=described.get("Description", ""),
        cause=described.get("Cause", ""),
        message=described.get("StatusMessage") or "",
        began=_time(described.get("StartTime")),
    )


def _time(said: datetime | str | None) -> str:
    moment = read_time(said)
    return moment.isoformat(timespec="seconds") if moment else ""
