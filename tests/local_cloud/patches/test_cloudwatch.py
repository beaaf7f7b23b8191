"""Alarms of a local cloud, asked for through boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

METRIC: dict[str, Any] = {
    "Namespace": "web",
    "MetricName": "errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def test_an_alarm_has_no_data_until_its_state_is_set(cloud: Cloud) -> None:
    client = cloud.aws("cloudwatch")
    client.put_metric_alarm(AlarmName="fresh", **METRIC)
    [fresh] = client.describe_alarms(AlarmNames=["fresh"])["MetricAlarms"]
    assert fresh["StateValue"] == "INSUFFICIENT_DATA"
    client.set_alarm_state(AlarmName="fresh", StateValue="ALARM", StateReason="2 errors")
    [fresh] = client.describe_alarms(AlarmNames=["fresh"])["MetricAlarms"]
    assert (fresh["StateValue"], fresh["StateReason"]) == ("ALARM", "2 errors")


def test_a_changed_alarm_keeps_its_state(cloud: Cloud) -> None:
    client = cloud.aws("cloudwatch")
    client.put_metric_alarm(AlarmName="changed", **METRIC)
    client.set_alarm_state(AlarmName="changed", StateValue="ALARM", StateReason="2 errors")
    client.put_metric_alarm(AlarmName="changed", **{**METRIC, "Threshold": 5.0})
    [changed] = client.describe_alarms(AlarmNames=["changed"])["MetricAlarms"]
    found = (changed["Threshold"], changed["StateValue"], changed["StateReason"])
    assert found == (5.0, "ALARM", "2 errors")


def test_composite_alarms_are_described_on_request(cloud: Cloud) -> None:
    client = cloud.aws("cloudwatch")
    client.put_metric_alarm(AlarmName="part", **METRIC)
    client.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(part)")
    assert client.describe_alarms(AlarmNames=["both"])["CompositeAlarms"] == []
    asked = client.describe_alarms(AlarmNames=["both"], AlarmTypes=["CompositeAlarm"])
    [both] = asked["CompositeAlarms"]
    assert (both["AlarmName"], both["AlarmRule"]) == ("both", "ALARM(part)")


def test_more_alarm_names_than_the_limit_are_refused(cloud: Cloud) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="less than or equal to 100"):
        cloud.aws("cloudwatch").describe_alarms(AlarmNames=[f"a{n}" for n in range(101)])


def test_calls_of_cloudwatch_are_counted_and_struck_by_its_name(cloud: Cloud) -> None:
    before = cloud.client.count("cloudwatch", "DescribeAlarms")
    cloud.fault(service="cloudwatch", action="DescribeAlarms", kind="throttle")
    with pytest.raises(botocore.exceptions.ClientError, match="Throttling"):
        cloud.aws("cloudwatch").describe_alarms(AlarmNames=["x"])
    assert cloud.client.count("cloudwatch", "DescribeAlarms") == before + 1
