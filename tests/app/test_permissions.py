"""The scope of a policy, from a configuration; and what the command says and calls."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.app import permissions as module
from pipeline.cli.main import run
from pipeline.core.errors import RefusedError

CONFIGURATION = """
app = "web"
region = "eu-central-1"
[bake]
template = "packer/app.pkr.hcl"
vars = { profile = "build" }
[state]
url = "s3://deployments/web"
[terraform.backend]
bucket = "states"
key_prefix = "tf"
[promote]
alarms = ["web-errors"]
[environments.production]
account = "123456789012"
load_balancers = ["web"]
[environments.production.terraform.inputs]
subnet_ids = ["subnet-0a"]
security_group_ids = ["sg-0b"]
instance_profile = "web"
lifecycle_hooks = [{ name = "x", role_arn = "arn:aws:iam::123456789012:role/hooks" }]
[environments.staging]
account = "123456789012"
target_groups = ["web"]
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A project folder, and the calls of AWS that the command makes: no credentials."""
    (tmp_path / "packer").mkdir()
    (tmp_path / "packer/app.pkr.hcl").write_text("ami_name = var.ami_name\n")
    (tmp_path / "pipeline.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    made: list[str] = []

    def roles(_clients: Clients, _region: str, name: str) -> tuple[str, ...]:
        made.append(name)
        return (f"arn:aws:iam::123456789012:role/of-{name}",)

    def account(_clients: Clients, _region: str) -> str:
        made.append("account")
        return "210987654321"

    monkeypatch.setattr(module, "roles_of_profile", roles)
    monkeypatch.setattr(module, "account_of", account)
    return made


def printed(captured: Captured, *words: str) -> dict[str, dict[str, Any]]:
    assert run(["permissions", *words]) == 0
    document = json.loads(captured.readouterr().out)
    assert document["Version"] == "2012-10-17"
    return {each["Sid"]: each for each in document["Statement"]}


def edit(old: str, new: str) -> None:
    path = Path("pipeline.toml")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_policy_has_the_names_of_the_configuration(capsys: Captured, calls: list[str]) -> None:
    found = printed(capsys, "deploy", "-e", "production")
    assert found["Groups"]["Resource"].endswith(
        ":123456789012:autoScalingGroup:*:autoScalingGroupName/web-production-r*"
    )
    assert found["Store"]["Resource"] == "arn:aws:s3:::deployments/web/*"
    assert found["TerraformState"]["Resource"] == "arn:aws:s3:::states/tf/web/production.tfstate"
    assert found["InstanceRole"]["Resource"] == "arn:aws:iam::123456789012:role/of-web"
    assert found["HookRoles"]["Resource"] == "arn:aws:iam::123456789012:role/hooks"
    assert "cloudwatch:DescribeAlarms" in found["Read"]["Action"]
    assert "elasticloadbalancing:DescribeTargetHealth" not in found["Read"]["Action"]
    assert calls == ["web"]


def test_a_topic_may_be_told_of_its_environments_alone(capsys: Captured) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:deployments"
    table = f'[[notify]]\nkind = "sns"\ntopic_arn = "{topic}"\nenvironments = ["staging"]\n'
    edit("[state]", f"{table}[state]")
    assert printed(capsys, "deploy", "-e", "staging")["Topics"] == {
        "Sid": "Topics",
        "Effect": "Allow",
        "Action": "sns:Publish",
        "Resource": topic,
    }
    assert "Topics" not in printed(capsys, "deploy", "-e", "production")


@pytest.mark.parametrize("words", [("read",), ("bake",), ("deploy", "-e", "staging")])
def test_aws_is_not_called_if_the_configuration_says_it_all(
    words: tuple[str, ...], capsys: Captured, calls: list[str]
) -> None:
    printed(capsys, *words)
    assert calls == []


def test_without_an_environment_the_policy_is_for_all(capsys: Captured) -> None:
    found = printed(capsys, "deploy")
    assert len(found["Groups"]["Resource"]) == 2
    assert "elasticloadbalancing:DescribeTargetHealth" in found["Read"]["Action"]


def test_without_a_role_the_policy_is_for_a_rebuild(capsys: Captured) -> None:
    assert {"BuildLaunch", "Groups"} <= {*printed(capsys)}


def test_both_outputs_are_the_policy(capsys: Captured) -> None:
    assert run(["permissions", "read"]) == 0
    text = capsys.readouterr().out
    assert run(["--output", "json", "permissions", "read"]) == 0
    assert capsys.readouterr().out == text


def test_an_unknown_account_is_asked_for_or_left_open(
    capsys: Captured, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit('account = "123456789012"\ntarget_groups', "target_groups")
    assert ":210987654321:" in printed(capsys, "deploy", "-e", "staging")["Groups"]["Resource"]
    assert calls == ["account"]

    def denied(*_: object) -> str:
        raise RefusedError("AWS credentials", "no AWS credentials found", "set up credentials")

    monkeypatch.setattr(module, "account_of", denied)
    assert run(["permissions", "deploy", "-e", "staging"]) == 0
    captured = capsys.readouterr()
    assert "eu-central-1:*:autoScalingGroup" in captured.out
    assert (
        "the account is unknown (no AWS credentials found), so the policy is for any account; "
        "set account in [environments.NAME]"
    ) in captured.err


def test_a_profile_that_cannot_be_read_stands_for_a_role_of_its_name(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> str:
        raise RefusedError("reading", "AccessDenied", "allow it")

    monkeypatch.setattr(module, "roles_of_profile", denied)
    assert run(["permissions", "deploy", "-e", "production"]) == 0
    captured = capsys.readouterr()
    assert '"arn:aws:iam::123456789012:role/web"' in captured.out
    assert "the role of instance profile web could not be read (AccessDenied)" in captured.err


def test_a_template_with_a_profile_passes_its_role(capsys: Captured, calls: list[str]) -> None:
    template = Path("packer/app.pkr.hcl")
    template.write_text("iam_instance_profile = var.profile\nkms_key_id = var.unknown\n")
    found = printed(capsys, "bake")
    assert found["BuildRole"]["Resource"] == "arn:aws:iam::123456789012:role/of-build"
    assert found["BuildKey"]["Resource"] == "arn:aws:kms:eu-central-1:123456789012:key/*"
    assert calls == ["build"]
    template.write_text("iam_instance_profile = local.profile\n")
    assert run(["permissions", "bake"]) == 0
    captured = capsys.readouterr()
    assert '"arn:aws:iam::123456789012:role/*"' in captured.out
    assert "replace role/* in the statement BuildRole with its role" in captured.err


def test_an_unknown_environment_is_a_configuration_error(capsys: Captured) -> None:
    assert run(["permissions", "deploy", "-e", "qa"]) == 2
    assert "environment qa" in capsys.readouterr().err


def test_the_kms_keys_of_store_and_state_are_in_the_policy(
    capsys: Captured, tmp_path: Path
) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-a6ef-1234567890ab"
    text = CONFIGURATION.replace(
        "[terraform.backend]", f'kms_key_id = "{key}"\n[terraform.backend]'
    )
    text = text.replace("[promote]", f'kms_key_id = "{key[:-3]}0ff"\n[promote]')
    (tmp_path / "pipeline.toml").write_text(text)
    assert run(["permissions", "deploy", "-e", "production"]) == 0
    found = {each["Sid"]: each for each in json.loads(capsys.readouterr().out)["Statement"]}
    for sid, resource in (("StoreKey", key), ("TerraformStateKey", f"{key[:-3]}0ff")):
        assert found[sid]["Resource"] == resource
        assert found[sid]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_a_policy_that_iam_does_not_accept_is_printed_in_parts(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = printed(capsys, "deploy", "-e", "production", "--pair")
    monkeypatch.setattr("pipeline.core.permissions.statements.LONGEST", 3000)
    assert printed(capsys, "deploy", "-e", "production") != whole
    assert run(["permissions", "deploy", "-e", "production", "--pair"]) == 0
    told = capsys.readouterr().err
    remedy = told.partition("to the role: ")[2].strip().split(" and ")
    assert len(remedy) > 1
    pieces = [printed(capsys, *shlex.split(each)[2:]) for each in remedy]
    assert {sid: each for one in pieces for sid, each in one.items()} == whole
    assert run(["permissions", "deploy", "-e", "production", "--part", "9"]) == 2
    error = capsys.readouterr().err
    assert "permissions --part 9" in error
    (following,) = (line for line in error.split("\n") if line.startswith("next: "))
    assert run(shlex.split(following)[2:]) == 0
