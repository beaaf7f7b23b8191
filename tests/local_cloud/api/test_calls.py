"""Counts and faults: what the tests of everything else order."""

from __future__ import annotations

import io
import threading
import time
import urllib.error
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from local_cloud.api.calls import Calls
from local_cloud.consistency.setting import OBSERVER
from local_cloud.timeline import Timeline
from tests import forkserver
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_cloud import Cloud


@pytest.fixture(autouse=True)
def _clear_faults(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.client.clear_faults()


def failure(call: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(botocore.exceptions.ClientError) as failed:
        call(**arguments)
    answer: Any = failed.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.long
def test_every_call_is_counted_and_timed_by_service_and_action(cloud: Cloud) -> None:
    cloud.client.forget_calls()
    ec2 = cloud.aws("ec2")
    ec2.describe_vpcs()
    ec2.describe_vpcs()
    cloud.aws("s3").list_buckets()
    cloud.aws("sts").get_caller_identity()
    cloud.aws("autoscaling").describe_auto_scaling_groups()
    cloud.aws("elb").describe_load_balancers()
    cloud.aws("elbv2").describe_load_balancers()
    cloud.aws("secretsmanager").list_secrets()
    counted = {(c["service"], c["action"]): c["calls"] for c in cloud.client.calls()}
    assert counted == {
        ("autoscaling", "DescribeAutoScalingGroups"): 1,
        ("ec2", "DescribeVpcs"): 2,
        ("elb", "DescribeLoadBalancers"): 1,
        ("elbv2", "DescribeLoadBalancers"): 1,
        ("s3", "ListBuckets"): 1,
        ("secretsmanager", "ListSecrets"): 1,
        ("sts", "GetCallerIdentity"): 1,
    }
    assert all(0 < c["seconds"] < 30 for c in cloud.client.calls())


def test_a_throttle_answers_as_each_protocol_of_aws_does(cloud: Cloud) -> None:
    cloud.fault(kind="throttle", times=4)
    assert failure(cloud.aws("ec2").describe_vpcs) == (503, "RequestLimitExceeded")
    groups = cloud.aws("autoscaling").describe_auto_scaling_groups
    assert failure(groups) == (400, "Throttling")
    assert failure(cloud.aws("s3").list_buckets) == (503, "SlowDown")
    assert failure(cloud.aws("secretsmanager").list_secrets) == (400, "ThrottlingException")
    cloud.aws("ec2").describe_vpcs()


def test_a_fault_strikes_its_action_the_given_number_of_times(cloud: Cloud) -> None:
    cloud.fault(service="ec2", action="DescribeSubnets", kind="throttle", times=2)
    ec2 = cloud.aws("ec2")
    ec2.describe_vpcs()
    for _ in range(2):
        assert failure(ec2.describe_subnets) == (503, "RequestLimitExceeded")
    assert ec2.describe_subnets()["Subnets"]
    assert cloud.client.faults() == []


def struck(cloud: Cloud, **order: Any) -> list[bool]:
    """Say which of forty calls a share of them struck."""
    cloud.client.clear_faults()
    cloud.fault(service="ec2", kind="throttle", times=0, **order)
    ec2 = cloud.aws("ec2")
    return [fails(ec2.describe_vpcs) for _ in range(40)]


def fails(call: Any) -> bool:
    try:
        call()
    except botocore.exceptions.ClientError:
        return True
    return False


def test_a_fault_with_a_share_strikes_the_same_calls_for_the_same_seed(cloud: Cloud) -> None:
    first = struck(cloud, share=0.3, seed=1)
    assert 6 <= sum(first) <= 18
    assert struck(cloud, share=0.3, seed=1) == first
    assert struck(cloud, share=0.3, seed=2) != first
    assert struck(cloud, share=1) == [True] * 40


@pytest.mark.long
def test_other_calls_do_not_change_which_calls_of_an_action_are_struck(
    cloud: Cloud,
) -> None:
    first = struck(cloud, share=0.5, seed=3)[:6]
    cloud.client.clear_faults()
    cloud.fault(kind="throttle", times=0, share=0.5, seed=3)
    ec2, again = cloud.aws("ec2"), []
    for _ in range(6):
        again.append(fails(ec2.describe_vpcs))
        fails(ec2.describe_subnets)
    assert again == first


def test_an_sdk_that_retries_survives_a_throttle(cloud: Cloud) -> None:
    cloud.fault(service="ec2", action="DescribeSubnets", kind="throttle", times=1)
    assert cloud.aws("ec2", retries=2).describe_subnets()["Subnets"]


def test_error_before_has_no_effect_and_error_after_has_it(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    cloud.fault(service="ec2", action="CreateKeyPair", kind="error-before")
    assert failure(ec2.create_key_pair, KeyName="before") == (500, "InternalError")
    cloud.fault(
        service="ec2", action="CreateKeyPair", kind="error-after", status=503, code="Unavailable"
    )
    assert failure(ec2.create_key_pair, KeyName="after") == (503, "Unavailable")
    names = {pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]}
    assert "after" in names
    assert "before" not in names


def test_a_delay_delays_its_own_call_only(cloud: Cloud) -> None:
    cloud.fault(service="ec2", action="DescribeSubnets", kind="delay", seconds=0.3)
    began = time.monotonic()
    assert cloud.aws("ec2").describe_subnets()["Subnets"]
    assert time.monotonic() - began >= 0.3


def test_an_invalid_fault_is_refused(cloud: Cloud) -> None:
    for order in ({"kind": "earthquake"}, {"kind": "throttle", "share": 0.0}):
        with pytest.raises(urllib.error.HTTPError, match="400") as refused:
            cloud.fault(**order)
        refused.value.close()
    assert cloud.client.faults() == []


def test_the_timeline_has_the_time_and_the_caller_of_every_call(cloud: Cloud) -> None:
    cloud.client.clear_timeline()
    before = time.monotonic()
    cloud.aws("ec2").describe_vpcs()
    told = cloud.client.timeline()
    (call,) = [each for each in told["events"] if each["kind"] == "call"]
    assert before < call["at"] < told["now"] < time.monotonic()
    assert (call["service"], call["action"], call["status"]) == ("ec2", "DescribeVpcs", 200)
    assert call["agent"].startswith("Boto3/")
    assert call["key"] == OBSERVER
    assert told["forgotten"] == 0


def test_the_oldest_events_are_dropped_and_counted() -> None:
    timeline = Timeline(kept=2)
    for number in range(5):
        timeline.record("call", number=number)
    told = timeline.listed()
    assert [each["number"] for each in told["events"]] == [3, 4]
    assert told["forgotten"] == 3


def test_latency_is_split_before_and_after_a_call() -> None:
    worked: list[float] = []

    def work(_environ: object, start_response: Any) -> list[bytes]:
        worked.append(time.monotonic())
        start_response("200 OK", [])
        return [b"done"]

    timeline = Timeline()
    calls = Calls(work, threading.Lock(), timeline=timeline, latency=0.1)
    began = time.monotonic()
    answer = calls({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    ended = time.monotonic()
    assert list(answer) == [b"done"]
    assert ended - began >= 0.1
    assert worked[0] - began >= 0.05
    assert ended - worked[0] >= 0.05
    (call,) = timeline.listed()["events"]
    assert began <= call["at"] < worked[0]
    assert call["seconds"] < 0.05


def test_an_unexpected_exception_is_answered_500_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("i-1234")

    answered: list[str] = []
    calls = Calls(broken, threading.RLock())
    body = b"Action=DescribeAutoScalingGroups&Version=2011-01-01"
    environ = {
        "REQUEST_METHOD": "POST",
        "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/autoscaling/aws4",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    (said,) = calls(environ, lambda line, *_: answered.append(line))
    assert answered == ["500 Fault"]
    assert b"<ErrorResponse><Error><Type>Sender</Type><Code>InternalError</Code>" in said
    assert "autoscaling DescribeAutoScalingGroups could not be answered" in caplog.text
    assert 'raise KeyError("i-1234")' in caplog.text
    (tally,) = calls.tallies()
    assert (tally["errors"], tally["action"]) == (1, "DescribeAutoScalingGroups")


def test_the_log_of_a_cloud_outlives_it(cloud: Cloud) -> None:
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    cloud.aws("elb").create_load_balancer(
        LoadBalancerName="printed", Listeners=[listener], AvailabilityZones=["us-east-1a"]
    )
    log = forkserver.log_of(cloud.home)
    eventually(lambda: "answers for printed" in log.read_text())
    assert cloud.home.path not in log.parents  # which its end removes
