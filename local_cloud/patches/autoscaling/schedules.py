"""Patch scheduled actions: stored per group, described as AWS does, and carried out on time.

moto stores them by name only and never carries one out. Times are absolute: the wall clock's, at
any speed of the cloud.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.autoscaling.groups import (
    is_suspended,
    page,
    requested_group,
    requested_groups,
    set_capacity,
)
from local_cloud.patches.patching import patch
from local_cloud.scaling import capacity, schedule, settings
from local_cloud.scaling.schedule import ScheduledAction, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Given = dict[str, Any]

log = logging.getLogger(__name__)

ACTOR = "a scheduled action"  # in the causes of activities
BATCH = 50  # BatchPutScheduledUpdateGroupAction, BatchDeleteScheduledAction: at most


# PutScheduledUpdateGroupAction: creates or updates by group and name (EC2 Auto Scaling
# API Reference); a parameter that is left out stays as it was.
@patch(AutoScalingResponse, "put_scheduled_update_group_action")
def put_one(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Store an action."""
    put_action(requested_group(response), response.params)
    return EmptyResult()


# BatchPutScheduledUpdateGroupAction and BatchDeleteScheduledAction answer 200 and list
# what failed (EC2 Auto Scaling API Reference).
@patch(AutoScalingResponse, "batch_put_scheduled_update_group_action")
def put_many(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Store actions; answer with those that could not be stored."""
    given = response.params.get("ScheduledUpdateGroupActions", [])
    group = requested_group(response)
    failed = each_of(given, lambda one: put_action(group, one), lambda one: one)
    return ActionResult({"FailedScheduledUpdateGroupActions": failed})


# DescribeScheduledActions: StartTime and EndTime limit the times to return and are ignored
# with names (EC2 Auto Scaling API Reference); a recurring action's StartTime is
# when it is due next (the same, example).
@patch(AutoScalingResponse, "describe_scheduled_actions")
def describe(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe actions."""
    described = [
        describe_action(group, action)
        for group in requested_groups(response)
        for action in settings.of(group).actions.values()
        if is_requested(response, action)
    ]
    described.sort(key=lambda one: one["StartTime"])
    shown, token = page(response, described)
    return ActionResult({"ScheduledUpdateGroupActions": shown, "NextToken": token})


@patch(AutoScalingResponse, "delete_scheduled_action")
def delete_one(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Delete an action."""
    delete_action(requested_group(response), response.params["ScheduledActionName"])
    return EmptyResult()


@patch(AutoScalingResponse, "batch_delete_scheduled_action")
def delete_many(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Delete actions; answer with those that do not exist."""
    group = requested_group(response)
    failed = each_of(
        response.params.get("ScheduledActionNames", []),
        lambda name: delete_action(group, name),
        lambda name: {"ScheduledActionName": name},
    )
    return ActionResult({"FailedScheduledActions": failed})


def step() -> bool:
    """Carry out the actions that are due; return True if a group changed."""
    due = [each for each in every_action() if each[2].due(now())]
    changed = [carry_out(*each) for each in due]
    return any(changed)


def now() -> dt.datetime:
    """Return the wall clock's time."""
    return dt.datetime.now(tz=dt.UTC)


def every_action() -> Iterator[tuple[Any, str, ScheduledAction]]:
    """Return every action with its group and name."""
    for account in autoscaling_backends.values():
        for backend in account.values():
            for group in backend.autoscaling_groups.values():
                for name, action in settings.of(group).actions.items():
                    yield group, name, action


# EC2 Auto Scaling User Guide, "Scheduled scaling": an action that is due while ScheduledActions
# is suspended is skipped; one without recurrence is deleted after it.
def carry_out(group: Any, name: str, action: ScheduledAction) -> bool:
    """Carry out an action; return True if the group changed."""
    actions = settings.of(group).actions
    if remaining := action.carried_out(now()):
        actions[name] = remaining
    else:
        del actions[name]
    if is_suspended(group, "ScheduledActions"):
        log.info("%s: %s is suspended, skipped", group.name, name)
        return False
    return resize(group, action)


def resize(group: Any, action: ScheduledAction) -> bool:
    """Resize a group by an action; an action that contradicts the bounds changes nothing."""
    before = Sizes(
        minimum=group.min_size, maximum=group.max_size, desired=group.desired_capacity or 0
    )
    after = before.changed_by(action)
    if after is None:
        log.warning("%s: %s contradicts the group's bounds", group.name, action.name)
        return False
    group.min_size, group.max_size = after.minimum, after.maximum
    why = capacity.by_constraints(after.minimum, after.maximum, after.desired, ACTOR)
    set_capacity(group, after.desired, why, schedule.executed(action, before, after, now()))
    return True


def put_action(group: Any, given: Given) -> None:
    """Store an action of a group, or refuse it in Auto Scaling's words."""
    actions = settings.of(group).actions
    name = given["ScheduledActionName"]
    fresh = f"{uuid.uuid4()}:autoScalingGroupName/{group.name}:scheduledActionName/{name}"
    arn = f"{group.arn.split(':autoScalingGroup:')[0]}:scheduledUpdateGroupAction:{fresh}"
    action = replace(actions.get(name, ScheduledAction(name=name, arn=arn)), **of(given))
    check(action, given)
    action = action.begun(now())
    if any(a.start == action.start for n, a in actions.items() if n != name):
        raise AutoscalingClientError(
            "AlreadyExists", "A scheduled action with this scheduled start time already exists"
        )
    actions[name] = action


def of(given: Given) -> Given:
    """Return the given parameters of an action, by the names of `ScheduledAction`."""
    values = {
        "start": moment(given.get("StartTime") or given.get("Time")),
        "end": moment(given.get("EndTime")),
        "recurrence": given.get("Recurrence"),
        "zone": given.get("TimeZone"),
        "minimum": number(given.get("MinSize")),
        "maximum": number(given.get("MaxSize")),
        "desired": number(given.get("DesiredCapacity")),
    }
    return {name: value for name, value in values.items() if value is not None}


def moment(given: Any) -> dt.datetime | None:
    """Return a time in UTC."""
    if given is None:
        return None
    read = given if isinstance(given, dt.datetime) else dt.datetime.fromisoformat(str(given))
    return read.replace(tzinfo=dt.UTC) if read.tzinfo is None else read.astimezone(dt.UTC)


def number(given: Any) -> int | None:
    """Return an optional number."""
    return None if given is None else int(given)


# Callers of PutScheduledUpdateGroupAction report these messages. For "in the past" and "at least
# one size", the documentation of EC2 Auto Scaling has only the rule.
def check(action: ScheduledAction, given: Given) -> None:
    """Refuse invalid settings."""
    sizes = (action.minimum, action.maximum, action.desired)
    if all(size is None for size in sizes):
        raise ValidationError("At least one of MinSize, MaxSize, DesiredCapacity is required")
    if action.start is None and action.recurrence is None:
        raise ValidationError("Either StartTime or Recurrence is required")
    check_sizes(*sizes)
    if (given.get("StartTime") or given.get("Time")) and action.due(now()):
        raise ValidationError("Given start time is in the past")
    if action.end and action.end <= (action.start or now()):
        raise ValidationError("Given end time is before the start time or in the past")
    if action.recurrence:
        try:
            schedule.recurrence(action.recurrence, action.zone)
        except schedule.InvalidRecurrenceError as invalid:
            raise ValidationError(
                f"Given recurrence string: {action.recurrence} is invalid"
            ) from invalid


def check_sizes(low: int | None, high: int | None, desired: int | None) -> None:
    """Refuse sizes that contradict each other."""
    if low is not None and high is not None and high < low:
        raise ValidationError(
            f"Max bound, {high}, must be greater than or equal to min bound, {low}"
        )
    if desired is not None and not (low or 0) <= desired <= (desired if high is None else high):
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{low} "
            f"and max size:{high}"
        )


def delete_action(group: Any, name: str) -> None:
    """Delete an action of a group."""
    if settings.of(group).actions.pop(name, None) is None:
        raise ValidationError("Scheduled action name not found")


def each_of(
    given: list[Any], act: Callable[[Any], None], named: Callable[[Any], Given]
) -> list[Given]:
    """Call `act` for each item; return the failures as the batch calls do."""
    if len(given) > BATCH:
        raise ValidationError(f"At most {BATCH} scheduled actions are allowed in one request")
    failed = []
    for one in given:
        try:
            act(one)
        except AutoscalingClientError as refused:
            failed.append(
                {
                    "ScheduledActionName": named(one)["ScheduledActionName"],
                    "ErrorCode": refused.code,
                    "ErrorMessage": refused.message,
                }
            )
    return failed


def is_requested(response: Any, action: ScheduledAction) -> bool:
    """Return True if a Describe call requests this action."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    if names := param("ScheduledActionNames", []):
        return action.name in names
    first, last = moment(param("StartTime")), moment(param("EndTime"))
    at = action.start
    return at is None or ((first is None or first <= at) and (last is None or at <= last))


def describe_action(group: Any, action: ScheduledAction) -> Given:
    """Describe an action as DescribeScheduledActions does."""
    described = {
        "AutoScalingGroupName": group.name,
        "ScheduledActionName": action.name,
        "ScheduledActionARN": action.arn,
        "Time": action.start,
        "StartTime": action.start,
        "EndTime": action.end,
        "Recurrence": action.recurrence,
        "TimeZone": action.zone,
        "MinSize": action.minimum,
        "MaxSize": action.maximum,
        "DesiredCapacity": action.desired,
    }
    return {key: value for key, value in described.items() if value is not None}
