"""The host names of AWS through the proxy: only what `local-cloud env` prints, and no endpoint."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import botocore.config
import botocore.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from local_cloud import environment, proxy_variables
from local_cloud.api.authority import Authority
from local_cloud.traffic import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud


@pytest.fixture(autouse=True)
def by_proxy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point this process at the cloud, by host names alone."""
    for name, value in environment.variables(cloud.state).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    yield
    cloud.client.clear_faults()


def client(service: str, region: str = "us-east-1", **more: Any) -> Any:
    make: Any = boto3.client  # its stubs know services by literal name only
    config = botocore.config.Config(retries={"total_max_attempts": 1}, **more)
    return make(service, region_name=region, config=config)


def get(url: str) -> bytes:
    # `urlopen` keeps the proxies of its first call.
    with urllib.request.build_opener().open(url, timeout=30) as answer:
        content: bytes = answer.read()
        return content


@pytest.mark.parametrize(
    ("service", "operation", "region", "more"),
    [
        ("ec2", "describe_vpcs", "eu-west-1", {}),
        ("ec2", "describe_vpcs", "us-east-1", {"use_dualstack_endpoint": True}),
        ("ec2", "describe_vpcs", "us-east-1", {"use_fips_endpoint": True}),
        ("ec2", "describe_vpcs", "cn-north-1", {}),
        ("autoscaling", "describe_auto_scaling_groups", "us-east-1", {}),
        ("elbv2", "describe_load_balancers", "us-gov-west-1", {}),
        ("iam", "list_users", "us-east-1", {}),
        ("sts", "get_caller_identity", "eu-central-1", {}),
        ("ssm", "describe_parameters", "us-east-1", {}),
    ],
)
def test_a_service_answers_at_its_own_host_name(
    service: str, operation: str, region: str, more: dict[str, Any]
) -> None:
    made = client(service, region, **more)
    assert ".amazonaws.com" in made.meta.endpoint_url or ".api.aws" in made.meta.endpoint_url
    assert getattr(made, operation)()["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("bucket", ["by-host-name", "with.dots"])
def test_a_bucket_answers_at_its_own_host_name(bucket: str) -> None:
    s3 = client("s3", "us-west-2", s3={"addressing_style": "virtual"})
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=bucket, Key="a/b c+d", Body=b"content")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "a/b c+d"
    assert s3.get_object(Bucket=bucket, Key="a/b c+d")["Body"].read() == b"content"


def test_a_url_that_is_signed_beforehand_works_in_any_program() -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="a", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "a"})
    assert url.startswith("https://signed.s3.amazonaws.com/")
    assert get(url) == b"content"
    who = client("sts").generate_presigned_url("get_caller_identity")
    assert b"<GetCallerIdentityResult>" in get(who)


def test_calls_by_host_name_meet_the_same_faults_and_are_counted(cloud: Cloud) -> None:
    ec2 = client("ec2")
    before = cloud.client.count("ec2", "DescribeVpcs")
    for kind, raised in {
        "throttle": botocore.exceptions.ClientError,
        "html-before": botocore.exceptions.ClientError,
        # botocore blames the proxy for each connection that breaks.
        "reset-before": botocore.exceptions.ProxyConnectionError,
    }.items():
        cloud.fault(service="ec2", action="DescribeVpcs", kind=kind)
        with pytest.raises(raised):
            ec2.describe_vpcs()
    assert ec2.describe_vpcs()["Vpcs"]
    assert cloud.client.count("ec2", "DescribeVpcs") == before + 4


def test_a_reset_connection_leaves_the_next_one_alone(cloud: Cloud) -> None:
    # Its number is used again at once. A server that reads on takes what the next client sends.
    ec2 = client("ec2")
    for _ in range(60):
        cloud.fault(service="ec2", action="DescribeVpcs", kind="reset-before")
        with pytest.raises(botocore.exceptions.ProxyConnectionError):
            ec2.describe_vpcs()
        assert ec2.describe_vpcs()["Vpcs"]


def test_plain_http_to_aws_stays_here() -> None:
    assert get("http://checkip.amazonaws.com/") == b"127.0.0.1\n"
    assert get("https://checkip.amazonaws.com/") == b"127.0.0.1\n"
    s3 = client("s3")
    s3.create_bucket(Bucket="plain")
    s3.put_object(Bucket="plain", Key="a", Body=b"content", ACL="public-read")
    assert get("http://plain.s3.amazonaws.com/a") == b"content"


def test_a_service_that_no_cloud_here_has_is_refused_at_once() -> None:
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client("wellarchitected").list_workloads()
    error: Any = raised.value.response
    assert error["Error"]["Code"] == "NotImplementedByLocalCloud"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def an_echo(answer: bytes) -> tuple[socket.socket, list[bytes]]:
    """Listen as a host that is not of AWS; return the socket and what it is sent."""
    listening, got = socket.create_server(("127.0.0.1", 0)), list[bytes]()

    def serve() -> None:
        here, _ = listening.accept()
        with here:
            got.append(here.recv(65536))
            here.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return listening, got


def proxied(cloud: Cloud) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cloud.state.port), 30)


def test_another_host_is_tunneled_as_it_is(cloud: Cloud) -> None:
    listening, got = an_echo(b"anything")
    with listening, proxied(cloud) as made:
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        made.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
        assert made.recv(1000).startswith(b"HTTP/1.1 200 ")
        made.sendall(b"\x00 no HTTP")
        assert made.recv(1000) == b"anything"
        assert got == [b"\x00 no HTTP"]
        assert made.recv(1000) == b""


def test_plain_http_to_another_host_is_passed_on(cloud: Cloud) -> None:
    listening, got = an_echo(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    with listening:
        where = f"127.0.0.1:{listening.getsockname()[1]}"
        request = urllib.request.Request(f"http://{where}/a?b", data=b"body")
        request.set_proxy(f"127.0.0.1:{cloud.state.port}", "http")
        with urllib.request.build_opener().open(request, timeout=30) as answer:
            assert answer.read() == b"hi"
    head, _, body = got[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a?b HTTP/1.1\r\n")
    assert f"Host: {where}".encode() in head
    assert body == b"body"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("CONNECT 127.0.0.1:1 HTTP/1.1", b"502 local cloud: 127.0.0.1: Connection refused"),
        ("CONNECT example.com HTTP/1.1", b"400 CONNECT needs HOST:PORT"),
        ("GET http://127.0.0.1:1/ HTTP/1.1", b"502 local cloud: 127.0.0.1: Connection refused"),
        ("GET ftp://example.com/ HTTP/1.1", b"501 local cloud: no ftp request"),
    ],
)
def test_a_host_that_cannot_be_reached_is_named(cloud: Cloud, line: str, status: bytes) -> None:
    with proxied(cloud) as made:
        made.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
        assert status in made.recv(1000).partition(b"\r\n")[0]


def test_only_loopback_is_listened_on_and_no_key_is_on_disk(cloud: Cloud) -> None:
    assert cloud.home.authority.read_text().count("BEGIN") == 1
    for path in (cloud.home.authority, cloud.home.trusted):
        assert "PRIVATE KEY" not in path.read_text()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", cloud.state.port), 5)


def test_env_in_an_environment_of_a_cloud_keeps_the_users_own_proxy(cloud: Cloud) -> None:
    mine = {"HTTPS_PROXY": "http://proxy.corp:3128", "SSL_CERT_FILE": "/etc/corp.pem"}
    first = environment.variables(cloud.state, mine)
    assert first["HTTPS_PROXY"] == first["https_proxy"] == cloud.endpoint
    again = environment.variables(cloud.state, {**mine, **first})
    assert json.loads(again[proxy_variables.REPLACED]) == mine
    assert proxy_variables.own_values(again) == mine


def accepted(context: ssl.SSLContext, trusted: Path, name: str) -> bool:
    """Return True if a client that trusts a file accepts a server as a host."""
    there, here = socket.socketpair()
    with there, here:

        def serve() -> None:
            try:
                context.wrap_socket(here, server_side=True).close()
            except OSError:
                here.close()

        thread = threading.Thread(target=serve)
        thread.start()
        trusting = ssl.create_default_context(cafile=str(trusted))
        try:
            trusting.wrap_socket(there, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            there.close()
            return False
        finally:
            thread.join()
        return True


def test_the_authority_is_trusted_for_the_host_names_of_aws_only(tmp_path: Path) -> None:
    authority = Authority()
    authority.write(tmp_path / "authority.pem", tmp_path / "trusted.pem")
    for name in ("ec2.us-east-1.amazonaws.com", f"{'b' * 63}.s3.us-east-1.amazonaws.com"):
        assert accepted(authority.context(name), tmp_path / "authority.pem", name)
    for name in ("example.com", "127.0.0.1", "amazonaws.com.evil.com"):
        assert not accepted(authority.context(name), tmp_path / "authority.pem", name)


def test_each_cloud_has_an_authority_of_its_own(tmp_path: Path) -> None:
    one, other = Authority(), Authority()
    one.write(tmp_path / "one.pem", tmp_path / "trusted.pem")
    name = "sts.amazonaws.com"
    assert not accepted(other.context(name), tmp_path / "one.pem", name)
    assert (tmp_path / "trusted.pem").read_text().count("BEGIN CERTIFICATE") > 50
    assert one.pem in (tmp_path / "trusted.pem").read_text()


def test_a_key_is_read_from_memory() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signed = certificates.certificate(key, "127.0.0.1")
    assert isinstance(signed, x509.Certificate)
    assert certificates.server_context(key, signed).get_ca_certs() == []


def test_a_program_that_is_started_with_the_environment_needs_nothing_else(cloud: Cloud) -> None:
    env = {k: v for k, v in cloud.env.items() if k != "AWS_ENDPOINT_URL"}
    words = ["-c", "from botocore.session import Session as S; c = S().create_client('sts');"]
    words[1] += "print(c.meta.endpoint_url, c.get_caller_identity()['Account'])"
    done = subprocess.run(
        [sys.executable, *words],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "https://sts.us-east-1.amazonaws.com 123456789012\n"
