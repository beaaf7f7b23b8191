"""Gateways, proxies and broken connections, byte for byte, for each protocol of AWS's services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import ATTEMPTS, call, download, items
from pipeline.core.errors import RefusedError
from tests.aws.wire import RESET, Wire, a_wire, answer

REGION = "us-east-1"
PAGE = "<html><body><h1>busy</h1></body></html>"
AWS_ID = "x-amzn-RequestId: 0a1b"


class Service(NamedTuple):
    """A call of a service, the answer of AWS to it, and what it then returns."""

    ask: Callable[[Clients], Any]
    body: str
    found: Any


def listing(action: str, content: str) -> str:
    return (
        f"<{action}Response><{action}Result>{content}</{action}Result>"
        f"<ResponseMetadata><RequestId>0a1b</RequestId></ResponseMetadata></{action}Response>"
    )


SERVICES = {
    "ec2": Service(
        lambda of: list(items(of.ec2(REGION).describe_images, "Images")),
        "<DescribeImagesResponse><requestId>0a1b</requestId><imagesSet><item>"
        "<imageId>ami-1</imageId></item></imagesSet></DescribeImagesResponse>",
        [{"ImageId": "ami-1"}],
    ),
    "autoscaling": Service(
        lambda of: list(
            items(of.autoscaling(REGION).describe_auto_scaling_groups, "AutoScalingGroups")
        ),
        listing(
            "DescribeAutoScalingGroups",
            "<AutoScalingGroups><member><AutoScalingGroupName>web</AutoScalingGroupName></member>"
            "</AutoScalingGroups>",
        ),
        [{"AutoScalingGroupName": "web"}],
    ),
    "elb": Service(
        lambda of: list(items(of.elb(REGION).describe_load_balancers, "LoadBalancerDescriptions")),
        listing(
            "DescribeLoadBalancers",
            "<LoadBalancerDescriptions><member><LoadBalancerName>web</LoadBalancerName></member>"
            "</LoadBalancerDescriptions>",
        ),
        [{"LoadBalancerName": "web"}],
    ),
    "elbv2": Service(
        lambda of: list(items(of.elbv2(REGION).describe_target_groups, "TargetGroups")),
        listing(
            "DescribeTargetGroups",
            "<TargetGroups><member><TargetGroupName>web</TargetGroupName></member></TargetGroups>",
        ),
        [{"TargetGroupName": "web"}],
    ),
    "cloudwatch": Service(
        lambda of: list(items(of.cloudwatch(REGION).describe_alarms, "MetricAlarms")),
        '{"MetricAlarms": [{"AlarmName": "errors"}]}',
        [{"AlarmName": "errors"}],
    ),
    "service-quotas": Service(
        lambda of: call(
            of.service_quotas(REGION).get_service_quota, ServiceCode="a", QuotaCode="b"
        )["Quota"],
        '{"Quota": {"QuotaName": "vCPUs"}}',
        {"QuotaName": "vCPUs"},
    ),
    "sts": Service(
        lambda of: call(of.sts(REGION).get_caller_identity)["Account"],
        listing("GetCallerIdentity", "<Account>123456789012</Account>"),
        "123456789012",
    ),
    "s3": Service(
        lambda of: [each["Key"] for each in items(of.s3().list_objects_v2, "Contents", Bucket="b")],
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        ["a"],
    ),
    "s3 object": Service(
        lambda of: download(of.s3().get_object, Bucket="b", Key="a")[1],
        "content of the object",
        b"content of the object",
    ),
}

BROKEN = {
    "an empty 503": answer(503),
    "an empty 502": answer(502),
    "a gateway's page": answer(502, PAGE, content="text/html"),
    "a gateway's page with 504": answer(504, PAGE, content="text/html"),
    "a proxy's page with 200": answer(200, PAGE, content="text/html"),
    "an unfinished page with 200": answer(200, "<html><br><p>busy", content="text/html"),
    "an empty 200": answer(200),
    "a reset": RESET,
    "no HTTP": b"\x00\x01\r\n\r\n",
}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Callable[[Wire], Clients]:
    def make(wire: Wire) -> Clients:
        monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        return Clients()

    return make


def broken_answers(name: str) -> dict[str, bytes]:
    """Return what is no answer of this service; an object of S3 may be any page, or empty."""
    found = {
        what: said
        for what, said in BROKEN.items()
        if name != "s3 object" or not what.endswith("200")
    }
    return {**found, "cut off": answer(200, SERVICES[name].body, AWS_ID, cut=9)}


@pytest.mark.parametrize("name", SERVICES)
def test_a_broken_answer_is_asked_for_again(
    clients: Callable[[Wire], Clients], pauses: list[float], name: str
) -> None:
    service = SERVICES[name]
    with a_wire() as wire:
        made = clients(wire)
        for what, said in broken_answers(name).items():
            wire.answers = [said, said, answer(200, service.body, AWS_ID)]
            wire.requests = 0
            pauses.clear()
            assert (what, service.ask(made)) == (what, service.found)
            assert (what, wire.requests, len(pauses)) == (what, 3, 2)


@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_stays_broken_is_an_error_with_a_remedy(
    clients: Callable[[Wire], Clients], pauses: list[float], said: bytes
) -> None:
    with a_wire(said) as wire:
        made = clients(wire)
        with pytest.raises(RefusedError) as told, translate_errors("listing images", REGION):
            SERVICES["ec2"].ask(made)
        assert (wire.requests, len(pauses)) == (ATTEMPTS, ATTEMPTS - 1)
    assert told.value.where == "listing images in us-east-1"
    assert told.value.remedy


def test_a_network_that_comes_back_is_used_again(
    clients: Callable[[Wire], Clients], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, slept = SERVICES["autoscaling"], 0.0
    with a_wire(answer(200, service.body, AWS_ID)) as wire:
        made = clients(wire)

        def sleep(seconds: float) -> None:
            nonlocal slept
            slept += seconds
            if slept >= 5 and wire.requests == 1:
                wire.open()

        assert service.ask(made) == service.found
        wire.close()
        monkeypatch.setattr("tenacity.nap.time.sleep", sleep)
        assert service.ask(made) == service.found
    assert slept >= 5
