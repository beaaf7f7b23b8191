"""Patch the calls that read metrics: what the cloud measured, and what PutMetricData brought.

moto knows only the latter, and no percentiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, MetricDatumBase
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from local_cloud.metrics.distribution import Distribution
from local_cloud.metrics.store import Dimensions, Metric, Point
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = {
    "Latency": "Seconds",
    "TargetResponseTime": "Seconds",
    "ProcessedBytes": "Bytes",
}
"""Units of measured metrics other than Count."""

SHORT_PERIODS = (1, 5, 10, 20, 30)  # of metrics of high resolution
MINUTE = 60


def dimensions(given: Iterable[Any]) -> Dimensions:
    """Return dimensions of a request, or of moto's, in the order of their names."""
    pairs = ((d["Name"], d["Value"]) if isinstance(d, dict) else (d.name, d.value) for d in given)
    return tuple(sorted(pairs))


def metric(backend: Any, named: dict[str, Any]) -> Metric:
    """Return the metric that a request names."""
    given = dimensions(named.get("Dimensions") or [])
    place = backend.account_id, backend.region_name
    return Metric(*place, named.get("Namespace") or "", named.get("MetricName") or "", given)


def points(context: Context, backend: Any, wanted: Metric, since: float) -> list[Point]:
    """Return the datapoints of a metric since a time, measured ones and those that were put."""
    put = (point(datum) for datum in backend.metric_data if is_of(datum, wanted))
    measured = context.cloud.metrics.store.points(wanted, since)
    return [*measured, *(each for each in put if each[0] >= since)]


def exists(context: Context, backend: Any, wanted: Metric) -> bool:
    """Return True if the metric ever had a datapoint."""
    put = any(is_of(datum, wanted) for datum in backend.metric_data)
    return put or context.cloud.metrics.store.has(wanted)


def is_of(datum: Any, wanted: Metric) -> bool:
    """Return True if a datum that was put belongs to the metric."""
    return (
        datum.namespace == wanted.namespace
        and datum.name == wanted.name
        and dimensions(datum.dimensions) == wanted.dimensions
    )


def point(datum: Any) -> Point:
    """Return a datum of moto's as a point."""
    values = Distribution()
    if isinstance(datum, MetricDatum):
        values.add(datum.value)
    else:
        values.add_statistics(datum.sample_count, datum.sum, datum.min, datum.max)
    return seconds(datum.timestamp), values


def seconds(moment: datetime) -> float:
    """Return a time in seconds since the epoch; moto's times without a zone are UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def statistic(name: str, values: Distribution) -> float | None:
    """Return a statistic, or refuse its name as CloudWatch does."""
    try:
        return values.statistic(name)
    except ValueError as error:
        raise InvalidParameterValue(
            f"The value {name} for parameter Stat is not supported."
        ) from error


@patch(CloudWatchResponse, "get_metric_statistics")
def get_metric_statistics(
    context: Context, _original: Callable[..., Any], response: Any
) -> ActionResult:
    """Answer with the datapoints of each period, in no particular order as on AWS."""
    params = response.params
    plain, extended = params.get("Statistics") or [], params.get("ExtendedStatistics") or []
    begin, end = seconds(params["StartTime"]), seconds(params["EndTime"])
    if not plain and not extended:
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
    if begin >= end:
        raise InvalidParameterValue(
            "The parameter StartTime must be less than the parameter EndTime."
        )
    refuse_period(float(params["Period"]))
    wanted = metric(response.cloudwatch_backend, params)
    found = read(context, response.cloudwatch_backend, wanted, begin, end, float(params["Period"]))
    shown = unit(context, response.cloudwatch_backend, wanted)
    described = [datapoint(shown, each, plain, extended) for each in found]
    return ActionResult({"Label": wanted.name, "Datapoints": described})


def refuse_period(period: float) -> None:
    """Refuse a period that is no whole number of minutes (API Reference, Period)."""
    if period <= 0 or (period % MINUTE and period not in SHORT_PERIODS):
        raise InvalidParameterValue(
            f"The parameter Period must be a multiple of {MINUTE}, or one of"
            f" {', '.join(map(str, SHORT_PERIODS))}."
        )


def read(
    context: Context, backend: Any, wanted: Metric, begin: float, end: float, period: float
) -> list[Point]:
    """Return the points of a metric by period, oldest first."""
    store = context.cloud.metrics.store
    since = store.rounded(begin)
    found = points(context, backend, wanted, since)
    found += [point(datum) for datum in backend.aws_metric_data if is_of(datum, wanted)]
    return store.by_period(found, begin, end, period)


def unit(context: Context, backend: Any, wanted: Metric) -> str:
    """Return the unit of a metric: that of its kind, or the one that was put."""
    if context.cloud.metrics.store.has(wanted):
        return UNITS.get(wanted.name, "Count")
    put = (each.unit for each in backend.metric_data if is_of(each, wanted))
    return next(put, None) or "None"


def datapoint(
    unit: str, found: Point, plain: Sequence[str], extended: Sequence[str]
) -> dict[str, Any]:
    """Return a datapoint as GetMetricStatistics describes it."""
    at, values = found
    described: dict[str, Any] = {
        "Timestamp": datetime.fromtimestamp(at, UTC),
        "Unit": unit,
        **{each: statistic(each, values) for each in plain},
    }
    if extended:
        described["ExtendedStatistics"] = {each: statistic(each, values) for each in extended}
    return described


# ListMetrics lists metrics that have a datapoint (API Reference).
@patch(CloudWatchBackend, "get_all_metrics")
def get_all_metrics(
    context: Context, original: Callable[..., Any], backend: Any
) -> list[MetricDatumBase]:
    """Return the metrics that were put, and one datum for each that was measured."""
    return [*original(backend), *listed(context, backend)]


def listed(context: Context, backend: Any) -> Iterator[MetricDatumBase]:
    """Yield the measured metrics of an account and region as moto's data."""
    place = backend.account_id, backend.region_name
    for each in context.cloud.metrics.store.metrics():
        if (each.account, each.region) == place:
            given = [{"Name": name, "Value": value} for name, value in each.dimensions]
            yield MetricDatumBase(each.namespace, each.name, given, None)
