"""GetMetricData with several queries and in pages; the values are put, so no traffic is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from local_cloud.patches.cloudwatch.metric_data import page
from tests.patched_moto import refused

if TYPE_CHECKING:
    from tests.running_cloud import Cloud


def query(name: str, stat: str = "Sum", period: int = 60) -> dict[str, Any]:
    named = {"Namespace": "paged", "MetricName": name}
    return {"Id": name, "MetricStat": {"Metric": named, "Period": period, "Stat": stat}}


def results(**values: int) -> list[dict[str, Any]]:
    """Results with so many values each, which are numbered from 0."""
    return [
        {"id": name, "values": list(range(count)), "timestamps": list(range(count))}
        for name, count in values.items()
    ]


def every_page(found: list[dict[str, Any]], most: int) -> list[list[tuple[str, list[int], str]]]:
    pages, first = [], 0
    while True:
        got = page(found, first, most)
        pages.append(
            [(each["id"], each["values"], each["status_code"]) for each in got["MetricDataResults"]]
        )
        if "NextToken" not in got:
            return pages
        first += most


def test_the_values_of_a_query_may_be_in_several_pages() -> None:
    assert every_page(results(a=3, b=0, c=2), 2) == [
        [("a", [0, 1], "PartialData")],
        [("a", [2], "Complete"), ("b", [], "Complete"), ("c", [0], "PartialData")],
        [("c", [1], "Complete")],
    ]
    assert every_page(results(a=0, b=0), 5) == [[("a", [], "Complete"), ("b", [], "Complete")]]


@pytest.fixture(scope="module")
def window(cloud: Cloud) -> dict[str, datetime]:
    now = datetime.now(UTC)
    for name, values in (("first", (1.0, 2.0, 3.0, 4.0)), ("second", (10.0,))):
        data = [{"MetricName": name, "Timestamp": now, "Value": each} for each in values]
        cloud.aws("cloudwatch").put_metric_data(Namespace="paged", MetricData=data)
    return {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}


def test_each_query_has_its_statistic_and_a_query_without_data_is_complete(
    cloud: Cloud, window: dict[str, datetime]
) -> None:
    stats = {"a": "p50", "b": "p90", "c": "p99", "d": "SampleCount", "e": "Average"}
    queries = [query("first", stat, 36_000_000) | {"Id": name} for name, stat in stats.items()]
    queries += [query("empty"), query("second", period=36_000_000) | {"ReturnData": False}]
    queries += [{"Id": "again", "Expression": "second"}]
    answer = cloud.aws("cloudwatch").get_metric_data(MetricDataQueries=queries, **window)
    found = {each["Id"]: each for each in answer["MetricDataResults"]}
    values = {name: each["Values"] for name, each in found.items()}
    assert values == {
        "a": [2.0],
        "b": [4.0],
        "c": [4.0],
        "d": [4.0],
        "e": [2.5],
        "empty": [],
        "again": [10.0],
    }
    assert {each["StatusCode"] for each in found.values()} == {"Complete"}
    assert answer["Messages"] == found["empty"]["Messages"] == []


def test_queries_that_cloudwatch_refuses_are_refused(
    cloud: Cloud, window: dict[str, datetime]
) -> None:
    client = cloud.aws("cloudwatch")
    for code, queries, more in (
        ("ValidationError", [query("first"), query("first")], {}),
        ("ValidationError", [query("first") | {"Id": "First"}], {}),
        ("ValidationError", [query("first") | {"Id": f"q{n}"} for n in range(501)], {}),
        ("InvalidParameterValue", [query("first", period=90)], {}),
        ("InvalidParameterValue", [query("first", "median")], {}),
        ("InvalidNextToken", [query("first")], {"NextToken": "unknown"}),
        ("NotImplementedByLocalCloud", [{"Id": "sum", "Expression": "first / second"}], {}),
    ):
        with refused(code):
            client.get_metric_data(MetricDataQueries=queries, **{**window, **more})
