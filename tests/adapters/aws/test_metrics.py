"""Metrics by minute, on a local cloud."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.aws.metrics import CloudWatchMetrics, sources
from pipeline.core.analysis.entry import APPLICATION, CLASSIC, Query
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer
from tests.aws.service import REGION, SPEED, Service, forward_to, subnets, target_group

NUMBERS = itertools.count(1)
MINUTE = 60 / SPEED


def query(name: str, statistic: str = "Sum") -> Query:
    dimensions = (("Shop", "web"),)
    return Query(namespace="Orders", metric=name, statistic=statistic, dimensions=dimensions)


def put(service: Service, name: str, minute: int, *values: float) -> None:
    at = datetime.fromtimestamp((minute + 0.5) * MINUTE, UTC)
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": "Shop", "Value": "web"}],
            "Timestamp": at,
            "Value": value,
        }
        for value in values
    ]
    service.cloud.aws("cloudwatch").put_metric_data(Namespace="Orders", MetricData=data)


@pytest.fixture
def metrics(service: Service) -> CloudWatchMetrics:
    return CloudWatchMetrics(service.clients, REGION, speed=SPEED)


def test_values_are_those_of_the_minutes_and_a_metric_without_one_has_none(
    metrics: CloudWatchMetrics, service: Service
) -> None:
    name, last = f"orders-{next(NUMBERS)}", metrics.minute(ago=120)
    for minute, values in enumerate([(1.0,), (2.0, 4.0), (), (8.0,)]):
        put(service, name, last - 3 + minute, *values)
    service.cloud.client.forget_calls()
    queries = [query(name), query(name, "p50"), query("unknown"), query(name, "SampleCount")]
    total, median, unknown, count = metrics.read(queries, last - 2, last)
    assert total == {last - 2: 6.0, last: 8.0}
    assert set(median) == {last - 2, last}
    assert unknown == {}
    assert count == {last - 2: 2.0, last: 1.0}
    assert service.calls() == {"GetMetricData": 1}


def test_a_minute_is_that_of_the_clouds_clock() -> None:
    aws = CloudWatchMetrics(SimpleNamespace(), REGION, clock=lambda: 6059.0)  # type: ignore[arg-type]
    assert [aws.minute(ago=ago) for ago in (0, 59, 60, 119, 120)] == [100, 100, 99, 99, 98]
    assert aws.minute_of("1970-01-01T01:40:59+00:00") == 100
    fast = CloudWatchMetrics(
        SimpleNamespace(),  # type: ignore[arg-type]
        REGION,
        speed=60,
        clock=lambda: 100.5,
    )
    assert [fast.minute(ago=ago) for ago in (0, 30, 60)] == [100, 100, 99]
    assert fast.minute_of("1970-01-01T00:01:40+00:00") == 100


def scripted(answers: list[Any]) -> tuple[CloudWatchMetrics, list[dict[str, Any]]]:
    """Return metrics of a client that gives these answers, and the calls that it got."""
    calls: list[dict[str, Any]] = []

    def get_metric_data(**arguments: Any) -> Any:
        calls.append(arguments)
        return answers.pop(0)

    client = SimpleNamespace(get_metric_data=get_metric_data)
    clients: Any = SimpleNamespace(cloudwatch=lambda _: client)
    return CloudWatchMetrics(clients, REGION, clock=time.time), calls


def answer(id_: str, minutes: dict[int, float], **more: Any) -> dict[str, Any]:
    times = [datetime.fromtimestamp(60 * minute, UTC) for minute in minutes]
    result = {"Id": id_, "Timestamps": times, "Values": list(minutes.values())}
    return {"MetricDataResults": [result], **more}


def test_a_metric_goes_on_in_the_next_page() -> None:
    first, second = answer("q0", {7: 1.0}, NextToken="more"), answer("q0", {8: 2.0})
    metrics, calls = scripted([first, second])
    assert metrics.read([query("orders")], 7, 8) == [{7: 1.0, 8: 2.0}]
    assert [each.get("NextToken") for each in calls] == [None, "more"]
    assert calls[0]["StartTime"] == datetime.fromtimestamp(7 * 60, UTC)
    assert calls[0]["EndTime"] == datetime.fromtimestamp(9 * 60, UTC)


def test_a_call_has_at_most_500_queries() -> None:
    metrics, calls = scripted([answer("q0", {7: 1.0}), answer("q500", {7: 2.0})])
    found = metrics.read([query(f"m{number}") for number in range(501)], 7, 7)
    assert (found[0], found[1], found[500]) == ({7: 1.0}, {}, {7: 2.0})
    assert [len(each["MetricDataQueries"]) for each in calls] == [500, 1]


def test_a_call_that_is_throttled_is_repeated(metrics: CloudWatchMetrics, service: Service) -> None:
    service.cloud.client.fault(service="cloudwatch", action="GetMetricData", kind="throttle")
    assert metrics.read([query("unknown")], 1, 2) == [{}]


def test_the_metrics_of_load_balancers_have_their_dimensions(service: Service) -> None:
    found = sources(service.clients, REGION, service.both)
    classic, targets = found[service.classic.identifier], found[service.targets.identifier]
    assert (classic.namespace, classic.dimensions) == (CLASSIC, (("LoadBalancerName", "web"),))
    assert targets.namespace == APPLICATION
    balancer, group = dict(targets.dimensions).values()
    assert balancer.startswith("app/web-alb/")
    assert service.targets.identifier.endswith(f":{group}")
    assert group.startswith("targetgroup/web-tg/")


def test_a_target_group_without_an_application_load_balancer_is_refused(service: Service) -> None:
    alone = target_group(service.cloud, f"alone-{next(NUMBERS)}")
    with pytest.raises(RefusedError, match="has no load balancer: no 5xx and no latency"):
        sources(service.clients, REGION, [alone])


def test_a_target_group_of_a_network_load_balancer_is_refused(service: Service) -> None:
    vpc = service.cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    elbv2, name = service.cloud.aws("elbv2"), f"net-{next(NUMBERS)}"
    [made] = elbv2.create_target_group(Name=name, Protocol="TCP", Port=8080, VpcId=vpc)[
        "TargetGroups"
    ]
    balancer = Balancer(kind="elbv2", identifier=made["TargetGroupArn"], name=name)
    listens = elbv2.create_load_balancer(Name=name, Type="network", Subnets=subnets(service.cloud))
    elbv2.create_listener(
        LoadBalancerArn=listens["LoadBalancers"][0]["LoadBalancerArn"],
        Protocol="TCP",
        Port=8081,
        DefaultActions=[forward_to(balancer)],
    )
    with pytest.raises(RefusedError) as caught:
        sources(service.clients, REGION, [balancer])
    assert str(caught.value) == (
        f"target group {name}:\n  is behind a network load balancer, which measures no 5xx and "
        "no latency to compare\n"
        "next: set compare = [] in [promote.analysis] to judge only its metrics, or enabled = "
        "false"
    )
