"""Host names of AWS, and the requests that they stand for."""

from __future__ import annotations

import pytest

from local_cloud.api import hosts

ENDPOINT = "127.0.0.1:5700"


@pytest.mark.parametrize(
    "host",
    [
        "ec2.us-east-1.amazonaws.com",
        "EC2.US-EAST-1.AMAZONAWS.COM.",
        "sts.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
        "ec2.us-east-1.api.aws",
        "ec2.cn-north-1.api.amazonwebservices.com.cn",
        "ec2.us-iso-east-1.c2s.ic.gov",
        "a.bucket.s3.eu-west-1.amazonaws.com",
    ],
)
def test_a_host_name_in_a_domain_of_aws_is_of_aws(host: str) -> None:
    assert hosts.is_of_aws(host)


@pytest.mark.parametrize(
    "host", ["", "example.com", "amazonaws.com.evil.com", "notamazonaws.com", "127.0.0.1"]
)
def test_any_other_host_name_is_not_of_aws(host: str) -> None:
    assert not hosts.is_of_aws(host)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("s3.amazonaws.com", ""),
        ("s3.us-west-2.amazonaws.com", ""),
        ("s3-us-west-2.amazonaws.com", ""),
        ("s3-fips.us-gov-west-1.amazonaws.com", ""),
        ("s3.dualstack.us-east-1.amazonaws.com", ""),
        ("s3-fips.dualstack.us-east-1.amazonaws.com", ""),
        ("s3-external-1.amazonaws.com", ""),
        ("web.s3.amazonaws.com", "/web"),
        ("web.s3.us-west-2.amazonaws.com", "/web"),
        ("web.s3-us-west-2.amazonaws.com", "/web"),
        ("web.s3.dualstack.us-east-1.amazonaws.com", "/web"),
        ("web.s3-accelerate.amazonaws.com", "/web"),
        ("web.s3-website-us-east-1.amazonaws.com", "/web"),
        ("web.s3-website.eu-central-1.amazonaws.com", "/web"),
        ("web.s3.cn-north-1.amazonaws.com.cn", "/web"),
        ("dotted.s3.name.s3.us-east-1.amazonaws.com", "/dotted.s3.name"),
    ],
)
def test_a_bucket_goes_from_the_host_name_into_the_path(host: str, bucket: str) -> None:
    asked = hosts.target(host, "/a%20b?versionId=1", ENDPOINT)
    assert (asked.path, asked.host) == (f"{bucket}/a%20b?versionId=1", ENDPOINT)


@pytest.mark.parametrize(
    "host",
    [
        "ec2.us-east-1.amazonaws.com",
        "123456789012.s3-control.us-east-1.amazonaws.com",
        "s3tables.us-east-1.amazonaws.com",
    ],
)
def test_another_service_keeps_its_host_name(host: str) -> None:
    asked = hosts.target(host, "/x", ENDPOINT)
    assert (asked.path, asked.host) == ("/x", host)


def test_a_request_that_is_signed_in_its_query_has_a_scope() -> None:
    scope = "key/20260101/us-east-1/sts/aws4_request"
    quoted = scope.replace("/", "%2F")
    assert hosts.presigned(f"/?Action=GetCallerIdentity&X-Amz-Credential={quoted}") == scope
    assert hosts.presigned("/?Action=GetCallerIdentity") == ""
