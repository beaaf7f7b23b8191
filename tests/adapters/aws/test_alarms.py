"""Alarms by name, on a local cloud."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.aws.alarms import CloudWatchAlarms
from pipeline.core.errors import RefusedError
from tests.aws.service import REGION, Service

METRIC: dict[str, Any] = {
    "Namespace": "web",
    "MetricName": "errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
NUMBERS = itertools.count(1)


@pytest.fixture
def alarms(service: Service) -> CloudWatchAlarms:
    return CloudWatchAlarms(service.clients, REGION)


def alarm(service: Service, state: str = "", reason: str = "", *, rule: str = "") -> str:
    """Put an alarm, composite if it has a rule, and set its state."""
    name, client = f"alarm-{next(NUMBERS)}", service.cloud.aws("cloudwatch")
    if rule:
        client.put_composite_alarm(AlarmName=name, AlarmRule=rule)
    else:
        client.put_metric_alarm(AlarmName=name, **METRIC)
    if state:
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason)
    return name


def test_only_alarms_in_state_alarm_fire_with_their_reason(
    alarms: CloudWatchAlarms, service: Service
) -> None:
    quiet = alarm(service, "OK", "all is well")
    fresh = alarm(service)
    loud = alarm(service, "ALARM", "Threshold Crossed:\n2 errors")
    both = alarm(service, "ALARM", "a child rang", rule=f"ALARM({loud})")
    service.cloud.client.forget_calls()
    assert alarms.ringing([quiet, both, fresh, loud, both]) == (
        f"{both}: a child rang",
        f"{loud}: Threshold Crossed: 2 errors",
    )
    assert service.calls() == {"DescribeAlarms": 1}


def test_an_alarm_of_logs_fires_like_any_other(alarms: CloudWatchAlarms, service: Service) -> None:
    name, client = f"alarm-{next(NUMBERS)}", service.cloud.aws("cloudwatch")
    put_log_alarm(client, name)
    assert alarms.ringing([name]) == ()
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="9 lines")
    assert alarms.ringing([name]) == (f"{name}: 9 lines",)
    client.delete_alarms(AlarmNames=[name])
    with pytest.raises(RefusedError, match="there is no alarm"):
        alarms.ringing([name])


def put_log_alarm(client: Any, name: str) -> None:
    client.put_log_alarm(
        AlarmName=name,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        QueryResultsToEvaluate=1,
        QueryResultsToAlarm=1,
        ScheduledQueryConfiguration={
            "QueryString": "fields @message",
            "LogGroupIdentifiers": ["web"],
            "ScheduleConfiguration": {
                "ScheduleExpression": "rate(5 minutes)",
                "StartTimeOffset": 300,
            },
            "ScheduledQueryRoleARN": "arn:aws:iam::123456789012:role/query",
            "AggregationExpression": "count(*)",
        },
    )


def test_without_alarms_there_is_no_call(alarms: CloudWatchAlarms, service: Service) -> None:
    service.cloud.client.forget_calls()
    assert alarms.ringing([]) == ()
    assert service.calls() == {}


def test_every_missing_alarm_is_named(alarms: CloudWatchAlarms, service: Service) -> None:
    with pytest.raises(RefusedError) as told:
        alarms.ringing(["no-such", alarm(service), "nor-this", "no-such"])
    assert told.value.where == "alarms in us-east-1"
    assert told.value.what == "there is no alarm no-such\nthere is no alarm nor-this"
    assert "aws cloudwatch describe-alarms --region us-east-1" in told.value.remedy


def test_more_than_a_hundred_alarms_take_several_calls(
    alarms: CloudWatchAlarms, service: Service
) -> None:
    service.cloud.client.forget_calls()
    with pytest.raises(RefusedError) as told:
        alarms.ringing([f"no-such-{number}" for number in range(101)])
    assert len(told.value.what.splitlines()) == 101
    assert service.calls() == {"DescribeAlarms": 2}


def test_alarms_that_cannot_be_read_are_an_error(
    alarms: CloudWatchAlarms, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = alarm(service, "OK", "all is well")
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    service.cloud.fault(service="cloudwatch", action="DescribeAlarms", kind="throttle", times=5)
    assert alarms.ringing([name]) == ()
    service.cloud.fault(service="cloudwatch", action="DescribeAlarms", kind="throttle", times=6)
    with pytest.raises(RefusedError, match="Throttling") as told:
        alarms.ringing([name])
    assert told.value.where == "reading the alarms in us-east-1"
    assert len(pauses) == 10


class Pages:
    """CloudWatch that answers one alarm a page, seen by a botocore without types of alarms."""

    meta = SimpleNamespace(endpoint_url="", service_model=SimpleNamespace(shape_names=()))

    def describe_alarms(self, **asked: Any) -> dict[str, Any]:
        number = int(asked.get("NextToken", 0))
        page: dict[str, Any] = {
            "MetricAlarms": [{"AlarmName": f"a{number}", "StateValue": "ALARM", "StateReason": "x"}]
        }
        return page | ({"NextToken": "1"} if number == 0 else {})

    def cloudwatch(self, _: str) -> Any:
        return self


def test_every_page_is_read() -> None:
    clients: Any = Pages()
    assert CloudWatchAlarms(clients, REGION).ringing(["a0", "a1"]) == ("a0: x", "a1: x")
