"""Distributions, minutes and periods, and what load balancers carried by AWS's names."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from local_cloud.metrics.collector import Collector
from local_cloud.metrics.distribution import Distribution
from local_cloud.metrics.meter import Handled, Meter
from local_cloud.metrics.store import Metric, Store

ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
ALB, NLB = f"{ARN}:loadbalancer/app/web/1", f"{ARN}:loadbalancer/net/web/2"
GROUP = f"{ARN}:targetgroup/web/3"
CLASSIC = "elb:123456789012:us-east-1:web"


@dataclass(kw_only=True)
class Clock:
    """A clock that a test moves."""

    at: float = 6000.0

    def __call__(self) -> float:
        return self.at


def carried(collector: Collector, clock: Clock) -> dict[tuple[str, str, str], Distribution]:
    """Return what can be read two minutes later: by namespace, name and last dimension."""
    clock.at += 120 / collector.store.speed
    collector.step()
    store = collector.store
    return {
        (each.namespace, each.name, each.dimensions[-1][1]): store.points(each, 0)[-1][1]
        for each in store.metrics()
    }


def a_collector(clock: Clock, speed: float = 1.0) -> Collector:
    store = Store(speed=speed, now=clock)
    return Collector(store=store, meter=Meter(minute=store.minute))


def test_statistics_and_percentiles_are_of_all_values() -> None:
    values = Distribution.of({1.0: 98, 5.0: 1, 9.0: 1})
    named = {name: values.statistic(name) for name in ("Sum", "Average", "Minimum", "Maximum")}
    assert named == {"Sum": 112.0, "Average": 1.12, "Minimum": 1.0, "Maximum": 9.0}
    assert [values.statistic(p) for p in ("p50", "p98", "p99", "p99.9", "p100")] == [1, 1, 5, 9, 9]
    assert values.statistic("SampleCount") == 100
    with pytest.raises(ValueError, match="tm99"):
        values.statistic("tm99")


def test_values_known_as_statistics_only_are_in_no_percentile() -> None:
    values = Distribution.of({1.0: 1})
    values.add_statistics(count=2, total=10, least=4, most=6)
    assert (values.statistic("Average"), values.statistic("Maximum")) == (11 / 3, 6)
    assert values.statistic("p100") == 1


def test_a_minute_can_be_read_a_minute_after_its_end() -> None:
    clock = Clock()
    store = Store(now=clock)
    metric = Metric("a", "r", "n", "m", ())
    store.add(metric, store.minute(), Distribution.of({1.0: 1}))
    clock.at += 119
    assert store.points(metric, 0) == []
    assert list(store.metrics()) == []
    clock.at += 1
    assert [at for at, _ in store.points(metric, 0)] == [6000.0]
    assert store.points(metric, 6001.0) == []


def test_minutes_are_joined_by_period_and_pass_with_the_speed_of_the_cloud() -> None:
    store = Store(speed=60.0, now=Clock(at=6010.0))
    points = [(6000.0 + n, Distribution.of({float(n): 1})) for n in range(7)]
    joined = store.by_period(points, 6001.5, 6006.0, 180.0)
    assert [(at, values.total) for at, values in joined] == [(6001, 6.0), (6004, 9.0)]
    assert store.minute(6001.0) - store.minute(6000.0) == 1


@pytest.mark.parametrize("speed", [1.0, 20.0, 200.0, 1000.0])
def test_every_minute_is_a_period_of_its_own_at_any_speed(speed: float) -> None:
    store = Store(speed=speed, now=Clock(at=1_800_000_000.0))
    first = store.minute()
    points = [(store.begin(first + n), Distribution.of({1.0: 1})) for n in range(1000)]
    found = store.by_period(points, 0.0, 2e9, 60.0)
    assert [values.total for _, values in found] == [1.0] * 1000


def test_requests_are_counted_for_the_load_balancer_and_for_its_target_group() -> None:
    collector = a_collector(clock := Clock())
    answered = Handled(pool=GROUP, by_member=True, seconds=0.25)
    for status in (200, 204, 301, 404, 500):
        collector.meter.request(ALB, status, answered)
    collector.meter.request(ALB, 502, Handled(pool=GROUP, refused=True))
    collector.meter.request(ALB, 503, Handled())
    found = carried(collector, clock)
    sums = {(name, where): values.total for (_, name, where), values in found.items()}
    both = {
        "RequestCount": 6,
        "TargetConnectionErrorCount": 1,
        "HTTPCode_Target_2XX_Count": 2,
        "HTTPCode_Target_3XX_Count": 1,
        "HTTPCode_Target_4XX_Count": 1,
        "HTTPCode_Target_5XX_Count": 1,
        "TargetResponseTime": 1.25,
    }
    alone = {"HTTPCode_ELB_5XX_Count": 2, "HTTPCode_ELB_502_Count": 1, "HTTPCode_ELB_503_Count": 1}
    balancer, group = "app/web/1", "targetgroup/web/3"
    assert sums == {
        **{(name, where): count for name, count in both.items() for where in (balancer, group)},
        **{(name, balancer): count for name, count in alone.items()},
    }
    assert {namespace for namespace, _, _ in found} == {"AWS/ApplicationELB"}


def test_a_classic_load_balancer_has_the_metrics_of_its_own_namespace() -> None:
    collector = a_collector(clock := Clock())
    pool = CLASSIC
    collector.meter.request(CLASSIC, 200, Handled(pool=pool, by_member=True, seconds=0.5))
    collector.meter.request(CLASSIC, 404, Handled(pool=pool, by_member=True, seconds=0.5))
    collector.meter.request(CLASSIC, 503, Handled())
    found = carried(collector, clock)
    assert {key: values.total for key, values in found.items()} == {
        ("AWS/ELB", "RequestCount", "web"): 2,
        ("AWS/ELB", "HTTPCode_Backend_2XX", "web"): 1,
        ("AWS/ELB", "HTTPCode_Backend_4XX", "web"): 1,
        ("AWS/ELB", "HTTPCode_ELB_5XX", "web"): 1,
        ("AWS/ELB", "Latency", "web"): 1.0,
    }


def test_a_network_load_balancer_counts_flows_and_bytes() -> None:
    collector = a_collector(clock := Clock())
    collector.meter.connection(NLB, GROUP)
    collector.meter.carried(NLB, GROUP, 300)
    collector.meter.active[NLB, GROUP] += 1
    collector.step()
    found = carried(collector, clock)
    assert {name: values.total for (_, name, _), values in found.items()} == {
        "NewFlowCount": 1,
        "ProcessedBytes": 300,
        "ActiveFlowCount": 1,
    }


def test_no_metric_is_reported_for_a_minute_without_traffic() -> None:
    collector = a_collector(clock := Clock())
    assert carried(collector, clock) == {}
