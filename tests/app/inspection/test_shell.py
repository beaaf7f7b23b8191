"""A shell on a member of AWS: what must be there, and how the AWS CLI is called."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import Application, Options
from pipeline.app.inspection import shell
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.inspection.members import EnvironmentMember

pytestmark = pytest.mark.usefixtures("project")
MEMBER = EnvironmentMember(
    id="i-0123456789abcdef0", release="r000002", lifecycle="InService", environment="staging"
)
CHECK = "aws ssm describe-instance-information --filters Key=InstanceIds,Values=i-0123456789abcdef0"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipeline.toml").write_text(
        'app = "web"\nregion = "eu-central-1"\n[environments.staging]\n'
        '[bake]\ntemplate = "x.pkr.hcl"\n'
    )
    (tmp_path / "x.pkr.hcl").touch()
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def program(name: str, text: str = "") -> None:
    path = Path("bin", name)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def opened(monkeypatch: pytest.MonkeyPatch, reason: str = "") -> None:
    def online(_clients: Any, region: str, instances: list[str]) -> dict[str, str]:
        assert region == "eu-central-1"
        return dict.fromkeys(instances, reason)

    monkeypatch.setattr("pipeline.adapters.aws.members.journals.read_online", online)
    app = Application.start(Options(), lambda _: None)
    environ = {**app.environ, "PATH": f"{Path('bin').resolve()}:{os.defpath}"}
    shell.open_session(replace(app, environ=environ), MEMBER)


def test_what_is_missing_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "defpath", "/nowhere")
    logs = "without it: ami-pipeline logs -e staging --member i-0123456789abcdef0"
    for name in ("aws", "session-manager-plugin"):
        with pytest.raises(RefusedError) as told:
            opened(monkeypatch)
        assert told.value.what == f"the program {name} is not on PATH"
        assert told.value.remedy.startswith("install it: https://docs.aws.amazon.com/")
        assert told.value.remedy.endswith(logs)
        program(name)
    with pytest.raises(RefusedError) as told:
        opened(monkeypatch, "not managed by Systems Manager")
    assert told.value.what == (
        "i-0123456789abcdef0 (r000002): not managed by Systems Manager; the instance needs SSM "
        "Agent, a role with AmazonSSMManagedInstanceCore, and a route to Systems Manager"
    )
    assert told.value.remedy == CHECK


def test_the_aws_cli_gets_the_terminal_the_region_and_these_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program("session-manager-plugin")
    program("aws", 'echo "$AWS_ACCESS_KEY_ID $*" >called; exit 0')
    monkeypatch.setattr(
        Application,
        "tool_credentials",
        property(lambda _: lambda environ, _s: {**environ, "AWS_ACCESS_KEY_ID": "ASIA"}),
    )
    opened(monkeypatch)
    assert Path("called").read_text() == (
        "ASIA ssm start-session --target i-0123456789abcdef0 --region eu-central-1\n"
    )
    program("aws", "exit 254")
    with pytest.raises(FailedError) as told:
        opened(monkeypatch)
    assert told.value.what == (
        "aws ssm start-session --target i-0123456789abcdef0 --region eu-central-1: exit code 254; "
        "its message is above"
    )
    assert told.value.remedy == CHECK
