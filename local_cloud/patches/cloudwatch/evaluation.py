"""Evaluate alarms once a minute of the cloud, as CloudWatch does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from local_cloud.metrics import alarm as alarms
from local_cloud.metrics import rule
from local_cloud.metrics.alarm import MORE, Criteria, Slot
from local_cloud.metrics.distribution import merged
from local_cloud.metrics.store import MINUTE, Metric, Point
from local_cloud.patches.cloudwatch.alarms import alarm_named
from local_cloud.patches.cloudwatch.statistics import dimensions, exists, points, statistic
from local_cloud.patches.context import Context


def step(context: Context) -> bool:
    """Collect what was measured; evaluate every alarm in a new minute. Changes no group."""
    if context.cloud.metrics.step():
        backends: Any = cloudwatch_backends.iter_backends()
        for _, _, backend in backends:
            for each in list(backend.alarms.values()):
                if each.rule is None:
                    evaluate(context, backend, each)
            for each in list(backend.alarms.values()):
                if each.rule is not None:
                    evaluate_rule(backend, each)
    return False


# An alarm on metric math or anomaly detection keeps its state. So does one on a metric that never
# had a datapoint, unless it says how missing data counts: a test sets it.
def evaluate(context: Context, backend: Any, alarm: Any) -> None:
    """Move an alarm on one metric to the state that its newest datapoints say."""
    if not alarm.metric_name or alarm.comparison_operator not in alarms.OPERATORS:
        return
    place = backend.account_id, backend.region_name
    named = Metric(*place, alarm.namespace, alarm.metric_name, dimensions(alarm.dimensions))
    limits = criteria(alarm)
    if limits.missing in {"missing", "ignore"} and not exists(context, backend, named):
        return
    slots = list(newest(context, backend, alarm, named))
    state = alarms.judged(limits, slots, alarm.state_value)
    if state != alarm.state_value:
        text = alarms.reason(limits, slots, alarm.state_value, state)
        alarm.update_state(text, "{}", state)


def criteria(alarm: Any) -> Criteria:
    """Return what an alarm compares."""
    periods = int(alarm.evaluation_periods)
    return Criteria(
        periods=periods,
        required=int(alarm.datapoints_to_alarm or periods),
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        missing=alarm.treat_missing_data or "missing",
    )


def newest(context: Context, backend: Any, alarm: Any, named: Metric) -> Iterator[Slot]:
    """Yield the newest datapoints, oldest first; each period ends with a minute.

    Every minute is the end of a period, so one of five minutes is evaluated each minute.
    """
    store = context.cloud.metrics.store
    period = max(float(alarm.period), MINUTE) / store.speed
    count = int(alarm.evaluation_periods) + MORE
    first = store.begin(store.newest + 1) - count * period - ROUNDING
    found = points(context, backend, named, first)
    stat = alarm.statistic or alarm.extended_statistic
    for begin in (first + number * period for number in range(count)):
        yield slot(begin, stat, [each for each in found if begin <= each[0] < begin + period])


ROUNDING = 1e-6
"""The begin of a minute is a product of floats."""


def slot(begin: float, stat: str, inside: list[Point]) -> Slot:
    """Return the datapoint of one period, or None if nothing was measured in it."""
    value = statistic(stat, merged(values for _, values in inside)) if inside else None
    return None if value is None else (begin, value)


def evaluate_rule(backend: Any, alarm: Any) -> None:
    """Move a composite alarm to the state of its rule."""

    def state_of(name: str) -> str | None:
        child = alarm_named(backend, name)
        return child.state_value if child else None

    state = "ALARM" if rule.evaluate(alarm.rule, state_of) else "OK"
    if state != alarm.state_value:
        alarm.update_state(why(backend, alarm, state), "{}", state)


def why(backend: Any, alarm: Any, state: str) -> str:
    """Return the reason of a composite alarm's transition in CloudWatch's words."""
    children = [alarm_named(backend, name) for name in rule.names(alarm.rule)]
    moved = [each for each in children if each is not None]
    if alarm.state_value == "INSUFFICIENT_DATA" or not moved:
        return f"{alarm.alarm_arn} was created and its alarm rule evaluates to {state}"
    last = max(moved, key=lambda each: each.state_transitioned_timestamp)
    at = last.state_transitioned_timestamp.strftime("%A %d %B, %Y %H:%M:%S UTC")
    return f"{last.alarm_arn} transitioned to {last.state_value} at {at}"
