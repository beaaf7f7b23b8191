"""Scheduled actions: stored per group, described as AWS does, and carried out in time.

moto keeps them by their own name alone and never carries one out. Times are absolute, so
they are the wall clock's whatever the speed of the cloud.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
import uuid
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from pipeline.sandbox.hooks import Hook
from pipeline.sandbox.hooks.autoscaling_groups import group_asked, groups_asked, is_suspended, page
from pipeline.sandbox.scaling import schedule, settings
from pipeline.sandbox.scaling.schedule import ScheduledAction, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pipeline.sandbox.cloud import Cloud

    Given = dict[str, Any]

log = logging.getLogger(__name__)

LONGEST_NAP = 60.0  # seconds; the wall clock may be set
BATCH = 50  # BatchPutScheduledUpdateGroupAction, BatchDeleteScheduledAction: at most so many


def hooks(cloud: Cloud, lock: AbstractContextManager[Any]) -> list[Hook]:
    """Return the hooks of scheduled actions."""
    here = Schedules(cloud=cloud, lock=lock)
    named = {
        "put_scheduled_update_group_action": here.put,
        "batch_put_scheduled_update_group_action": here.put_many,
        "describe_scheduled_actions": here.describe,
        "delete_scheduled_action": here.delete,
        "batch_delete_scheduled_action": here.delete_many,
    }
    return [
        Hook(owner=AutoScalingResponse, name=name, instead=instead)
        for name, instead in named.items()
    ]


@dataclasses.dataclass(kw_only=True)
class Schedules:
    """The hooks of scheduled actions, and what wakes up when one is due."""

    cloud: Cloud
    lock: AbstractContextManager[Any]
    _timer: asyncio.TimerHandle | None = None

    # PutScheduledUpdateGroupAction: creates or updates by group and name (EC2 Auto Scaling
    # API Reference); a parameter that is left out stays as it was.
    def put(self, _original: Callable[..., Any], response: Any) -> EmptyResult:
        """Store an action."""
        put_action(group_asked(response), response.params)
        self.arrange()
        return EmptyResult()

    # BatchPutScheduledUpdateGroupAction and BatchDeleteScheduledAction answer 200 and list
    # what failed (EC2 Auto Scaling API Reference).
    def put_many(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Store actions; say which could not be stored."""
        given = response._get_param("ScheduledUpdateGroupActions", [])  # noqa: SLF001  how moto's responses read parameters
        group = group_asked(response)
        failed = each_of(given, lambda one: put_action(group, one), lambda one: one)
        self.arrange()
        return ActionResult({"FailedScheduledUpdateGroupActions": failed})

    # DescribeScheduledActions: StartTime and EndTime bound the times to return and are ignored
    # where names are given (EC2 Auto Scaling API Reference); a recurring action's StartTime is
    # when it is due next (the same, example).
    def describe(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Describe actions."""
        described = [
            describe_action(group, action)
            for group in groups_asked(response)
            for action in settings.of(group).actions.values()
            if is_wanted(response, action)
        ]
        described.sort(key=lambda one: one["StartTime"])
        shown, token = page(response, described)
        return ActionResult({"ScheduledUpdateGroupActions": shown, "NextToken": token})

    def delete(self, _original: Callable[..., Any], response: Any) -> EmptyResult:
        """Forget an action."""
        delete_action(group_asked(response), response._get_param("ScheduledActionName"))  # noqa: SLF001  how moto's responses read parameters
        return EmptyResult()

    def delete_many(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Forget actions; say which do not exist."""
        names = response._get_param("ScheduledActionNames", [])  # noqa: SLF001  how moto's responses read parameters
        group = group_asked(response)
        failed = each_of(
            names,
            lambda name: delete_action(group, name),
            lambda name: {"ScheduledActionName": name},
        )
        return ActionResult({"FailedScheduledActions": failed})

    def arrange(self) -> None:
        """Have `wake` called when the next action is due; call it under the lock."""
        times = [a.start for _, _, a in every_action() if a.start]
        if times:
            seconds = (min(times) - now()).total_seconds()
            self.cloud.loop.call_soon_threadsafe(self._arm, min(max(seconds, 0), LONGEST_NAP))

    def _arm(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        loop = self.cloud.loop
        # In a thread: the loop never waits for the lock.
        self._timer = loop.call_later(seconds, loop.run_in_executor, None, self.wake)

    def wake(self) -> None:
        """Carry out what is due, and arrange the next time."""
        with self.lock:
            try:
                due = [each for each in every_action() if each[2].due(now())]
                changed = [carry_out(*each) for each in due]
                if any(changed):
                    self.cloud.changed()
            finally:
                self.arrange()


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
# is suspended is not made up for; one without recurrence is deleted when it was carried out.
def carry_out(group: Any, name: str, action: ScheduledAction) -> bool:
    """Carry out an action that is due; tell whether the group changed."""
    actions = settings.of(group).actions
    if left := action.carried_out(now()):
        actions[name] = left
    else:
        del actions[name]
    if is_suspended(group, "ScheduledActions"):
        log.info("%s: %s is suspended, skipped", group.name, name)
        return False
    return resize(group, action)


def resize(group: Any, action: ScheduledAction) -> bool:
    """Change a group as an action says; an action that cannot be obeyed changes nothing."""
    before = Sizes(
        minimum=group.min_size, maximum=group.max_size, desired=group.desired_capacity or 0
    )
    after = before.changed_by(action)
    if after is None:
        log.warning("%s: %s contradicts the group's bounds", group.name, action.name)
        return False
    group.min_size, group.max_size = after.minimum, after.maximum
    if after.desired != before.desired:
        group.pending_cause = schedule.cause(action, before, after, now())
        group.set_desired_capacity(after.desired)
    return True


def put_action(group: Any, given: Given) -> None:
    """Store an action of a group, or refuse it in Auto Scaling's words."""
    actions = settings.of(group).actions
    name = given["ScheduledActionName"]
    fresh = f"{uuid.uuid4()}:autoScalingGroupName/{group.name}:scheduledActionName/{name}"
    arn = f"{group.arn.split(':autoScalingGroup:')[0]}:scheduledUpdateGroupAction:{fresh}"
    action = dataclasses.replace(
        actions.get(name, ScheduledAction(name=name, arn=arn)), **of(given)
    )
    check(action, given)
    action = action.begun(now())
    if any(a.start == action.start for n, a in actions.items() if n != name):
        raise AutoscalingClientError(
            "AlreadyExists", "A scheduled action with this scheduled start time already exists"
        )
    actions[name] = action


def of(given: Given) -> Given:
    """Return the parameters of an action that are given, by our names."""
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
    """Return a time as the wall clock has it."""
    if given is None:
        return None
    read = given if isinstance(given, dt.datetime) else dt.datetime.fromisoformat(str(given))
    return read.replace(tzinfo=dt.UTC) if read.tzinfo is None else read.astimezone(dt.UTC)


def number(given: Any) -> int | None:
    """Return a number."""
    return None if given is None else int(given)


# The refusals are those that callers of PutScheduledUpdateGroupAction report; of those in
# EC2 Auto Scaling's documentation ("in the past", at least one size) only the fact is told.
def check(action: ScheduledAction, given: Given) -> None:
    """Refuse what Auto Scaling refuses."""
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
    """Forget an action of a group."""
    if settings.of(group).actions.pop(name, None) is None:
        raise ValidationError("Scheduled action name not found")


def each_of(
    given: list[Any], act: Callable[[Any], None], named: Callable[[Any], Given]
) -> list[Given]:
    """Do something with each, and return what failed as the batch calls do."""
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


def is_wanted(response: Any, action: ScheduledAction) -> bool:
    """Tell whether a call to describe actions asks for this one."""
    ask = response._get_param  # noqa: SLF001  how moto's responses read parameters
    if names := ask("ScheduledActionNames", []):
        return action.name in names
    first, last = moment(ask("StartTime")), moment(ask("EndTime"))
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
