"""Policies, schedules, lifecycle hooks and notifications of a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.core.adoption.model import Described, Gap, Part, RunningGroup, joined, present, shown

_METRICS: Final = {
    "ASGAverageCPUUtilization": "cpu",
    "ASGAverageNetworkIn": "network_in",
    "ASGAverageNetworkOut": "network_out",
    "ALBRequestCountPerTarget": "requests",
}
_TRANSITION: Final = "autoscaling:EC2_INSTANCE_"
_FIELDS: Final = 5
"""Fields of a cron expression, which the module requires."""


def scaling(running: RunningGroup) -> Part:
    """Return scaling policies, schedules and lifecycle hooks by the module's inputs."""
    return joined(
        _policies(running),
        _schedules(running),
        _hooks(running),
        Part(values={}, gaps=tuple(_notification(each) for each in running.notifications)),
    )


# --- policies -------------------------------------------------------------------------------------


def _policies(running: RunningGroup) -> Part:
    found = {each["PolicyName"]: _policy(each, running.group) for each in running.policies}
    gaps = [_policy_gap(each) for each in running.policies if found[each["PolicyName"]] is None] + [
        gap for each in running.policies if found[each["PolicyName"]] for gap in _details(each)
    ]
    kept = {name: policy for name, policy in found.items() if policy}
    return Part(values=present({"scaling_policies": kept}), gaps=tuple(gaps))


def _policy(described: Described, group: Described) -> dict[str, Any] | None:
    """Return a policy of target tracking; None for one that the module cannot express."""
    tracking = described.get("TargetTrackingConfiguration") or {}
    metric = tracking.get("PredefinedMetricSpecification") or {}
    kind = _METRICS.get(metric.get("PredefinedMetricType", ""))
    target_group = _target_group(metric.get("ResourceLabel") or "", group)
    if kind is None or described.get("Enabled") is False:
        return None
    if kind == "requests" and not target_group:
        return None
    return present(
        {
            "metric": kind,
            "target": tracking["TargetValue"],
            "target_group_arn": target_group if kind == "requests" else None,
            "disable_scale_in": True if tracking.get("DisableScaleIn") else None,
        }
    )


def _target_group(label: str, group: Described) -> str:
    """Return the ARN of the group's target group that a resource label ends with."""
    _, found, rest = label.partition("/targetgroup/")
    arns = group.get("TargetGroupARNs") or []
    return next((arn for arn in arns if found and arn.endswith(f":targetgroup/{rest}")), "")


def _policy_gap(described: Described) -> Gap:
    kind = described.get("PolicyType") or "SimpleScaling"
    state = ", disabled" if described.get("Enabled") is False else ""
    return Gap(
        setting=f"policy {described['PolicyName']}",
        group=f"{kind}{state}",
        release="does not have it: the module has target tracking of four metrics",
    )


def _details(described: Described) -> Iterator[Gap]:
    if warmup := described.get("EstimatedInstanceWarmup"):
        yield Gap(
            setting=f"policy {described['PolicyName']}",
            group=f"warmup of {warmup} s",
            release="has default_instance_warmup for all policies",
        )


# --- schedules ------------------------------------------------------------------------------------


def _schedules(running: RunningGroup) -> Part:
    found = {each["ScheduledActionName"]: _schedule(each) for each in running.schedules}
    gaps = (
        Gap(
            setting=f"schedule {each['ScheduledActionName']}",
            group=_when(each),
            release="does not have it: the module has recurring schedules without an end",
        )
        for each in running.schedules
        if found[each["ScheduledActionName"]] is None
    )
    kept = {name: schedule for name, schedule in found.items() if schedule}
    return Part(values=present({"schedules": kept}), gaps=tuple(gaps))


def _schedule(described: Described) -> dict[str, Any] | None:
    fields = (described.get("Recurrence") or "").split()
    names = {"min_size": "MinSize", "max_size": "MaxSize", "desired_capacity": "DesiredCapacity"}
    sizes = {name: described.get(key) for name, key in names.items()}
    set_sizes = {name: size for name, size in sizes.items() if size is not None}
    if len(fields) != _FIELDS or described.get("EndTime") or not set_sizes:
        return None
    zone = present({"time_zone": described.get("TimeZone")})
    return {"recurrence": " ".join(fields), **zone, **set_sizes}


def _when(described: Described) -> str:
    keys = ("Recurrence", "StartTime", "EndTime", "MinSize", "MaxSize", "DesiredCapacity")
    return shown({key: described[key] for key in keys if described.get(key) is not None})


# --- hooks and notifications ----------------------------------------------------------------------


def _hooks(running: RunningGroup) -> Part:
    return Part(values=present({"lifecycle_hooks": [_hook(each) for each in running.hooks]}))


def _hook(described: Described) -> Mapping[str, Any]:
    transition = described["LifecycleTransition"].removeprefix(_TRANSITION).lower()
    return present(
        {
            "name": described["LifecycleHookName"],
            "transition": transition,
            "heartbeat_timeout": described.get("HeartbeatTimeout"),
            "default_result": described.get("DefaultResult"),
            "notification_metadata": described.get("NotificationMetadata"),
            "notification_target_arn": described.get("NotificationTargetARN"),
            "role_arn": described.get("RoleARN"),
        }
    )


def _notification(described: Described) -> Gap:
    return Gap(
        setting="notification",
        group=f"{described.get('NotificationType', '')} to {described.get('TopicARN', '')}",
        release="sends none",
    )
