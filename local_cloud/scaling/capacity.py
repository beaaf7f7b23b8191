"""Check and change the size of a group, and record what changed it.

EC2 Auto Scaling API Reference, CreateAutoScalingGroup, UpdateAutoScalingGroup,
SetDesiredCapacity; the causes are those of "Verify a scaling activity".
"""

from __future__ import annotations

import datetime as dt

from local_cloud.scaling import activities, retries
from local_cloud.scaling.errors import RefusedRequestError, invalid
from local_cloud.scaling.model import Group

BY_CREATION = "a user request created an AutoScalingGroup"
BY_SETTING = "a user request explicitly set group desired capacity"


def check_bounds(minimum: int, maximum: int, desired: int) -> None:
    """Refuse sizes that contradict each other, in AWS's words."""
    if maximum < minimum:
        raise invalid(
            f"Max bound, {maximum}, must be greater than or equal to min bound, {minimum}"
        )
    if not minimum <= desired <= maximum:
        raise invalid(
            f"Desired capacity:{desired} must be between the specified min size:{minimum} "
            f"and max size:{maximum}"
        )


def check_desired(group: Group, desired: int) -> None:
    """Refuse a desired capacity outside the group's bounds, in AWS's words."""
    maximum, minimum = group.settings.max_size, group.settings.min_size
    prefix = f"New SetDesiredCapacity value {desired} is"
    if desired > maximum:
        raise invalid(f"{prefix} above max value {maximum} for the AutoScalingGroup.")
    if desired < minimum:
        raise invalid(f"{prefix} below min value {minimum} for the AutoScalingGroup.")


# With HonorCooldown a change during the cooldown, or beside another activity, is refused.
def check_cooldown(group: Group, now: dt.datetime, seconds: float) -> None:
    """Refuse a change while an activity is in progress or ended less than `seconds` ago."""
    for activity in group.activities:
        if activity.auto_scaling_group_arn != group.settings.arn:
            continue
        ended = activity.end_time
        if ended is None or (now - ended).total_seconds() < seconds:
            raise RefusedRequestError(
                "ScalingActivityInProgress",
                f"Scaling activity {activity.activity_id} is in progress and blocks this action",
            )


# "If you specify a new value for MinSize without specifying a value for DesiredCapacity, and the
# new MinSize is larger than the current size of the group, this sets the group's DesiredCapacity
# to the new MinSize value"; the same with MaxSize (API Reference, UpdateAutoScalingGroup).
def within(desired: int, minimum: int, maximum: int) -> int:
    """Return a desired capacity moved into new bounds."""
    return max(minimum, min(desired, maximum))


def by_constraints(minimum: int, maximum: int, desired: int, who: str = "a user request") -> str:
    """Return the cause of a change of the bounds."""
    return (
        f"{who} update of AutoScalingGroup constraints to min: {minimum}, max: {maximum}, "
        f"desired: {desired}"
    )


def resize(group: Group, desired: int, why: str, at: dt.datetime) -> None:
    """Set the desired capacity; `why` starts the cause, e.g. `a user request ...`."""
    before = group.settings.desired_capacity
    group.settings.desired_capacity = desired
    if desired != before:
        changed = f"changing the desired capacity from {before} to {desired}."
        group.requested = f"{activities.at(at)}{why} {changed}"
    retries.reset(group)
