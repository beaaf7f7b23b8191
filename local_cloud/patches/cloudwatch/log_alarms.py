"""Patch CloudWatch's log alarms, which moto does not have. SetAlarmState sets their state."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = "LogAlarm"
SHOWN = (
    "AlarmName",
    "AlarmDescription",
    "ActionsEnabled",
    "ScheduledQueryConfiguration",
    "QueryResultsToEvaluate",
    "QueryResultsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
)


def log_alarms(response: Any) -> dict[str, dict[str, Any]]:
    """Return the log alarms of a region by name."""
    backend = response.cloudwatch_backend
    found: dict[str, dict[str, Any]] = backend.__dict__.setdefault("local_cloud_log_alarms", {})
    return found


# "When this operation creates an alarm, the alarm state is immediately set to INSUFFICIENT_DATA";
# its query runs on a schedule (API Reference, PutLogAlarm). Here no query runs.
@patch(CloudWatchResponse, "put_log_alarm")
def put(_original: None, response: Any) -> EmptyResult:
    """Make or replace a log alarm."""
    params, backend = response.params, response.cloudwatch_backend
    name = params["AlarmName"]
    arn = f"arn:aws:cloudwatch:{backend.region_name}:{backend.account_id}:alarm:{name}"
    known = log_alarms(response).get(name, {"StateValue": "INSUFFICIENT_DATA"})
    given = {key: params[key] for key in SHOWN if key in params}
    log_alarms(response)[name] = {"AlarmArn": arn, **known, **given}
    return EmptyResult()


# DescribeAlarms shows log alarms only where AlarmTypes names them (API Reference).
@patch(CloudWatchResponse, "describe_alarms")
def describe(original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe the alarms of the requested types."""
    answer: ActionResult = original(response)
    params = response.params
    wanted = KIND in (params.get("AlarmTypes") or [])
    found = [each for each in log_alarms(response).values() if is_requested(each, params)]
    result: Any = answer.result
    return ActionResult({**result, "LogAlarms": found if wanted else []})


def is_requested(alarm: dict[str, Any], params: dict[str, Any]) -> bool:
    """Return True if a call requests an alarm."""
    names, prefix = params.get("AlarmNames") or [], params.get("AlarmNamePrefix") or ""
    state = params.get("StateValue")
    return (
        (not names or alarm["AlarmName"] in names)
        and alarm["AlarmName"].startswith(prefix)
        and (not state or alarm["StateValue"] == state)
    )


@patch(CloudWatchResponse, "set_alarm_state")
def set_state(original: Callable[..., Any], response: Any) -> Any:
    """Set the state of an alarm."""
    params = response.params
    alarm = log_alarms(response).get(params["AlarmName"])
    if alarm is None:
        return original(response)
    alarm |= {
        "StateValue": params["StateValue"],
        "StateReason": params["StateReason"],
        "StateUpdatedTimestamp": dt.datetime.now(tz=dt.UTC),
    }
    return EmptyResult()


@patch(CloudWatchResponse, "delete_alarms")
def delete(original: Callable[..., Any], response: Any) -> Any:
    """Delete alarms of every type."""
    for name in response.params.get("AlarmNames") or []:
        log_alarms(response).pop(name, None)
    return original(response)
