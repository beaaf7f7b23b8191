"""Failures on the way to the API, as boto3 without retries sees them: real sockets, no patches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import botocore.parsers
import pytest

from tests import running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_cloud import Cloud


@pytest.fixture(autouse=True)
def _clear_faults(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.client.clear_faults()


def error_of(call: Any, **arguments: Any) -> Exception:
    """Return what a call raises."""
    try:
        call(**arguments)
    except Exception as error:  # noqa: BLE001  any; the test says which
        return error
    pytest.fail("the call succeeded")


@pytest.mark.parametrize(
    ("kind", "status"), [("empty-before", 503), ("html-before", 502), ("html-before", 504)]
)
@pytest.mark.parametrize(
    ("service", "operation"),
    [("ec2", "describe_vpcs"), ("autoscaling", "describe_auto_scaling_groups")],
)
def test_a_gateways_answer_has_its_status_as_the_code(
    cloud: Cloud, kind: str, status: int, service: str, operation: str
) -> None:
    cloud.fault(kind=kind, status=status)
    error = error_of(getattr(cloud.aws(service), operation))
    assert isinstance(error, botocore.exceptions.ClientError)
    answer: Any = error.response
    assert answer["Error"]["Code"] == str(status)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers.get("content-type") == ("text/html" if kind.startswith("html") else None)
    assert int(headers["content-length"]) > 0 or kind.startswith("empty")


LOST: list[tuple[str, type[Exception]]] = [
    ("empty", botocore.exceptions.ClientError),
    ("html", botocore.exceptions.ClientError),
    ("reset", botocore.exceptions.ConnectionClosedError),
]


@pytest.mark.parametrize(("kind", "raised"), LOST)
def test_a_lost_answer_says_nothing_about_the_effect(
    cloud: Cloud, kind: str, raised: type[Exception]
) -> None:
    ec2 = cloud.aws("ec2")
    for when in ("before", "after"):
        cloud.fault(service="ec2", action="CreateKeyPair", kind=f"{kind}-{when}")
        error = error_of(ec2.create_key_pair, KeyName=f"{kind}-{when}")
        assert type(error) is raised, error
    names = {pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]}
    assert f"{kind}-after" in names
    assert f"{kind}-before" not in names


def test_a_truncated_answer_ends_before_its_length(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    cloud.fault(service="ec2", action="CreateKeyPair", kind="truncated")
    error = error_of(ec2.create_key_pair, KeyName="truncated")
    # botocore does not check the length; its parser's error is no BotoCoreError.
    assert isinstance(error, botocore.parsers.ResponseParserError), error
    assert "truncated" in {pair["KeyName"] for pair in ec2.describe_key_pairs()["KeyPairs"]}


def test_during_an_outage_connections_are_refused_and_the_port_stays(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    cloud.fault(service="ec2", action="DescribeVpcs", kind="outage", seconds=0.3)
    began = time.monotonic()
    assert isinstance(error_of(ec2.describe_vpcs), botocore.exceptions.ConnectionClosedError)
    assert isinstance(error_of(ec2.describe_vpcs), botocore.exceptions.EndpointConnectionError)
    running_cloud.eventually(lambda: not refuses(ec2.describe_vpcs))
    assert time.monotonic() - began >= 0.3
    assert cloud.client.faults() == []


def test_a_fault_for_one_client_spares_the_others(cloud: Cloud) -> None:
    cloud.fault(action="DescribeVpcs", kind="throttle", agent="Terraform")
    assert cloud.aws("ec2").describe_vpcs()["Vpcs"]
    assert len(cloud.client.faults()) == 1
    cloud.client.clear_faults()
    cloud.fault(action="DescribeVpcs", kind="throttle", agent="Boto3")
    assert error_of(cloud.aws("ec2").describe_vpcs) is not None


def refuses(call: Any) -> bool:
    try:
        call()
    except botocore.exceptions.EndpointConnectionError:
        return True
    return False


def test_tls_to_the_same_port_meets_a_certificate_that_no_client_trusts(cloud: Cloud) -> None:
    endpoint = cloud.endpoint.replace("http:", "https:")
    error = error_of(running_cloud.client(endpoint, "ec2", "us-east-1", 0).describe_vpcs)
    assert isinstance(error, botocore.exceptions.SSLError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert cloud.aws("ec2").describe_vpcs()["Vpcs"]


def test_an_endpoint_name_that_does_not_resolve_is_a_failed_connection(cloud: Cloud) -> None:
    endpoint = f"http://aws.invalid:{cloud.state.port}"  # RFC 2606: never resolves
    error = error_of(running_cloud.client(endpoint, "ec2", "us-east-1", 0).describe_vpcs)
    assert isinstance(error, botocore.exceptions.EndpointConnectionError)
