"""`ami-pipeline init`: what it writes, asks and refuses, in literal text."""

from __future__ import annotations

import importlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.config import load

yaml: Any = importlib.import_module("yaml")  # it comes with moto; there are no stubs

ROOT = Path(__file__).resolve().parents[2]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, with Terraform on PATH and without git, a region or a terminal."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "terraform").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    here = tmp_path / "hello"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def written(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files}


PACKER = {
    "packer/app.pkr.hcl",
    "packer/init/plugins.pkr.hcl",
    "packer/provision/unit/app.service",
    "packer/provision/unit/server.py",
    "packer/provision/clean.sh",
    "packer/provision/install.sh",
}

EMPTY = """\
Wrote 7 files:
  pipeline.toml
  packer/app.pkr.hcl
  packer/init/plugins.pkr.hcl
  packer/provision/clean.sh
  packer/provision/install.sh
  packer/provision/unit/app.service
  packer/provision/unit/server.py
Added the lines that were missing to .gitignore.

Next:
  packer init packer/init
  fill in [environments.staging.terraform.inputs] in pipeline.toml
  ami-pipeline config check
  ami-pipeline bake --version 0.1.0
  ami-pipeline promote -e staging

To try all of this without an AWS account first:
  ami-pipeline init --rehearse
"""


def test_an_empty_folder_gets_the_sample_and_the_next_commands(
    folder: Path, capsys: Captured
) -> None:
    assert run(["init", "--no-stack"]) == 0
    assert capsys.readouterr().out == EMPTY
    assert written(folder) == {"pipeline.toml", ".gitignore", *PACKER}
    for path in PACKER:
        assert (folder / path).read_text() == (ROOT / path).read_text()
    settings = load(folder / "pipeline.toml", with_files=True)
    assert (settings.app, settings.region) == ("hello", "us-east-1")


def test_a_second_init_writes_nothing(folder: Path, capsys: Captured) -> None:
    assert run(["init"]) == 0
    before = {path: (folder / path).read_bytes() for path in written(folder)}
    capsys.readouterr()
    assert run(["init"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to write: every file is there already.\n")
    assert {path: (folder / path).read_bytes() for path in written(folder)} == before


def test_a_file_that_differs_is_shown_and_nothing_is_written(
    folder: Path, capsys: Captured
) -> None:
    (folder / "packer/init").mkdir(parents=True)
    plugins = folder / "packer/init/plugins.pkr.hcl"
    text = (ROOT / "packer/init/plugins.pkr.hcl").read_text()
    plugins.write_text(text.replace(">= 1.2.0, < 2.0.0", "1.3.0"))
    assert run(["init"]) == 3
    assert written(folder) == {"packer/init/plugins.pkr.hcl"}
    assert capsys.readouterr().err == (
        "error: ami-pipeline init:\n"
        "  these files exist and differ from what init would write; nothing was written\n"
        "  --- packer/init/plugins.pkr.hcl\n"
        "  +++ packer/init/plugins.pkr.hcl of init\n"
        "  @@ -6,7 +6,7 @@\n"
        "     required_plugins {\n"
        "       amazon = {\n"
        '         source  = "github.com/hashicorp/amazon"\n'
        '  -      version = "1.3.0"\n'
        '  +      version = ">= 1.2.0, < 2.0.0"\n'
        "       }\n"
        "     }\n"
        "   }\n"
        "next: remove or rename them, or change your answers; then: ami-pipeline init\n"
    )


def test_the_stack_has_the_name_and_the_port_of_the_service(folder: Path, capsys: Captured) -> None:
    options = ["--port", "3000", "--health", "/up", "--region", "eu-west-1", "--stack"]
    assert run(["init", "--app", "shop", "-e", "live", *options]) == 0
    out = capsys.readouterr().out
    append = "output -raw pipeline_toml | sed '1,/^$/d; s/NAME/live/' >> pipeline.toml"
    assert f"  terraform -chdir=terraform/stack {append}\n" in out
    stack = folder / "terraform/stack"
    values = (stack / "terraform.tfvars").read_text()
    assert 'name = "shop-live"\nport = 3000\nhealth_check = {\n  path = "/up"\n}\n' in values
    assert (stack / "provider.tf").read_text() == 'provider "aws" {\n  region = "eu-west-1"\n}\n'
    [environment] = load(folder / "pipeline.toml").environments.values()
    assert environment.target_groups == ("shop-live",)


def test_a_stack_with_a_pair_is_flipped(folder: Path, capsys: Captured) -> None:
    assert run(["init", "--app", "shop", "--pair", "--yes"]) == 0
    assert "pair = true\n" in (folder / "terraform/stack/terraform.tfvars").read_text()
    text = (folder / "pipeline.toml").read_text()
    assert "\ntarget_groups" not in text
    listener = (
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop/0a1b2c3d4e5f6071"
    )
    pair = f'listener = "{listener}/0a1b2c3d4e5f6071"\ntarget_groups = ["a", "b"]\n'
    load(folder / "pipeline.toml")  # before the stack exists
    pair += '[environments.staging.promote]\nstrategy = "flip"\n'
    (folder / "pipeline.toml").write_text(f"{text}\n[[environments.staging.pairs]]\n{pair}")
    assert load(folder / "pipeline.toml").promote_for("staging").strategy == "flip"
    capsys.readouterr()
    assert run(["init", "--pair", "--no-stack"]) == 2
    assert "--pair is for the stack" in capsys.readouterr().err


def test_every_answer_is_an_option(folder: Path, capsys: Captured) -> None:
    (folder / "main").touch()
    network = ["--target-group", "front", "--subnet", "subnet-0a1b2c3d4e5f60718"]
    network += ["--security-group", "sg-0a1b2c3d4e5f60718", "--instance-profile", "shop"]
    service = ["--files", "main", "--account", "210987654321", "--port", "3000"]
    assert run(["init", "--app", "shop", *service, *network]) == 0
    capsys.readouterr()
    settings = load(folder / "pipeline.toml", with_files=True)
    assert dict(settings.bake.vars) == {"port": 3000, "files": ["main"], "run": "/opt/shop/main"}
    assert [str(each) for each in settings.bake.inputs] == ["packer/provision", "main"]
    staging = settings.environments["staging"]
    assert (staging.account, staging.target_groups) == ("210987654321", ("front",))
    assert staging.terraform.inputs == {
        "subnet_ids": ["subnet-0a1b2c3d4e5f60718"],
        "security_group_ids": ["sg-0a1b2c3d4e5f60718"],
        "instance_profile": "shop",
    }
    assert not (folder / "terraform").exists()
    assert not (folder / "packer/provision/unit/server.py").exists()


def test_a_folder_needs_the_command_that_starts_the_service(folder: Path, capsys: Captured) -> None:
    (folder / "src").mkdir()
    assert run(["init", "--files", "src/"]) == 2
    assert capsys.readouterr().err == (
        "error: ami-pipeline init:\n"
        "  the command that starts the service is unknown (src)\n"
        "next: ami-pipeline init --files src --run '/usr/bin/node /opt/hello/server.js'\n"
    )


TEMPLATE = """\
variable "ami_name" { type = string }
variable "size" { type = string }
source "amazon-ebs" "app" { ami_name = var.ami_name }
build { sources = ["source.amazon-ebs.app"] }
"""


def test_the_template_of_an_existing_script_is_used(folder: Path, capsys: Captured) -> None:
    (folder / "images").mkdir()
    (folder / "images/app.pkr.hcl").write_text(TEMPLATE)
    (folder / "images/base.json").write_text('{"builders": []}')
    (folder / "images/prod.pkrvars.hcl").touch()
    given = "-var region=eu-west-1 -var size=8 -var-file=images/prod.pkrvars.hcl"
    script = f"packer build -machine-readable {given} images/app.pkr.hcl | grep ami- > id\n"
    (folder / "deploy.sh").write_text(script)
    assert run(["init", "--no-stack"]) == 0
    told = capsys.readouterr()
    assert told.err == "Using the Packer template images/app.pkr.hcl, which deploy.sh builds.\n"
    assert told.out.startswith("Wrote 1 file:\n  pipeline.toml\nAdded the lines")
    settings = load(folder / "pipeline.toml", with_files=True)
    bake = settings.bake
    assert settings.region == "eu-west-1"
    assert [str(path) for path in bake.var_files] == ["images/prod.pkrvars.hcl"]
    assert (str(bake.template), dict(bake.vars)) == ("images/app.pkr.hcl", {"size": "8"})
    assert bake.source is None


def test_several_templates_need_a_choice(folder: Path, capsys: Captured) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.json").write_text('{"builders": []}')
    assert run(["init"]) == 2
    assert capsys.readouterr().err == (
        "error: ami-pipeline init:\n"
        "  there are several Packer templates: a.json, b.json\n"
        "next: ami-pipeline init --template a.json\n"
    )


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_ci_files_have_no_value_of_the_example(folder: Path, capsys: Captured, ci: str) -> None:
    options = ["--account", "210987654321", "--region", "us-west-2", "-e", "live"]
    assert run(["init", "--app", "shop", "--ci", ci, *options]) == 0
    assert "roles shop-plan, shop-bake, shop-deploy, shop-nightly:" in capsys.readouterr().out
    files = [path for path in folder.rglob("*.yml") if path.is_file()]
    assert {path.name for path in files} == (
        {"plan.yml", "deploy.yml", "nightly.yml", "rollback.yml"}
        if ci == "github"
        else {".gitlab-ci.yml"}
    )
    for path in files:
        text = path.read_text()
        assert yaml.safe_load(text)
        assert re.findall(r"123456789012|eu-central-1|production|\bweb\b|WEB_TOKEN", text) == []


def test_a_pipe_gets_one_json_document(folder: Path, capsys: Captured) -> None:
    assert run(["--output", "json", "init", "--stack"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"written", "extended", "unchanged", "next"}
    assert document["next"][0] == "packer init packer/init"
    assert {*document["written"], *document["extended"]} == written(folder)


def test_on_a_terminal_each_answer_that_is_no_option_is_asked(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cli.init.questions.is_terminal", lambda _: True)
    answers = ["Shop", "shop", "", "", "", "3000", "", "no", "gitlab"]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{each}\n" for each in answers)))
    assert run(["init"]) == 0
    asked = capsys.readouterr().err
    assert asked.startswith("Name of the service [hello]:   ")
    assert asked.endswith(
        "Name of the service [hello]: Region [us-east-1]: "
        "AWS account, 12 digits (empty: decide later): "
        "Files and folders to install, with spaces between (empty: a sample service): "
        "Port of the service [8080]: Path of its health check [/health]: "
        "Write Terraform for a network and load balancer (no: you have them) [yes]: "
        "CI files: github, gitlab or none [none]: "
    )
    assert {".gitlab-ci.yml", "pipeline.toml"} <= written(folder)
    assert not (folder / "terraform").exists()
