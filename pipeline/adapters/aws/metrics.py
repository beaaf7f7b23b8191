"""Read CloudWatch metrics by minute, and name those of load balancers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.adapters.aws.balancing.balancers import find_groups
from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import batches, pages
from pipeline.core.analysis.entry import APPLICATION, CLASSIC, Query, Source, Values
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer

MINUTE = 60.0
QUERIES_PER_CALL = 500
"""The most that GetMetricData takes (CloudWatch API Reference, GetMetricData)."""
NETWORK = "loadbalancer/net/"


class CloudWatchMetrics:
    """The metrics of a region.

    `speed` is that of the local cloud: its minutes are shorter, its timestamps those of the wall
    clock. On AWS it is 1.
    """

    def __init__(
        self,
        clients: Clients,
        region: str,
        *,
        speed: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clients = clients
        self._region = region
        self._speed = speed
        self._clock = clock

    def minute(self, *, ago: float) -> int:
        """Return the minute that it was `ago` seconds of the cloud ago."""
        return int((self._clock() * self._speed - ago) // MINUTE)

    def minute_of(self, time: str) -> int:
        """Return the minute of a time, ISO 8601."""
        return int(datetime.fromisoformat(time).timestamp() * self._speed // MINUTE)

    def read(self, queries: Sequence[Query], first: int, last: int) -> list[Values]:
        """Return the values of each query in the minutes from `first` to `last`, by minute.

        Raises RefusedError. EndTime is exclusive; a period of 60 s is kept for 15 days (API
        Reference, GetMetricData).
        """
        found: list[dict[int, float]] = [{} for _ in queries]
        with translate_errors("reading the metrics", self._region):
            client = self._clients.cloudwatch(self._region)
            numbered = list(enumerate(queries))
            for batch in batches(numbered, QUERIES_PER_CALL):
                for page in pages(
                    client.get_metric_data,
                    MetricDataQueries=[_described(number, query) for number, query in batch],
                    StartTime=self._begin(first),
                    EndTime=self._begin(last + 1),
                    ScanBy="TimestampAscending",
                ):
                    self._collect(page, found)
        return list(found)

    def _begin(self, minute: int) -> datetime:
        return datetime.fromtimestamp(minute * MINUTE / self._speed, UTC)

    def _collect(self, page: Any, found: Sequence[dict[int, float]]) -> None:
        """Add the values of a page: one metric may go on in the next page (StatusCode)."""
        for result in page["MetricDataResults"]:
            values = found[int(result["Id"].removeprefix("q"))]
            for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                values[round(at.timestamp() * self._speed / MINUTE)] = value


def _described(number: int, query: Query) -> dict[str, Any]:
    """Return a query; an id begins with a small letter (API Reference, MetricDataQuery)."""
    metric = {
        "Namespace": query.namespace,
        "MetricName": query.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions],
    }
    stat = {"Metric": metric, "Period": int(MINUTE), "Stat": query.statistic}
    return {"Id": f"q{number}", "MetricStat": stat}


def sources(clients: Clients, region: str, balancers: Sequence[Balancer]) -> dict[str, Source]:
    """Return where the metrics of each load balancer are, by its identifier.

    Raises RefusedError for a target group whose load balancer measures no 5xx and no latency.
    """
    arns = [each.identifier for each in balancers if each.kind == "elbv2"]
    with translate_errors("reading the target groups", region):
        groups = find_groups(clients, region, arns)
    found = {}
    for each in balancers:
        if each.kind == "elb":
            dimensions: tuple[tuple[str, str], ...] = (("LoadBalancerName", each.identifier),)
            found[each.identifier] = Source(namespace=CLASSIC, dimensions=dimensions)
            continue
        owners = groups[each.identifier].get("LoadBalancerArns", [])
        owner = next(iter(owners), "")
        _require_application(each, owner)
        dimensions = (
            ("LoadBalancer", owner.partition(":loadbalancer/")[2]),
            ("TargetGroup", each.identifier.rpartition(":")[2]),
        )
        found[each.identifier] = Source(namespace=APPLICATION, dimensions=dimensions)
    return found


def _require_application(balancer: Balancer, owner: str) -> None:
    if owner and NETWORK not in owner:
        return
    what = "is behind a network load balancer, which measures" if owner else "has no load balancer:"
    raise RefusedError(
        f"target group {balancer.name}",
        f"{what} no 5xx and no latency to compare",
        "set compare = [] in [promote.analysis] to judge only its metrics, or enabled = false",
    )
