"""Evaluate alarms once a minute of the cloud, as CloudWatch does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from local_cloud.metrics import alarm as alarms
from local_cloud.metrics import rule
from local_cloud.metrics.alarm import MORE, Criteria, Slot
from local_cloud.metrics.distribution import is_statistic, merged
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """What an alarm watches: a statistic of a metric, by period in seconds of the cloud."""

    metric: Metric
    statistic: str
    period: float

    @classmethod
    def of(cls, backend: Any, alarm: Any) -> Watched | None:
        """Return what an alarm watches; None for metric math and unknown statistics."""
        source, statistic, period = alarm, alarm.statistic or alarm.extended_statistic, alarm.period
        if len(alarm.metric_data_queries) == 1 and (query := alarm.metric_data_queries[0]):
            if query.metric_stat is None:
                return None
            source, statistic = query.metric_stat.metric, query.metric_stat.stat
            period = query.metric_stat.period
        if not source.metric_name or not is_statistic(statistic or ""):
            return None
        place = backend.account_id, backend.region_name
        named = Metric(*place, source.namespace, source.metric_name, dimensions(source.dimensions))
        return cls(metric=named, statistic=statistic, period=max(float(period), MINUTE))


# An alarm on metric math or anomaly detection keeps its state. So does one on a metric that never
# had a datapoint, unless it says how missing data counts: a test sets it.
def evaluate(context: Context, backend: Any, alarm: Any) -> None:
    """Move an alarm on one metric to the state that its newest datapoints say."""
    watched = Watched.of(backend, alarm)
    if watched is None or alarm.comparison_operator not in alarms.OPERATORS:
        return
    limits = criteria(alarm)
    if limits.missing in {"missing", "ignore"} and not exists(context, backend, watched.metric):
        return
    slots = list(newest(context, backend, watched, limits.periods + MORE))
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


def newest(context: Context, backend: Any, watched: Watched, count: int) -> Iterator[Slot]:
    """Yield the newest datapoints, oldest first; each period ends with a minute.

    Every minute is the end of a period, so one of five minutes is evaluated each minute.
    """
    store = context.cloud.metrics.store
    period = watched.period / store.speed
    first = store.begin(store.newest + 1) - count * period - ROUNDING
    found = points(context, backend, watched.metric, first)
    for begin in (first + number * period for number in range(count)):
        inside = [each for each in found if begin <= each[0] < begin + period]
        yield slot(begin, watched.statistic, inside)


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
