"""How a group behaves: sizes, load balancers, subnets, health checks, tags, and the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.core.adoption.model import Described, Gap, Part, RunningGroup, other_settings, present

MOST_TAGS: Final = 40
MOST_INSTANCES: Final = 1000
"""The most that pipeline.toml takes as a size."""
_RESERVED: Final = re.compile(r"(aws|ami-pipeline):", re.IGNORECASE)
_READ: Final = frozenset(
    {
        "AutoScalingGroupARN",
        "AutoScalingGroupName",
        "AvailabilityZoneIds",
        "AvailabilityZones",
        "CreatedTime",
        "DefaultInstanceWarmup",
        "DesiredCapacity",
        "EnabledMetrics",
        "HealthCheckGracePeriod",
        "HealthCheckType",
        "Instances",
        "LaunchConfigurationName",
        "LaunchTemplate",
        "LoadBalancerNames",
        "MaxInstanceLifetime",
        "MaxSize",
        "MinSize",
        "MixedInstancesPolicy",
        "PredictedCapacity",
        "Status",
        "SuspendedProcesses",
        "Tags",
        "TargetGroupARNs",
        "TerminationPolicies",
        "TrafficSources",
        "VPCZoneIdentifier",
        "WarmPoolSize",
    }
)
_USUAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "AvailabilityZoneDistribution": ({"CapacityDistributionStrategy": "balanced-best-effort"},),
    "AvailabilityZoneImpairmentPolicy": (
        {"ZonalShiftEnabled": False},
        {"ZonalShiftEnabled": False, "ImpairedZoneHealthCheckBehavior": "IgnoreUnhealthy"},
    ),
    "CapacityReservationSpecification": ({"CapacityReservationPreference": "default"},),
    "DefaultCooldown": (300,),
    "DeletionProtection": ("none",),
    "DesiredCapacityType": ("units",),
    "InstanceLifecyclePolicy": ({"RetentionTriggers": {"TerminateHookAbandon": "terminate"}},),
}
"""What a group has without these settings (API Reference, CreateAutoScalingGroup)."""
_SERVICE_ROLE: Final = "/AWSServiceRoleForAutoScaling"


def settings(running: RunningGroup) -> Part:
    """Return the keys of the environment: account, sizes, load balancers and target groups."""
    group = running.group
    arn = str(group.get("AutoScalingGroupARN", "")).split(":")
    account = arn[4] if len(arn) > 4 and re.fullmatch(r"\d{12}", arn[4]) else None  # noqa: PLR2004 - its place in an ARN
    sizes, gaps = _sizes(group)
    sources = list(_sources(group))
    values = {
        "account": account,
        **sizes,
        "load_balancers": [name for kind, name in sources if kind == "elb"],
        "target_groups": [name for kind, name in sources if kind == "elbv2"],
    }
    others = [
        Gap(setting=f"traffic source of type {kind}", group=name, release="is not attached to it")
        for kind, name in sources
        if kind not in ("elb", "elbv2")
    ]
    kept = {key: value for key, value in values.items() if value is not None}
    return Part(values=kept, gaps=(*gaps, *others))


def _sizes(group: Described) -> tuple[dict[str, int], list[Gap]]:
    """Return the sizes that pipeline.toml takes: a maximum and a desired size of 1 or more."""
    low, high, desired = (int(group[key]) for key in ("MinSize", "MaxSize", "DesiredCapacity"))
    if high > MOST_INSTANCES or not low <= desired <= high:
        gap = Gap(
            setting="sizes",
            group=f"{low} to {high}, {desired} now",
            release="needs min_size, max_size and desired_capacity of at most 1000",
        )
        return {}, [gap]
    given = {"min_size": low, "max_size": high, "desired_capacity": desired}
    sizes = {key: size for key, size in given.items() if size or key == "min_size"}
    if "desired_capacity" in sizes:
        return sizes, []
    gap = Gap(
        setting="sizes", group=f"{low} to {high}, 0 now", release="starts with 1 instance or more"
    )
    return sizes, [gap]


def _sources(group: Described) -> Iterator[tuple[str, str]]:
    """Yield each traffic source once, by whichever call it was attached, with its type."""
    pairs = [
        *(("elb", each) for each in group.get("LoadBalancerNames") or []),
        *(("elbv2", each) for each in group.get("TargetGroupARNs") or []),
    ]
    known = {name for _, name in pairs}
    for each in group.get("TrafficSources") or []:
        kind = each.get("Type") or ("elbv2" if ":targetgroup/" in each["Identifier"] else "elb")
        if each["Identifier"] not in known:
            pairs.append((kind, each["Identifier"]))
    yield from dict.fromkeys(pairs)


def behavior(running: RunningGroup) -> Part:
    """Return the inputs that describe the group itself."""
    group = running.group
    subnets = [each.strip() for each in (group.get("VPCZoneIdentifier") or "").split(",")]
    policies = list(group.get("TerminationPolicies") or [])
    checks = group.get("HealthCheckType") or "EC2"
    values = {
        "subnet_ids": [each for each in subnets if re.fullmatch(r"subnet-[0-9a-f]+", each)],
        "health_check_type": "ELB" if "ELB" in checks.split(",") else "EC2",
        "health_check_grace_period": group.get("HealthCheckGracePeriod"),
        "default_instance_warmup": group.get("DefaultInstanceWarmup"),
        "deregistration_delay": running.drain_seconds,
        "termination_policies": None if policies == ["Default"] else policies,
        "max_instance_lifetime": group.get("MaxInstanceLifetime") or None,
        "enabled_metrics": sorted({each["Metric"] for each in group.get("EnabledMetrics") or []}),
    }
    gaps = [
        *_health_gaps(checks),
        *_suspended(group),
        *other_settings(_without_usual_role(group), _READ, _USUAL),
    ]
    return Part(values=present(values), gaps=tuple(gaps))


def _without_usual_role(group: Described) -> Described:
    is_usual = str(group.get("ServiceLinkedRoleARN", "")).endswith(_SERVICE_ROLE)
    return {key: group[key] for key in group if not (is_usual and key == "ServiceLinkedRoleARN")}


def _health_gaps(checks: str) -> Iterator[Gap]:
    if others := set(checks.split(",")) - {"EC2", "ELB"}:
        yield Gap(
            setting="health checks", group=", ".join(sorted(others)), release="has EC2 or ELB"
        )


def _suspended(group: Described) -> Iterator[Gap]:
    names = sorted(each["ProcessName"] for each in group.get("SuspendedProcesses") or [])
    if names:
        release = "runs all processes"
        yield Gap(setting="suspended processes", group=", ".join(names), release=release)


# --- tags -----------------------------------------------------------------------------------------


def tags(running: RunningGroup) -> Part:
    """Return the tags of the group and its instances, which a release gives to all it creates."""
    of_group = {each["Key"]: each.get("Value") or "" for each in running.group.get("Tags") or []}
    launched = _launched_tags(running)
    merged = {**of_group, **launched}
    usable = {key: merged[key] for key in merged if key != "Name" and not _RESERVED.match(key)}
    kept = dict(sorted(usable.items())[:MOST_TAGS])
    only = sorted(key for key in kept if key not in launched)
    return Part(values=present({"tags": kept}), gaps=tuple(_tag_gaps(merged, kept, usable, only)))


def _launched_tags(running: RunningGroup) -> dict[str, str]:
    """Return the tags of a new instance: the template's, then the group's that propagate."""
    found = {
        tag["Key"]: tag.get("Value") or ""
        for each in running.launch.get("TagSpecifications") or []
        for tag in each.get("Tags") or []
    }
    for each in running.group.get("Tags") or []:
        if each.get("PropagateAtLaunch"):
            found[each["Key"]] = each.get("Value") or ""
    return found


def _tag_gaps(
    merged: Mapping[str, str], kept: Mapping[str, str], usable: Mapping[str, str], only: list[str]
) -> Iterator[Gap]:
    if "Name" in merged:
        yield Gap(setting="tag Name", group=merged["Name"], release="is named after its number")
    if only:
        yield Gap(
            setting="tags of the group only",
            group=", ".join(only),
            release="gives them to its instances, too",
        )
    if dropped := sorted(set(usable) - set(kept)):
        release = f"has at most {MOST_TAGS} tags of yours"
        yield Gap(setting="tags", group=", ".join(dropped), release=release)
