"""Patch scaling policies: stored per group, executed on request.

No alarm executes them: the local cloud has no CloudWatch metrics of instances, and target tracking
does not create alarms.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.autoscaling.groups import (
    page,
    requested_group,
    requested_groups,
    set_capacity,
)
from local_cloud.patches.patching import patch
from local_cloud.scaling import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    Policy = dict[str, Any]

ADJUSTMENTS = ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")
REQUIRED = {
    "SimpleScaling": ("AdjustmentType", "ScalingAdjustment"),
    "StepScaling": ("AdjustmentType", "StepAdjustments"),
    "TargetTrackingScaling": ("TargetTrackingConfiguration",),
    "PredictiveScaling": ("PredictiveScalingConfiguration",),
}
# Parameters of one type of policy only (EC2 Auto Scaling API Reference, PutScalingPolicy).
ONLY = {
    "ScalingAdjustment": ("SimpleScaling",),
    "Cooldown": ("SimpleScaling",),
    "StepAdjustments": ("StepScaling",),
    "MetricAggregationType": ("StepScaling",),
    "EstimatedInstanceWarmup": ("StepScaling", "TargetTrackingScaling"),
    "TargetTrackingConfiguration": ("TargetTrackingScaling",),
    "PredictiveScalingConfiguration": ("PredictiveScaling",),
}
LAST = "local_cloud_last_policy"  # when a simple policy last changed the group


# PutScalingPolicy answers with PolicyARN and Alarms (EC2 Auto Scaling API Reference); moto
# answers with neither. A policy belongs to its group; in moto two groups cannot use one name.
@patch(AutoScalingResponse, "put_scaling_policy")
def put_policy(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Store a policy."""
    group, given = requested_group(response), response.params
    kind = given.get("PolicyType") or "SimpleScaling"
    check(kind, given)
    policies = settings.of(group).policies
    name = given["PolicyName"]
    known = policies.get(name, {})
    if known and known["PolicyType"] != kind:
        raise ValidationError(f"Policy {name} is of type {known['PolicyType']}, not {kind}")
    policies[name] = described(kind, given) | {
        "AutoScalingGroupName": group.name,
        "PolicyARN": known.get("PolicyARN") or new_arn(group, name),
    }
    return ActionResult({"PolicyARN": policies[name]["PolicyARN"], "Alarms": []})


def new_arn(group: Any, name: str) -> str:
    """Return the ARN of a new policy."""
    before = group.arn.split(":autoScalingGroup:")[0]
    return (
        f"{before}:scalingPolicy:{uuid.uuid4()}:autoScalingGroupName/{group.name}:policyName/{name}"
    )


def check(kind: str, given: Policy) -> None:
    """Refuse invalid settings."""
    if kind not in REQUIRED:
        raise ValidationError(f"Unknown PolicyType {kind}")
    for key in REQUIRED[kind]:
        if given.get(key) is None:
            raise ValidationError(f"{key} must be specified for policy type {kind}")
    for key, kinds in ONLY.items():
        if key in given and given[key] not in (None, []) and kind not in kinds:
            raise ValidationError(f"{key} is not supported by policy type {kind}")
    adjustment = given.get("AdjustmentType")
    if adjustment is not None and adjustment not in ADJUSTMENTS:
        raise ValidationError(f"Invalid AdjustmentType {adjustment}")
    if given.get("MinAdjustmentMagnitude") and adjustment != "PercentChangeInCapacity":
        raise ValidationError(
            "MinAdjustmentMagnitude is only supported by adjustment type PercentChangeInCapacity"
        )


# DescribePolicies shows the settings and Enabled, which is true by default. A step policy
# aggregates by Average by default (EC2 Auto Scaling API Reference). moto shows a predictive block
# and a cooldown but not Enabled, so every plan of Terraform shows a change.
def described(kind: str, given: Policy) -> Policy:
    """Describe a policy as DescribePolicies does."""
    keys = ("PolicyName", "AdjustmentType", "MinAdjustmentStep", "MinAdjustmentMagnitude", *ONLY)
    policy = {key: given[key] for key in keys if given.get(key) is not None}
    policy |= {
        "PolicyType": kind,
        "StepAdjustments": given.get("StepAdjustments") or [],
        "Alarms": [],
        "Enabled": given.get("Enabled") is not False,
    }
    if kind == "StepScaling":
        policy.setdefault("MetricAggregationType", "Average")
    if tracking := policy.get("TargetTrackingConfiguration"):
        policy["TargetTrackingConfiguration"] = {"DisableScaleIn": False, **tracking}
    return policy


@patch(AutoScalingResponse, "describe_policies")
def describe_policies(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe policies."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    names, kinds = param("PolicyNames", []), param("PolicyTypes", [])
    wanted = [
        policy
        for group in requested_groups(response)
        for policy in settings.of(group).policies.values()
        if (not names or policy["PolicyName"] in names or policy["PolicyARN"] in names)
        and (not kinds or policy["PolicyType"] in kinds)
    ]
    shown, token = page(response, wanted)
    return ActionResult({"ScalingPolicies": shown, "NextToken": token})


# DeletePolicy and ExecutePolicy take the name of a policy with its group, or its ARN (EC2
# Auto Scaling API Reference).
def requested_policy(response: Any) -> tuple[Any, Policy]:
    """Return the policy that a call names and its group, or refuse."""
    wanted = response._get_param("PolicyName")  # noqa: SLF001  moto's accessor
    if response._get_param("AutoScalingGroupName"):  # noqa: SLF001  the same
        requested_group(response)
    for group in requested_groups(response):
        for policy in settings.of(group).policies.values():
            if wanted in (policy["PolicyName"], policy["PolicyARN"]):
                return group, policy
    raise ValidationError(f"Policy {wanted} not found")


@patch(AutoScalingResponse, "delete_policy")
def delete_policy(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Delete a policy."""
    group, policy = requested_policy(response)
    del settings.of(group).policies[policy["PolicyName"]]
    return EmptyResult()


# ExecutePolicy changes the desired capacity within the group's bounds; a policy that is
# disabled is not executed; HonorCooldown refuses during the cooldown, with
# ScalingActivityInProgress (EC2 Auto Scaling API Reference).
@patch(AutoScalingResponse, "execute_policy")
def execute_policy(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Execute a policy."""
    group, policy = requested_policy(response)
    kind, name = policy["PolicyType"], policy["PolicyName"]
    if kind not in ("SimpleScaling", "StepScaling"):
        raise ValidationError(f"Policy type {kind} cannot be executed: {name}")
    if not policy["Enabled"]:
        raise ValidationError(f"Policy {name} is disabled")
    if response._get_bool_param("HonorCooldown") and is_cooling(group, policy):  # noqa: SLF001  moto's accessor
        raise AutoscalingClientError(
            "ScalingActivityInProgress", f"Group {group.name} is cooling down"
        )
    old = group.desired_capacity or 0
    new = bounded(group, adjusted(policy, old, adjustment_of(response, policy)))
    if new != old:
        setattr(group, LAST, dt.datetime.now(tz=dt.UTC))
        set_capacity(group, new, f"a user request executed policy {name}")
    return EmptyResult()


def is_cooling(group: Any, policy: Policy) -> bool:
    """Return True during the cooldown of a policy or its group."""
    last = getattr(group, LAST, None)
    seconds = float(policy.get("Cooldown", group.default_cooldown) or 0)
    return last is not None and (dt.datetime.now(tz=dt.UTC) - last).total_seconds() < seconds


def adjustment_of(response: Any, policy: Policy) -> int:
    """Return the adjustment of a policy, for the breach of the metric."""
    if policy["PolicyType"] == "SimpleScaling":
        return int(policy["ScalingAdjustment"])
    value = response._get_param("MetricValue")  # noqa: SLF001  moto's accessor
    threshold = response._get_param("BreachThreshold")  # noqa: SLF001  the same
    if value is None or threshold is None:
        raise ValidationError(
            "MetricValue and BreachThreshold must be specified for policy type StepScaling"
        )
    breach = float(value) - float(threshold)
    for step in policy["StepAdjustments"]:
        low = float(step.get("MetricIntervalLowerBound", -math.inf))
        high = float(step.get("MetricIntervalUpperBound", math.inf))
        if (low <= breach < high) if breach >= 0 else (low < breach <= high):
            return int(step["ScalingAdjustment"])
    return 0


# EC2 Auto Scaling User Guide, "Scaling adjustment types": a percentage is rounded toward
# zero, but a value below one is rounded to one.
def adjusted(policy: Policy, desired: int, by: int) -> int:
    """Return the capacity after a policy."""
    match policy["AdjustmentType"]:
        case "ExactCapacity":
            return by
        case "ChangeInCapacity":
            return desired + by
    change = desired * by / 100
    whole = math.copysign(max(math.floor(abs(change)), 1), change) if change else 0
    least = int(policy.get("MinAdjustmentMagnitude") or 0)
    return desired + int(math.copysign(max(abs(whole), least), by) if by else 0)


def bounded(group: Any, capacity: int) -> int:
    """Return a capacity moved into the group's bounds."""
    return int(min(max(capacity, group.min_size), group.max_size))
