"""`adopt --pair` from the command line to pipeline.toml, with AWS's answers by moto."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.app.environment import reader
from pipeline.app.setup import pair
from pipeline.cli.main import run
from pipeline.config import load

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.adapters.aws.client import Clients

PAIR = ["adopt", "-e", "live", "--pair"]
HEAD = 'app = "web"\nregion = "us-east-1"\n\n[bake]\ntemplate = "packer/app.pkr.hcl"\n\n'
TABLE = '[environments.live] # ours\ntarget_groups = ["web"]\n'
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    elbv2 = aws.elbv2("us-east-1")
    make_listener(aws, elbv2)
    monkeypatch.chdir(tmp_path)
    for module in (pair, reader):
        monkeypatch.setattr(module, "Clients", lambda _region: aws)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    (tmp_path / "pipeline.toml").write_text(HEAD + TABLE)
    return tmp_path


def make_listener(aws: Clients, elbv2: Any) -> None:
    ec2 = aws.ec2("us-east-1")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = elbv2.create_target_group(Name="web", Protocol="HTTP", Port=8080, VpcId=vpc)
    balancer = elbv2.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[
            {"Type": "forward", "TargetGroupArn": group["TargetGroups"][0]["TargetGroupArn"]}
        ],
    )


def names(aws: Clients) -> list[str]:
    found = aws.elbv2("us-east-1").describe_target_groups()["TargetGroups"]
    return sorted(each["TargetGroupName"] for each in found)


def test_a_plan_changes_nothing_and_yes_sets_the_pair_up_once(
    project: Path, aws: Clients, capsys: Captured
) -> None:
    path = project / "pipeline.toml"
    assert run([*PAIR, "--plan"]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.endswith("\nNothing was changed.\n")
    assert (names(aws), path.read_text()) == (["web"], HEAD + TABLE)

    assert run(["--output", "json", *PAIR, "--test-port", "9000", "--yes"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["pairs"][0]["target_groups"]) == ("paired", ["web", "web-2"])
    text = path.read_text()
    assert text.startswith(f"{HEAD}[environments.live] # ours\n")
    assert text.endswith(f"\n{told['configuration']}")
    [found] = load(path).environment("live").pairs
    assert found.target_groups == ("web", "web-2")
    assert (found.listener, found.test_listener) == (
        told["pairs"][0]["listener"],
        told["pairs"][0]["test_listener"],
    )
    assert found.test_listener not in (None, found.listener)

    assert run([*PAIR, "--yes"]) == 0
    assert capsys.readouterr().out == "nothing to do: live has pairs in pipeline.toml\n"
    assert (names(aws), path.read_text()) == (["web", "web-2"], text)

    # A run that was killed before it wrote the file is continued.
    path.write_text(HEAD + TABLE)
    assert run([*PAIR, "--yes"]) == 0
    assert "To remove the pair" not in capsys.readouterr().out
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ('load_balancers = ["old"]', "has classic load balancers, which have no pair: old"),
        ("", "names no target group"),
        ('target_groups = ["web", "api"]', "names several target groups"),
    ],
)
def test_an_environment_without_one_target_group_is_refused(
    project: Path, capsys: Captured, table: str, what: str
) -> None:
    (project / "pipeline.toml").write_text(f"{HEAD}[environments.live]\n{table}\n")
    assert run([*PAIR, "--test-port", "9000", "--plan"]) == 3
    assert f"[environments.live]:\n  {what}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*PAIR, "--group", "web-asg"], "--pair takes only --test-port, --plan and --yes."),
        ([*PAIR, "--undo"], "--pair takes only --test-port, --plan and --yes."),
        (["adopt", "-e", "live", "--test-port", "9000"], "--test-port needs --pair."),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_wrong_command_line_is_exit_code_2(words: list[str], said: str, capsys: Captured) -> None:
    assert run(words) == 2
    assert said in capsys.readouterr().err
