"""Name the metrics of a load balancer entry: which queries give the samples of one side.

Sources: "CloudWatch metrics for your Application Load Balancer" and "... Classic Load Balancer".
A 5xx that an application load balancer makes itself has no target group; those that follow from a
connection that the target does not accept are counted by TargetConnectionErrorCount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.analysis.policy import LATENCIES, Threshold
from pipeline.core.analysis.samples import Minute

APPLICATION, CLASSIC = "AWS/ApplicationELB", "AWS/ELB"
REQUESTS = "RequestCount"
LATENCY = {APPLICATION: "TargetResponseTime", CLASSIC: "Latency"}
FAILED = {
    APPLICATION: ("HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount"),
    CLASSIC: ("HTTPCode_Backend_5XX", "HTTPCode_ELB_5XX"),
}
GROUP = "{group}"
"""What a dimension of the user has in place of the name of green's group."""

Dimensions = tuple[tuple[str, str], ...]
Values = Mapping[int, float]
"""The values of a metric by the number of the minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A statistic of one metric for each minute."""

    namespace: str
    metric: str
    statistic: str
    dimensions: Dimensions


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where the metrics of one side are: a namespace and dimensions."""

    namespace: str
    dimensions: Dimensions

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries of one side: requests, failures, then the percentiles of the latency."""
        counts = (REQUESTS, *FAILED[self.namespace])
        time = LATENCY[self.namespace]
        named = [*((each, "Sum") for each in counts), *((time, each) for each in LATENCIES)]
        return tuple(
            Query(
                namespace=self.namespace,
                metric=metric,
                statistic=statistic,
                dimensions=self.dimensions,
            )
            for metric, statistic in named
        )

    def minutes(self, answers: Sequence[Values], first: int, last: int) -> tuple[Minute, ...]:
        """Return the minutes from the answers to `queries`; a metric without a value counts 0.

        Elastic Load Balancing reports only what is not zero.
        """
        requests, *failed = answers[: -len(LATENCIES)]
        times = dict(zip(LATENCIES, answers[-len(LATENCIES) :], strict=True))
        return tuple(
            Minute(
                at=at,
                requests=round(requests.get(at, 0)),
                failures=round(sum(each.get(at, 0) for each in failed)),
                latency={name: values[at] for name, values in times.items() if at in values},
            )
            for at in range(first, last + 1)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A load balancer entry: where green's metrics are, and blue's.

    Of a pair they differ, and both have traffic in a step by weight. Otherwise they are the same,
    and only the time before the deployment is blue's.
    """

    name: str
    green: Source
    blue: Source

    @property
    def is_pair(self) -> bool:
        """Return True if each side has metrics of its own."""
        return self.green != self.blue


def query_of(wanted: Threshold, group: str) -> Query:
    """Return the query of a metric of the user; `group` is the name of green's group."""
    return Query(
        namespace=wanted.namespace,
        metric=wanted.metric,
        statistic=wanted.statistic,
        dimensions=tuple((name, value.replace(GROUP, group)) for name, value in wanted.dimensions),
    )
