"""Patch the calls that read metrics: what the cloud measured, and what PutMetricData brought.

moto knows only the latter, and no percentiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import (
    InvalidParameterCombination,
    InvalidParameterValue,
    ValidationError,
)
from moto.cloudwatch.metric_data_expression_parser import parse_expression
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
    wanted = metric(response.cloudwatch_backend, params)
    found = read(context, response.cloudwatch_backend, wanted, begin, end, float(params["Period"]))
    shown = unit(context, response.cloudwatch_backend, wanted)
    described = [datapoint(shown, each, plain, extended) for each in found]
    return ActionResult({"Label": wanted.name, "Datapoints": described})


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


def check_window(begin: float, end: float) -> None:
    """Refuse an end that is not after the start."""
    if begin > end:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    if begin == end:
        raise ValidationError("The parameter StartTime must not equal parameter EndTime.")


@patch(CloudWatchBackend, "get_metric_data")
def get_metric_data(
    context: Context,
    _original: Callable[..., Any],
    backend: Any,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampAscending",
) -> list[dict[str, Any]]:
    """Answer each query; an expression is moto's to compute from the results of the others."""
    begin, end = seconds(start_time), seconds(end_time)
    check_window(begin, end)
    results = [
        result(context, backend, each, begin, end) for each in queries if "MetricStat" in each
    ]
    newest_first = scan_by == "TimestampDescending"
    for each in results if newest_first else ():
        each["timestamps"].reverse()
        each["values"].reverse()
    for each in queries:
        if "Expression" in each:
            values, times = parse_expression(each["Expression"], results)
            results.append(described(each, each["Id"], values, times))
    hidden = {each["Id"] for each in queries if each.get("ReturnData") is False}
    return [each for each in results if each["id"] not in hidden]


def result(
    context: Context, backend: Any, query: dict[str, Any], begin: float, end: float
) -> dict[str, Any]:
    """Return the result of one query of a metric, oldest datapoint first."""
    wanted, stat = query["MetricStat"], query["MetricStat"]["Stat"]
    named = metric(backend, wanted["Metric"])
    found = read(context, backend, named, begin, end, float(wanted["Period"]))
    pairs = [(at, value) for at, each in found if (value := statistic(stat, each)) is not None]
    times = [datetime.fromtimestamp(at, UTC) for at, _ in pairs]
    return described(query, f"{named.name} {stat}", [value for _, value in pairs], times)


def described(
    query: dict[str, Any], label: str, values: list[Any], times: list[Any]
) -> dict[str, Any]:
    """Return a result in moto's shape."""
    return {
        "id": query["Id"],
        "label": query.get("Label") or label,
        "values": values,
        "timestamps": times,
        "status_code": "Complete",
    }


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
