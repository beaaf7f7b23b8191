"""Give what load balancers carried the names and dimensions of AWS's metrics.

Sources: "CloudWatch metrics for your Application Load Balancer", "... Network Load Balancer" and
"... Classic Load Balancer". Counts are reported where they are not zero; the numbers of healthy and
unhealthy targets always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local_cloud.metrics.distribution import Distribution
from local_cloud.metrics.meter import Part, Tally
from local_cloud.metrics.store import Dimensions, Metric

NAMESPACES = {"app": "AWS/ApplicationELB", "net": "AWS/NetworkELB"}
CLASSIC = "AWS/ELB"
CODES = (500, 502, 503, 504)
"""Codes of an application load balancer with a metric of their own (HTTPCode_ELB_502_Count)."""

Values = Iterator[tuple[str, Distribution]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A load balancer as its metrics name it."""

    account: str
    region: str
    namespace: str
    name: Dimensions

    @classmethod
    def of(cls, key: str) -> Place:
        """Return the place of a key of the traffic plan: an ARN, or `elb:ACCOUNT:REGION:NAME`."""
        if key.startswith("elb:"):
            _, account, region, name = key.split(":", 3)
            dimensions: Dimensions = (("LoadBalancerName", name),)
            return cls(account=account, region=region, namespace=CLASSIC, name=dimensions)
        _, _, _, region, account, resource = key.split(":", 5)
        name = resource.removeprefix("loadbalancer/")
        namespace = NAMESPACES[name.partition("/")[0]]
        return cls(
            account=account, region=region, namespace=namespace, name=(("LoadBalancer", name),)
        )

    def metric(self, name: str, pool: str = "") -> Metric:
        """Return a metric of the load balancer, or of one of its target groups (its ARN)."""
        group = (("TargetGroup", pool.split(":", 5)[5]),) if pool.startswith("arn:") else ()
        dimensions = self.name + group
        return Metric(self.account, self.region, self.namespace, name, dimensions)


def carried(tallies: Mapping[Part, Tally]) -> Iterator[tuple[Metric, Distribution]]:
    """Yield the metrics of one minute: of each load balancer, and of each of its target groups."""
    whole: dict[str, Tally] = {}
    for (balancer, pool), tally in tallies.items():
        whole.setdefault(balancer, Tally()).merge(tally)
        if pool.startswith("arn:"):
            place = Place.of(balancer)
            for name, values in of_group(place.namespace, tally):
                yield place.metric(name, pool), values
    for balancer, tally in whole.items():
        place = Place.of(balancer)
        for name, values in of_balancer(place.namespace, tally):
            yield place.metric(name), values


def of_group(namespace: str, tally: Tally) -> Values:
    """Yield the metrics that a target group has."""
    if namespace == NAMESPACES["app"]:
        yield from counts({"RequestCount": tally.requests})
        yield from targets(tally)


def of_balancer(namespace: str, tally: Tally) -> Values:
    """Yield the metrics that a load balancer has."""
    if namespace == CLASSIC:
        yield from of_classic(tally)
    elif namespace == NAMESPACES["net"]:
        yield from counts({"NewFlowCount": tally.connections})
        if tally.bytes:
            yield "ProcessedBytes", Distribution.of({float(tally.bytes): 1})
    else:
        yield from of_group(namespace, tally)
        yield from counts({"NewConnectionCount": tally.connections})
        yield from counts(classes("HTTPCode_ELB_{}XX_Count", tally.by_balancer, (3, 4, 5)))
        yield from counts({f"HTTPCode_ELB_{each}_Count": tally.by_balancer[each] for each in CODES})


def targets(tally: Tally) -> Values:
    """Yield the metrics of the targets of an application load balancer."""
    yield from counts({"TargetConnectionErrorCount": tally.refused})
    yield from counts(classes("HTTPCode_Target_{}XX_Count", tally.by_member, (2, 3, 4, 5)))
    if tally.seconds:
        yield "TargetResponseTime", Distribution.of(tally.seconds)


def of_classic(tally: Tally) -> Values:
    """Yield the metrics of a classic load balancer; a TCP listener's requests are connections."""
    yield from counts({"RequestCount": tally.requests + tally.connections})
    yield from counts({"BackendConnectionErrors": tally.refused})
    yield from counts(classes("HTTPCode_Backend_{}XX", tally.by_member, (2, 3, 4, 5)))
    yield from counts(classes("HTTPCode_ELB_{}XX", tally.by_balancer, (4, 5)))
    if tally.seconds:
        yield "Latency", Distribution.of(tally.seconds)


def classes(name: str, by_status: Mapping[int, int], wanted: tuple[int, ...]) -> dict[str, int]:
    """Return the responses of each class of status codes, by the name of its metric."""
    return {
        name.format(each): sum(n for status, n in by_status.items() if status // 100 == each)
        for each in wanted
    }


def counts(named: Mapping[str, int]) -> Values:
    """Yield the counts that are not zero; each thing that is counted is a sample of 1."""
    return ((name, Distribution.of({1.0: count})) for name, count in named.items() if count)


def hosts(
    balancer: str, pool: str, healthy: int, unhealthy: int
) -> Iterator[tuple[Metric, Distribution]]:
    """Yield one sample of the numbers of healthy and unhealthy targets."""
    place = Place.of(balancer)
    yield place.metric("HealthyHostCount", pool), Distribution.of({float(healthy): 1})
    yield place.metric("UnHealthyHostCount", pool), Distribution.of({float(unhealthy): 1})


def active(parts: Mapping[Part, int]) -> Iterator[tuple[Metric, Distribution]]:
    """Yield one sample of the open flows of each network load balancer."""
    whole: dict[str, int] = {}
    for (balancer, _), count in parts.items():
        whole[balancer] = whole.get(balancer, 0) + count
    for balancer, count in whole.items():
        if ":loadbalancer/net/" in balancer and count:
            metric = Place.of(balancer).metric("ActiveFlowCount")
            yield metric, Distribution.of({float(count): 1})
