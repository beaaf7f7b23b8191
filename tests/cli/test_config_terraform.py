"""`ami-pipeline config terraform`, with a scripted Terraform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import run
from tests.adapters.scripted import ScriptedTerraform
from tests.config.examples import MINIMAL

Captured = pytest.CaptureFixture[str]
OWN = """\
[terraform]
module = "modules/release"
[terraform.inputs]
subnet_ids = ["subnet-1"]
[environments.production]
max_size = 3
[environments.staging.terraform.inputs]
subnet_ids = ["subnet-2"]
"""
SHARED = '[state]\nurl = "s3://states/web"\n'
BACKEND = '[terraform.backend]\nbucket = "states"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a module of its own, and no program on PATH but a scripted Terraform."""
    (tmp_path / "modules/release").mkdir(parents=True)
    (tmp_path / "pipeline.toml").write_text(MINIMAL + OWN)
    terraform = ScriptedTerraform.make(tmp_path / "bin")
    terraform.rehearses("fulfills", "production")
    monkeypatch.setenv("PATH", terraform.path)
    return tmp_path


def scripted(project: Path) -> ScriptedTerraform:
    return ScriptedTerraform(folder=project / "bin")


def test_it_writes_the_files_and_prints_their_paths(project: Path, capsys: Captured) -> None:
    folder = project / ".ami-pipeline/terraform/web/production"
    assert run(["config", "terraform", "-e", "production"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out == (
        f"folder     {folder}\n"
        "files      main.tf.json, inputs.auto.tfvars.json, releases.auto.tfvars.json\n"
        f"module     {project}/modules/release\n"
        f"state      {folder}/terraform.tfstate\n"
        "size       t3.micro, 1 (minimum 1, maximum 3)\n"
    )
    assert scripted(project).calls == []
    inputs = json.loads((folder / "inputs.auto.tfvars.json").read_text())
    assert inputs == {"inputs": {"subnet_ids": ["subnet-1"]}}


def test_each_environment_has_its_own_folder_and_inputs(project: Path) -> None:
    for environment in ("production", "staging"):
        assert run(["config", "terraform", "-e", environment]) == 0
    staging = project / ".ami-pipeline/terraform/web/staging"
    inputs = json.loads((staging / "inputs.auto.tfvars.json").read_text())
    assert inputs == {"inputs": {"subnet_ids": ["subnet-2"]}}


def test_two_applications_of_one_folder_do_not_share_a_state(project: Path) -> None:
    (project / "api.toml").write_text((MINIMAL + OWN).replace('"web"', '"api"'))
    assert run(["config", "terraform", "-e", "production"]) == 0
    assert run(["--config", "api.toml", "config", "terraform", "-e", "production"]) == 0
    homes = (project / ".ami-pipeline/terraform").glob("*/production/main.tf.json")
    assert sorted(home.parts[-3] for home in homes) == ["api", "web"]


def test_a_check_prints_the_version_of_terraform(project: Path, capsys: Captured) -> None:
    folder = project / ".ami-pipeline/terraform/web/production"
    assert run(["config", "terraform", "-e", "production", "--check"]) == 0
    shown = capsys.readouterr()
    assert shown.out.endswith("checked    Terraform 1.11.4 accepts it\n")
    rehearsal = f"in {folder}/rehearsal\n"
    assert shown.err == (
        f"terraform init in {folder}\n"
        f"terraform validate in {folder}\n"
        "terraform: checking the module's contract\n"
        f"terraform init {rehearsal}"
        f"terraform plan {rehearsal}terraform show {rehearsal}"
        f"terraform plan {rehearsal}terraform show {rehearsal}"
        f"terraform plan {rehearsal}"
    )
    assert (project / ".ami-pipeline/logs/terraform-web-production.log").is_file()


def test_a_check_shows_each_breach_of_the_contract_with_lines_to_add(
    project: Path, capsys: Captured
) -> None:
    (project / "pipeline.toml").write_text(MINIMAL + OWN)
    scripted(project).rehearses("breaks")
    assert run(["config", "terraform", "-e", "staging", "--check"]) == 2
    shown = capsys.readouterr().err.partition("error: ")[2]
    assert "  aws_autoscaling_group.this: target_group_arns is set: the group would" in shown
    assert "  # remove target_group_arns\n" in shown
    assert "    ignore_changes = [min_size, max_size," in shown


def test_json_output_is_one_document(project: Path, capsys: Captured) -> None:
    (project / "pipeline.toml").write_text(MINIMAL + OWN + BACKEND + SHARED)
    folder = project / ".ami-pipeline/terraform/web/production"
    assert run(["--output", "json", "config", "terraform", "-e", "production", "--check"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "environment": "production",
        "folder": str(folder),
        "files": [f"{folder}/main.tf.json", f"{folder}/inputs.auto.tfvars.json"],
        "module": f"{project}/modules/release",
        "state": "s3://states/web/production.tfstate",
        "size": {
            "instance_type": "t3.micro",
            "min_size": 1,
            "max_size": 3,
            "desired_capacity": 1,
        },
        "checked_by": "Terraform 1.11.4",
    }
    main = json.loads((folder / "main.tf.json").read_text())
    assert main["terraform"]["backend"]["s3"]["region"] == "eu-central-1"


def test_an_error_of_init_ends_the_check(project: Path, capsys: Captured) -> None:
    found = {"severity": "error", "summary": "Invalid block", "detail": "No.", "range": {}}
    found["range"] = {"filename": "../x/main.tf", "start": {"line": 7}}
    line = json.dumps({"type": "diagnostic", "diagnostic": found}).encode()
    scripted(project).on("init", line, code=1)
    assert run(["config", "terraform", "-e", "production", "--check"]) == 2
    shown = capsys.readouterr()
    assert f"error: [terraform] module {project}/modules/release:\n" in shown.err
    assert "  ../x/main.tf line 7\n  | Invalid block\n  | No.\n" in shown.err
    assert [call["argv"][0] for call in scripted(project).calls] == ["version", "init"]


def test_a_shared_store_with_a_local_terraform_state_is_refused(
    project: Path, capsys: Captured
) -> None:
    (project / "pipeline.toml").write_text(MINIMAL + OWN + SHARED)
    assert run(["config", "terraform", "-e", "production"]) == 2
    assert capsys.readouterr().err == (
        "error: [terraform.backend]:\n"
        "  is missing: [state] url is s3://states/web, which many machines share, "
        "but Terraform's state would be a file on this machine\n"
        'next: add [terraform.backend] with bucket = "states"\n'
    )
    assert not (project / ".ami-pipeline").exists()


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("", "web/production.tfstate"),
        ('key_prefix = ""\n', "web/production.tfstate"),
        ('key_prefix = "team/states/"\n', "team/states/web/production.tfstate"),
    ],
)
def test_the_key_of_the_state_names_application_and_environment(
    project: Path, capsys: Captured, more: str, key: str
) -> None:
    (project / "pipeline.toml").write_text(MINIMAL + OWN + BACKEND + more)
    assert run(["config", "terraform", "-e", "production"]) == 0
    assert f"state      s3://states/{key}\n" in capsys.readouterr().out


def test_a_missing_module_is_named(project: Path, capsys: Captured) -> None:
    (project / "modules/release").rmdir()
    assert run(["config", "terraform", "-e", "production"]) == 2
    assert capsys.readouterr().err == (
        f"error: [terraform] module:\n  there is no folder {project}/modules/release\n"
        "next: fix module in pipeline.toml\n"
    )


def test_an_unknown_environment_is_an_error_with_the_nearest_name(
    project: Path, capsys: Captured
) -> None:
    assert project.is_dir()
    assert run(["config", "terraform", "-e", "prodction"]) == 2
    assert "next: write production" in capsys.readouterr().err
    assert run(["config", "terraform"]) == 2
    assert "Missing option '-e' / '--environment'" in capsys.readouterr().err
