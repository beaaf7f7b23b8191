"""`adopt` from the command line to the store, with AWS's answers by moto."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.app.setup import adopt
from pipeline.cli.main import run
from tests.aws.running_groups import make_group

ADOPT = ["adopt", "-e", "production", "--group", "web"]
JSON = ["--output", "json"]
HEAD = 'app = "web"\nregion = "us-east-1"\n\n[bake]\ntemplate = "packer/app.pkr.hcl"\n'
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_group(aws)
    aws.ec2("us-east-1").create_launch_template_version(
        LaunchTemplateName="web",
        LaunchTemplateData={
            "ImageId": "ami-0123456789abcdef0",
            "InstanceType": "t3.small",
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        },
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(adopt, "Clients", lambda _region: aws)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    (tmp_path / "pipeline.toml").write_text(HEAD)
    return tmp_path


def document(project: Path) -> dict[str, Any]:
    text = (project / ".ami-pipeline/environments/production.json").read_text()
    content: dict[str, Any] = json.loads(text)["content"]
    return content


def groups(aws: Clients) -> list[Any]:
    found: list[Any] = aws.autoscaling("us-east-1").describe_auto_scaling_groups()[
        "AutoScalingGroups"
    ]
    return found


def test_a_group_is_adopted_once_and_forgotten_again(
    project: Path, aws: Clients, capsys: Captured
) -> None:
    before = groups(aws)
    path = project / "pipeline.toml"
    assert run([*JSON, *ADOPT, "--yes"]) == 0, capsys.readouterr().err
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["release"]) == ("adopted", "r000001")
    text = path.read_text()
    assert text.startswith(HEAD)
    [target_group] = tomllib.loads(text)["environments"]["production"]["target_groups"]
    assert target_group.startswith("arn:aws:elasticloadbalancing:")
    recorded = document(project)
    assert (recorded["serving"], recorded["next"], recorded["lease"]) == ("r000001", 2, None)
    assert recorded["releases"]["r000001"]["adopted"] == {
        "name": "web",
        "region": "us-east-1",
        "launches": "launch template web version 2",
        "stack": "",
    }

    assert run([*ADOPT, "--yes"]) == 0
    told = capsys.readouterr().out
    assert told == "nothing to do: web is already r000001, which serves\n"
    assert path.read_text() == text

    assert run(["adopt", "-e", "staging", "--group", "web", "--yes"]) == 3
    assert "group web:\n  is adopted by production\n" in capsys.readouterr().err
    assert path.read_text() == text

    assert run(["adopt", "-e", "production", "--undo", "--yes"]) == 0
    assert "web is not adopted any more, and serves as before" in capsys.readouterr().out
    recorded = document(project)
    assert (recorded["serving"], recorded["releases"], recorded["next"]) == ("", {}, 2)
    assert (path.read_text(), groups(aws)) == (text, before)

    assert run(["adopt", "-e", "production", "--undo", "--yes"]) == 3
    assert "no group is adopted" in capsys.readouterr().err


def test_an_environment_that_is_not_as_the_group_is_stays_and_is_refused(
    project: Path, capsys: Captured
) -> None:
    assert run([*ADOPT, "--yes"]) == 0
    path = project / "pipeline.toml"
    assert run(["adopt", "-e", "production", "--undo", "--yes"]) == 0
    changed = path.read_text().replace('"t3.small"', '"t3.large"').replace("max_size = 2", "")
    path.write_text(changed)
    capsys.readouterr()
    assert run([*ADOPT, "--yes"]) == 3
    assert capsys.readouterr().err.endswith(
        "[environments.production]:\n"
        "  exists and is not as the group web is\n"
        "  instance_type is 't3.large'; the group has 't3.small'\n"
        "  max_size is None; the group has 2\n"
        "next: make it as the group is, or keep it for the next releases: ami-pipeline adopt -e "
        "production --group web --keep-configuration\n"
    )
    path.write_text(f"{HEAD}[environments.production]\n")
    assert run([*ADOPT, "--yes"]) == 3
    assert "  load balancers is []; the group has ['arn:" in capsys.readouterr().err
    path.write_text(changed)
    assert run([*ADOPT, "--keep-configuration", "--yes"]) == 0
    assert path.read_text() == changed
    assert document(project)["serving"] == "r000002"


def test_a_file_that_cannot_take_the_tables_stays_and_the_plan_has_the_text(
    project: Path, capsys: Captured
) -> None:
    path = project / "pipeline.toml"
    path.write_text(f"environments = {{}}\n{HEAD}")
    assert run([*ADOPT, "--yes"]) == 3
    assert "add the tables to" in capsys.readouterr().err
    assert path.read_text() == f"environments = {{}}\n{HEAD}"
