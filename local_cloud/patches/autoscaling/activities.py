"""Patch DescribeScalingActivities, which moto leaves empty, and the calls that list types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from local_cloud.patches.autoscaling.pages import page
from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.scaling import activities, balance, lifecycle, processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.scaling.model import Activity

# API Reference, DescribeScalingProcessTypes, DescribeTerminationPolicyTypes,
# DescribeAdjustmentTypes and DescribeLifecycleHookTypes; moto has none of these.
TYPES: dict[str, dict[str, Any]] = {
    "describe_scaling_process_types": {
        "Processes": [{"ProcessName": name} for name in sorted(processes.NAMES)]
    },
    "describe_termination_policy_types": {"TerminationPolicyTypes": sorted(balance.POLICIES)},
    "describe_adjustment_types": {
        "AdjustmentTypes": [
            {"AdjustmentType": name}
            for name in ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")
        ]
    },
    "describe_lifecycle_hook_types": {
        "LifecycleHookTypes": [lifecycle.LAUNCHING, lifecycle.TERMINATING]
    },
}


def constant(types: dict[str, Any]) -> Callable[..., ActionResult]:
    """Return a patch that answers the same every time."""

    def answer(_original: Callable[..., Any] | None, _response: Any) -> ActionResult:
        return ActionResult(types)

    return answer


for _name, _types in TYPES.items():
    patch(AutoScalingResponse, _name)(constant(_types))


# "Activities are sorted by start time. Activities still in progress are described first";
# those of deleted groups only with IncludeDeletedGroups (API Reference).
@answers(AutoScalingResponse, "describe_scaling_activities")
def describe(context: Context, _original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe activities."""
    params = response.params
    region = context.regions.of(response.autoscaling_backend)
    found = [
        activity
        for activity in activities.newest_first(region.activities)
        if is_requested(activity, params)
    ]
    shown, token = short_page(found, params, context.cloud.quotas.limit("records-per-page"))
    return ActionResult({"Activities": shown, "NextToken": token})


# A page may have fewer records than MaxRecords, or none, and a token for the next (API Reference,
# DescribeScalingActivities, NextToken). Rare on AWS; here it happens if a test lowers the limit.
def short_page(
    found: list[Activity], params: dict[str, Any], most: int
) -> tuple[list[Activity], str | None]:
    """Return a page with at most this many records; with 0 the first page is empty."""
    if found and not most and not params.get("NextToken"):
        return [], "0"
    return page(found, params, min(max(most, 1), 100))


def is_requested(activity: Activity, params: dict[str, Any]) -> bool:
    """Return True if a call requests an activity."""
    name, ids = params.get("AutoScalingGroupName"), params.get("ActivityIds")
    arn = activity.auto_scaling_group_arn
    return (
        (not ids or activity.activity_id in ids)
        and (not name or name in {activity.auto_scaling_group_name, arn})
        and (bool(params.get("IncludeDeletedGroups")) or not activity.auto_scaling_group_state)
        and all(passes(activity, condition) for condition in params.get("Filters") or [])
    )


def passes(activity: Activity, condition: dict[str, Any]) -> bool:
    """Return True if an activity passes a filter."""
    values = condition.get("Values") or []
    match condition.get("Name"):
        case "Status":
            return activity.status_code in values
        case "StartTimeLowerBound":
            return all(activity.start_time >= activities.moment(value) for value in values)
        case "StartTimeUpperBound":
            return all(activity.start_time <= activities.moment(value) for value in values)
    return True
