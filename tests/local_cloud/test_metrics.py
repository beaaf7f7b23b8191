"""Metrics and alarms of a local cloud, from real traffic, asked for through boto3."""

from __future__ import annotations

import http.server
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from tests import running_cloud
from tests.patched_moto import to
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

NAMESPACE = "AWS/ApplicationELB"
ALARM: dict[str, Any] = {
    "Namespace": NAMESPACE,
    "MetricName": "HTTPCode_Target_5XX_Count",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
}
BUSY = {"Namespace": NAMESPACE, "MetricName": "RequestCount"}


class ByPath(http.server.BaseHTTPRequestHandler):
    """Answer with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        pass


class Site:
    """An application load balancer with one target, which is this process."""

    def __init__(self, cloud: Cloud, port: int) -> None:
        self.cloud = cloud
        elbv2, ec2 = cloud.aws("elbv2"), cloud.aws("ec2")
        subnets = ec2.describe_subnets()["Subnets"][:2]
        group = elbv2.create_target_group(
            Name="web",
            Protocol="HTTP",
            Port=port,
            VpcId=subnets[0]["VpcId"],
            TargetType="ip",
            HealthCheckPath="/200",
        )
        self.group = group["TargetGroups"][0]["TargetGroupArn"]
        targets = [{"Id": "127.0.0.1", "Port": port, "AvailabilityZone": "all"}]
        elbv2.register_targets(TargetGroupArn=self.group, Targets=targets)
        ids = [each["SubnetId"] for each in subnets]
        made = elbv2.create_load_balancer(Name="web", Subnets=ids)["LoadBalancers"][0]
        self.balancer, self.address = made["LoadBalancerArn"], made["DNSName"]
        elbv2.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="HTTP",
            Port=8081,
            DefaultActions=[to(self.group)],
        )
        eventually(lambda: self.ask(200) == 200)

    def ask(self, status: int) -> int:
        """Request a status; return the one that answers."""
        try:
            with urllib.request.urlopen(
                f"http://{self.address}:8081/{status}", timeout=10
            ) as given:
                return int(given.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code
        except OSError:
            return 0

    @property
    def dimensions(self) -> list[dict[str, str]]:
        return [{"Name": "LoadBalancer", "Value": self.balancer.partition("loadbalancer/")[2]}]

    @property
    def of_group(self) -> list[dict[str, str]]:
        return [*self.dimensions, {"Name": "TargetGroup", "Value": self.group.split(":", 5)[5]}]

    def total(self, name: str, dimensions: list[dict[str, str]]) -> float:
        """Return the sum of all datapoints of a metric."""
        found = self.cloud.aws("cloudwatch").get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=name,
            Dimensions=dimensions,
            Statistics=["Sum"],
            Period=60,
            **window(),
        )
        return float(sum(each["Sum"] for each in found["Datapoints"]))


def window() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(seconds=1)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ByPath)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home: Path = tmp_path_factory.mktemp("metrics") / "cloud"
    with running_cloud.a_cloud(home) as cloud:
        yield Site(cloud, server.server_address[1])
    server.shutdown()
    server.server_close()


def test_requests_are_counted_for_the_load_balancer_and_its_target_group(site: Site) -> None:
    before = site.total("HTTPCode_Target_4XX_Count", site.dimensions)
    for _ in range(3):
        assert site.ask(404) == 404
    eventually(lambda: site.total("HTTPCode_Target_4XX_Count", site.dimensions) == before + 3)
    assert site.total("HTTPCode_Target_4XX_Count", site.of_group) == before + 3
    assert site.total("RequestCount", site.dimensions) >= before + 3
    assert site.total("HTTPCode_ELB_5XX_Count", site.of_group) == 0


def test_response_times_have_percentiles_and_hosts_are_healthy(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    assert site.ask(200) == 200
    eventually(lambda: site.total("TargetResponseTime", site.dimensions) > 0)
    metrics = {"TargetResponseTime": "p99", "HealthyHostCount": "Maximum"}
    queries = [
        {
            "Id": name.lower(),
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": name,
                    "Dimensions": site.of_group,
                },
                "Period": 3600,
                "Stat": stat,
            },
        }
        for name, stat in metrics.items()
    ]

    def values() -> list[list[float]]:
        found = client.get_metric_data(MetricDataQueries=queries, **window())["MetricDataResults"]
        return [each["Values"] for each in found]

    eventually(lambda: 1.0 in values()[1])  # a count may be older than the first answer
    assert all(0 < value < 5 for value in values()[0])
    described = client.get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName="TargetResponseTime",
        Period=3600,
        Dimensions=site.dimensions,
        ExtendedStatistics=["p50", "p99.9"],
        **window(),
    )["Datapoints"]
    assert described[0]["Unit"] == "Seconds"
    assert 0 < described[0]["ExtendedStatistics"]["p50"] < 5


def test_metrics_are_listed_once_they_have_data(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    assert site.ask(200) == 200
    wanted = {"Namespace": NAMESPACE, "MetricName": "RequestCount"}
    eventually(lambda: len(client.list_metrics(**wanted)["Metrics"]) == 2)
    listed = client.list_metrics(**wanted)["Metrics"]
    assert sorted([each["Dimensions"] for each in listed], key=len) == [
        site.dimensions,
        site.of_group,
    ]


def test_an_alarm_fires_on_responses_of_targets_and_recovers_by_itself(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    client.put_metric_alarm(AlarmName="errors", Dimensions=site.dimensions, **ALARM)
    client.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("errors") OR FALSE')
    eventually(lambda: state(site, "errors")["StateValue"] == "OK")

    def fired_with() -> str:
        """Return why the alarm fires, of the same answer: it recovers in a tenth of a second."""
        found = state(site, "errors")
        firing = site.ask(500) == 500 and found["StateValue"] == "ALARM"
        return str(found["StateReason"]) if firing else ""

    reason = eventually(fired_with)
    assert reason.startswith("Threshold Crossed: 1 out of the last 1 datapoints [")
    assert "greater than or equal to the threshold (1.0)" in reason
    eventually(lambda: state(site, "errors")["StateValue"] == "OK")
    fired = state(site, "any")["StateTransitionedTimestamp"]
    eventually(lambda: state(site, "any")["StateValue"] == "OK")
    assert state(site, "any")["StateTransitionedTimestamp"] >= fired


def test_a_state_that_is_set_lasts_until_the_next_evaluation(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    client.put_metric_alarm(AlarmName="set", Dimensions=site.dimensions, **ALARM)
    client.set_alarm_state(AlarmName="set", StateValue="ALARM", StateReason="by hand")
    eventually(lambda: state(site, "set")["StateValue"] == "OK")
    unknown = {**ALARM, "MetricName": "Unknown", "TreatMissingData": "missing"}
    client.put_metric_alarm(AlarmName="unknown", Dimensions=site.dimensions, **unknown)
    client.set_alarm_state(AlarmName="unknown", StateValue="ALARM", StateReason="by hand")
    minutes = site.total("HealthyHostCount", site.of_group)
    eventually(lambda: site.total("HealthyHostCount", site.of_group) > minutes)
    assert state(site, "unknown")["StateReason"] == "by hand"


def test_metrics_that_are_put_are_read_and_move_alarms(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    own = {"Namespace": "web", "MetricName": "errors"}
    alarm = {**ALARM, **own, "TreatMissingData": "missing"}
    client.put_metric_alarm(AlarmName="own", **alarm)

    def fires() -> bool:
        client.put_metric_data(Namespace="web", MetricData=[{"MetricName": "errors", "Value": 3.0}])
        return bool(state(site, "own")["StateValue"] == "ALARM")

    eventually(fires)
    found = client.get_metric_statistics(**own, Statistics=["Maximum"], Period=3600, **window())
    assert max(each["Maximum"] for each in found["Datapoints"]) == 3.0
    eventually(lambda: state(site, "own")["StateValue"] == "INSUFFICIENT_DATA")


def test_an_alarm_may_name_its_metric_as_a_query(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    metric = {**BUSY, "Dimensions": site.dimensions}
    stat = {"Metric": metric, "Period": 300, "Stat": "Sum"}
    limits = {key: ALARM[key] for key in ("EvaluationPeriods", "Threshold", "ComparisonOperator")}
    queries = [{"Id": "busy", "MetricStat": stat, "ReturnData": True}]
    client.put_metric_alarm(AlarmName="query", Metrics=queries, **limits)
    eventually(lambda: site.ask(200) == 200 and state(site, "query")["StateValue"] == "ALARM")


def test_a_statistic_or_a_rule_that_aws_does_not_know_is_refused(site: Site) -> None:
    client = site.cloud.aws("cloudwatch")
    site.total("RequestCount", site.dimensions)
    with pytest.raises(botocore.exceptions.ClientError, match="do not exist"):
        client.put_composite_alarm(AlarmName="x", AlarmRule="ALARM(no-such-alarm)")
    with pytest.raises(botocore.exceptions.ClientError, match="not valid"):
        client.put_composite_alarm(AlarmName="x", AlarmRule="ALARM(")
    eventually(lambda: site.ask(200) == 200 and site.total("RequestCount", site.dimensions) > 0)
    with pytest.raises(botocore.exceptions.ClientError, match="p101"):
        client.get_metric_statistics(
            **BUSY,
            Dimensions=site.dimensions,
            ExtendedStatistics=["p101"],
            Period=60,
            **window(),
        )


def state(site: Site, name: str) -> dict[str, Any]:
    """Return an alarm as it is described."""
    kinds = ["MetricAlarm", "CompositeAlarm"]
    found = site.cloud.aws("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=kinds)
    described: list[dict[str, Any]] = found["MetricAlarms"] + found["CompositeAlarms"]
    return described[0]
