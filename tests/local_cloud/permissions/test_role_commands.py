"""Test `up --role`, `env --role` and `credentials`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from local_cloud import __main__ as program
from local_cloud.state_dir import HOME
from pipeline.cli.local_cloud import local_cloud
from pipeline.core import errors
from tests import running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

POLICY = {"Statement": {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}}
REMEDY = "down; {program} up --role deploy=policy.json"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("judged")
    (folder / "policy.json").write_text(json.dumps(POLICY))
    role = f"read={folder / 'policy.json'}"
    with running_cloud.a_cloud(folder / "cloud", role=[role], session_seconds=60) as running:
        yield running


@pytest.fixture
def _home(judged: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME, str(judged.home.path))


def described_vpcs(variables: dict[str, str]) -> Any:
    client: Any = boto3.client(
        "ec2",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=variables["AWS_SESSION_TOKEN"],
    )
    with pytest.raises(ClientError, match="ec2:DescribeSubnets"):
        client.describe_subnets()
    return client.describe_vpcs()["Vpcs"]


@pytest.mark.usefixtures("_home")
def test_env_prints_credentials_of_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--output", "json", "env", "--role", "read"]) == 0
    variables = json.loads(capsys.readouterr().out)
    assert described_vpcs(variables)
    assert variables["AWS_CREDENTIAL_EXPIRATION"].endswith("Z")
    shell = CliRunner().invoke(local_cloud, ["env", "--role", "read"])
    assert "export AWS_SESSION_TOKEN=" in shell.output
    assert "AWS_SESSION_TOKEN=" not in CliRunner().invoke(local_cloud, ["env"]).output


@pytest.mark.usefixtures("_home")
def test_an_unknown_role_has_no_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["credentials", "deploy"]) == 3
    assert capsys.readouterr().err == (
        "role deploy: there is no role 'deploy'; roles: read\n"
        f"next: python -m local_cloud {REMEDY.format(program='python -m local_cloud')}\n"
    )
    with pytest.raises(errors.RefusedError) as caught:
        CliRunner().invoke(local_cloud, ["env", "--role", "deploy"], catch_exceptions=False)
    name = "ami-pipeline local-cloud"
    assert caught.value.remedy == f"{name} {REMEDY.format(program=name)}"


def test_a_program_that_prints_credentials_renews_them(
    judged: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    process = f"{sys.executable} -m local_cloud credentials read"
    config.write_text(f"[profile read]\nregion = us-east-1\ncredential_process = {process}\n")
    monkeypatch.setenv(HOME, str(judged.home.path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    session = botocore.session.Session(profile="read")
    client: Any = session.create_client("ec2", endpoint_url=judged.endpoint)
    assert client.describe_vpcs()["Vpcs"]
    assert judged.client.expire_sessions("read")
    assert client.describe_vpcs()["Vpcs"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("deploy", "'deploy' is not NAME=FILE, such as deploy=policy.json"),
        ("a b=policy.json", "'a b=policy.json' is not NAME=FILE"),
        ("deploy=missing.json", "missing.json: No such file or directory"),
        ("deploy=bad.json", "bad.json: statement 1: Effect is Allow or Deny, not None"),
    ],
)
def test_an_invalid_role_is_refused_before_a_cloud_starts(
    given: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text('{"Statement": {"Action": "*", "Resource": "*"}}')
    result = CliRunner().invoke(local_cloud, ["up", "--role", given])
    assert result.exit_code == 2
    shown = " ".join(result.output.split())
    assert "--role:" in shown
    assert reason in shown
    with pytest.raises(SystemExit):
        program.main(["up", "--role", given])
    assert reason in capsys.readouterr().err
