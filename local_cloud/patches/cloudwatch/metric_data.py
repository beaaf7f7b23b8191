"""Patch GetMetricData: several queries at once, in pages.

API Reference, GetMetricData. moto computes no percentiles and has no pages.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.exceptions import CloudWatchException, ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from local_cloud.patches.cloudwatch.statistics import (
    metric,
    read,
    refuse_period,
    seconds,
    statistic,
)
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.patches.unanswered import NotModeled

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_QUERIES, MOST_POINTS = 500, 100_800
NAME = re.compile(r"[a-z][a-zA-Z0-9_]*")


class InvalidNextToken(CloudWatchException):
    """A token that no answer has given."""

    code = "InvalidNextToken"


@patch(CloudWatchResponse, "get_metric_data")
def get_metric_data_call(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Answer with one page of the results; a query may have a part of its values in each."""
    params = response.params
    queries = params.get("MetricDataQueries") or []
    refuse(queries)
    results = response.cloudwatch_backend.get_metric_data(
        queries=queries,
        start_time=params["StartTime"],
        end_time=params["EndTime"],
        scan_by=params.get("ScanBy") or "TimestampDescending",
    )
    most = int(params.get("MaxDatapoints") or MOST_POINTS)
    first = position(params.get("NextToken"))
    return ActionResult(page(results, first, min(most, MOST_POINTS)))


def refuse(queries: list[dict[str, Any]]) -> None:
    """Refuse what CloudWatch refuses, and expressions."""
    if len(queries) > MOST_QUERIES:
        raise ValidationError(f"The collection MetricDataQueries has more than {MOST_QUERIES}.")
    names = Counter(str(each.get("Id")) for each in queries)
    if any(count > 1 for count in names.values()):
        raise ValidationError("The values for parameter id in MetricDataQueries are not unique.")
    metrics = {each["Id"] for each in queries if "MetricStat" in each}
    for each in queries:
        if not NAME.fullmatch(str(each.get("Id"))):
            raise ValidationError(f"The value {each.get('Id')} for parameter Id is not matching.")
        if each.get("Expression") and each["Expression"] not in metrics:
            raise NotModeled(
                f"The local cloud does not support the expression {each['Expression']!r}"
            )
        if "MetricStat" not in each and "Expression" not in each:
            raise ValidationError(
                "The parameter MetricDataQueries.member.1.MetricStat is required.\n"
            )


def page(results: list[dict[str, Any]], first: int, most: int) -> dict[str, Any]:
    """Return the values from number `first` on, at most `most` of all queries together."""
    shown, at = [], 0
    for each in results:
        begin, end = max(first - at, 0), first + most - at
        count = len(each["values"])
        has_values = begin < count and end > 0
        if has_values or (count == 0 and first <= at < first + most):
            shown.append(part(each, begin, end))
        at += count
    more = {"NextToken": token(first + most)} if first + most < at else {}
    return {"MetricDataResults": shown, "Messages": [], **more}


def part(result: dict[str, Any], begin: int, end: int) -> dict[str, Any]:
    """Return a part of the values of one query."""
    return {
        **result,
        "values": result["values"][begin:end],
        "timestamps": result["timestamps"][begin:end],
        "status_code": "Complete" if end >= len(result["values"]) else "PartialData",
        "messages": [],
    }


def token(first: int) -> str:
    """Return the token of a page."""
    return base64.urlsafe_b64encode(f"values:{first}".encode()).decode()


def position(given: str | None) -> int:
    """Return the number of the first value of a page."""
    if not given:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(given).decode().partition(":")
        found = int(number)
    except ValueError:
        kind, found = "", -1
    if kind != "values" or found < 0:
        raise InvalidNextToken("The token is not valid.")
    return found


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
    """Return the result of each query; an expression is the name of another."""
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
            (other,) = (found for found in results if found["id"] == each["Expression"])
            results.append(described(each, each["Id"], other["values"], other["timestamps"]))
    hidden = {each["Id"] for each in queries if each.get("ReturnData") is False}
    return [each for each in results if each["id"] not in hidden]


def result(
    context: Context, backend: Any, query: dict[str, Any], begin: float, end: float
) -> dict[str, Any]:
    """Return the result of one query of a metric, oldest datapoint first."""
    wanted, stat = query["MetricStat"], query["MetricStat"]["Stat"]
    refuse_period(float(wanted["Period"]))
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
