"""Patch CloudWatch alarms as they are made, described and set; `evaluation` evaluates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.metrics import rule
from local_cloud.patches.patching import fact, patch

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_PAGE = 100
STATE = (
    "history",
    "state_reason",
    "state_reason_data",
    "state_value",
    "state_updated_timestamp",
    "state_transitioned_timestamp",
)
KINDS = {"MetricAlarm": "MetricAlarms", "CompositeAlarm": "CompositeAlarms"}


# "When this operation creates an alarm, the alarm state is immediately set to INSUFFICIENT_DATA"
# (API Reference, PutMetricAlarm); moto starts with OK.
@patch(Alarm, "__init__")
def make_alarm(original: Callable[..., Any], alarm: Any, *arguments: Any, **named: Any) -> None:
    """Make an alarm without data."""
    original(alarm, *arguments, **named)
    alarm.state_value = "INSUFFICIENT_DATA"
    alarm.state_transitioned_timestamp = alarm.state_updated_timestamp


# A state that is set again is updated, but is no transition (API Reference, MetricAlarm).
@patch(Alarm, "update_state")
def update_state(
    original: Callable[..., Any], alarm: Any, reason: str, reason_data: str, state_value: str
) -> None:
    """Set the state, and the time of the transition if it differs."""
    before = alarm.state_value
    original(alarm, reason, reason_data, state_value)
    if state_value != before:
        alarm.state_transitioned_timestamp = alarm.state_updated_timestamp


@fact(Alarm, "MetricDataQueries")
def queries(alarm: Any) -> Any:
    """Return the metric queries; an alarm on one metric has no such key."""
    return alarm.metric_data_queries or None


# "When you update an existing alarm, its state is left unchanged" (API Reference, PutMetricAlarm);
# moto makes a new one.
@patch(CloudWatchBackend, "put_metric_alarm")
def put_alarm(original: Callable[..., Any], backend: Any, name: str, **named: Any) -> Any:
    """Make an alarm, or change one without its state."""
    before = backend.alarms.get(name)
    made = original(backend, name, **named)
    for each in STATE if before is not None else ():
        setattr(made, each, getattr(before, each))
    return made


# moto describes composite alarms but cannot make them. A rule that cannot be read, or that names an
# alarm that does not exist, is refused (API Reference, PutCompositeAlarm).
@patch(CloudWatchResponse, "put_composite_alarm")
def put_composite(_original: Callable[..., Any] | None, response: Any) -> EmptyResult:
    """Make a composite alarm."""
    params = response.params
    check_rule(response.cloudwatch_backend, params["AlarmRule"])
    response.cloudwatch_backend.put_metric_alarm(
        name=params["AlarmName"],
        rule=params["AlarmRule"],
        description=params.get("AlarmDescription"),
        alarm_actions=params.get("AlarmActions", []),
        ok_actions=params.get("OKActions"),
        insufficient_data_actions=params.get("InsufficientDataActions"),
        actions_enabled=params.get("ActionsEnabled"),
        tags=params.get("Tags"),
        dimensions=[],
        **dict.fromkeys(
            (
                "namespace",
                "metric_name",
                "comparison_operator",
                "evaluation_periods",
                "period",
                "threshold",
                "statistic",
            )
        ),
    )
    return EmptyResult()


def check_rule(backend: Any, text: str) -> None:
    """Refuse a rule that cannot be evaluated."""
    try:
        rule.evaluate(text, lambda _: None)
        missing = [name for name in rule.names(text) if alarm_named(backend, name) is None]
    except ValueError as error:
        raise ValidationError(f"AlarmRule is not valid: {error}.") from error
    if missing:
        raise ValidationError(
            f"Could not save the composite alarm as alarms [{', '.join(missing)}] "
            "in the alarm rule do not exist"
        )


def alarm_named(backend: Any, name: str) -> Any | None:
    """Return an alarm by its name or ARN."""
    return backend.alarms.get(name.rpartition(":alarm:")[2])


# DescribeAlarms takes 100 names at most; without AlarmTypes it answers metric alarms only (API
# Reference). moto answers all types, for any number of names.
@patch(CloudWatchResponse, "describe_alarms")
def describe(original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe the alarms of the requested types."""
    names = response.params.get("AlarmNames") or []
    if len(names) > LARGEST_PAGE:
        raise ValidationError(
            f"1 validation error detected: Value at 'alarmNames' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LARGEST_PAGE}"
        )
    kinds = response.params.get("AlarmTypes") or ["MetricAlarm"]
    found = original(response).result
    wanted = {KINDS[kind] for kind in kinds if kind in KINDS}
    return ActionResult({key: found[key] if key in wanted else [] for key in KINDS.values()})
