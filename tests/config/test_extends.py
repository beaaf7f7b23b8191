"""A service's file merged with the defaults that it extends, and the origins of its values."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from pipeline.config import document, load
from pipeline.core.errors import ConfigurationError

COMMON = """\
region = "eu-central-1"
[bake]
template = "packer/app.pkr.hcl"
inputs = ["shared"]
tfvars = "out/ami.auto.tfvars.json"
vars = { port = 8080, zones = { a = 1 }, db_url = "canary-7c1" }
vars_from_env = { token = "COMMON_TOKEN" }
sensitive = ["db_url"]
source = { owner = "amazon", name = "al2023-*" }
[environments.staging]
instance_type = "t3.small"
[promote]
soak = "1m"
alarms = ["common"]
[[promote.hooks]]
at = "before-traffic"
command = ["bin/smoke.sh"]
[[promote.hooks]]
at = "before-traffic"
command = ["sh", "-c", "true"]
[terraform]
module = "modules/release"
program = "bin/tofu"
[terraform.inputs]
tags = { Team = "web", Cost = "1" }
[state]
url = "s3://states/{app}"
"""
OWN = """\
extends = "../common.toml"
app = "orders"
[bake]
source = { id = "ami-01234567" }
vars = { port = 8081, zones = { b = 2 } }
[promote]
soak = "2m"
alarms = ["orders"]
[environments.staging.promote]
observe = "5m"
[terraform.inputs]
tags = { Team = "orders" }
[terraform.backend]
bucket = "states"
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "orders"
    folder.mkdir()
    (tmp_path / "common.toml").write_text(COMMON)
    (folder / "pipeline.toml").write_text(OWN)
    monkeypatch.chdir(folder)
    return folder


def test_tables_merge_and_the_own_value_wins(service: Path) -> None:
    settings = load(service / "pipeline.toml")
    assert (settings.app, settings.region) == ("orders", "eu-central-1")
    bake, promote = settings.bake, settings.promote
    assert bake.vars == {"port": 8081, "zones": {"b": 2}, "db_url": "canary-7c1"}
    assert bake.source is not None
    assert (bake.source.id, bake.source.owner) == ("ami-01234567", None)
    assert (promote.soak, promote.alarms) == (120, ("orders",))
    assert settings.terraform_for("staging").inputs == {"tags": {"Team": "orders"}}
    assert settings.environment("staging").instance_type == "t3.small"
    assert settings.promote_for("staging").observe == 300
    assert settings.state.url == "s3://states/orders"


def test_a_path_that_is_read_begins_in_its_own_file_and_a_written_one_in_the_services(
    service: Path,
) -> None:
    settings = load(service / "pipeline.toml")
    assert settings.bake.template == "../packer/app.pkr.hcl"
    assert settings.bake.inputs == ("../shared",)
    assert settings.bake.directory == "."
    assert settings.bake.tfvars == "out/ami.auto.tfvars.json"
    assert settings.terraform.module == "../modules/release"
    assert settings.terraform.program == "../bin/tofu"
    commands = [each.command for each in settings.promote.hooks]
    assert commands == [("../bin/smoke.sh",), ("sh", "-c", "true")]
    assert settings.root == service


def _failure(service: Path, own: str = OWN, common: str = COMMON) -> str:
    (service / "pipeline.toml").write_text(own)
    (service / "../common.toml").write_text(common)
    with pytest.raises(ConfigurationError) as caught:
        load(Path("pipeline.toml"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("own", "common", "expected"),
    [
        (
            OWN,
            COMMON.replace('"t3.small"', '"t3"'),
            "../common.toml line 11, environments.staging.instance_type:\n",
        ),
        (
            OWN.replace('"2m"', '"2"'),
            COMMON,
            "pipeline.toml line 7, promote.soak:\n",
        ),
        (
            OWN,
            COMMON.replace("template =", "templte ="),
            (
                "pipeline.toml:\n"
                "  line 3, bake.template: is missing; "
                'add to [bake]: template = "packer/app.pkr.hcl"\n'
                "  ../common.toml line 3, bake.templte: unknown key; write bake.template\n"
            ),
        ),
        (
            OWN.replace("app =", "ap ="),
            COMMON.replace("inputs =", "input ="),
            (
                "pipeline.toml:\n"
                '  app: is missing; add a line: app = "web"\n'
                "  line 2, ap: unknown key; write app\n"
                "  ../common.toml line 4, bake.input: unknown key; write bake.inputs\n"
                "  ../common.toml line 27, state.url: "
            ),
        ),
        (
            OWN,
            COMMON.replace('"packer/app.pkr.hcl"', '"../packer/app.pkr.hcl"'),
            "../common.toml line 3, bake.template:\n  leaves the repository\n",
        ),
        (OWN, COMMON + "]", "../common.toml line 28:\n  is not TOML: "),
        (
            OWN,
            'extends = "base.toml"\n' + COMMON,
            (
                "../common.toml line 1, extends:\n"
                "  pipeline.toml extends this file, which cannot extend another one\n"
            ),
        ),
        (
            OWN.replace("../common", "../../common"),
            COMMON,
            "pipeline.toml line 1, extends:\n  ../../common.toml is outside of the repository\n",
        ),
        (
            OWN.replace("../common", "../comon"),
            COMMON,
            (
                "pipeline.toml line 1, extends:\n  ../comon.toml does not exist\n"
                'next: name a file such as "../common.toml", then run: ami-pipeline config check'
            ),
        ),
        (OWN.replace('"../common.toml"', "1"), COMMON, "pipeline.toml line 1, extends:\n  is not"),
        (
            OWN.replace('"../common.toml"', '"/etc/common.toml"'),
            COMMON,
            "pipeline.toml line 1, extends:\n  '/etc/common.toml' is absolute",
        ),
    ],
)
def test_an_error_begins_with_its_file_and_line(
    service: Path, own: str, common: str, expected: str
) -> None:
    assert _failure(service, own, common).startswith(expected)


def test_the_document_has_each_path_from_the_folder_of_the_service(service: Path) -> None:
    assert document(service / "pipeline.toml")["bake"]["inputs"] == ["../shared"]


def _show(captured: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words[:-1], "config", "show", *words[-1].split()]) == 0
    return captured.readouterr().out


def test_each_value_is_shown_with_its_origin(
    service: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMON_TOKEN", "canary-55f")
    shown = _show(capsys, "-e staging")
    assert "canary" not in shown
    assert shown.splitlines()[0] == f"# {service}/pipeline.toml"
    for line in (
        'extends = "../common.toml"  # pipeline.toml:1',
        'region = "eu-central-1"  # ../common.toml:1',
        'bake.template = "../packer/app.pkr.hcl"  # ../common.toml:3',
        "bake.vars.port = 8081  # pipeline.toml:5",
        'bake.vars.db_url = "<sensitive>"  # ../common.toml:6',
        (
            'bake.vars_from_env.token = "COMMON_TOKEN"  # ../common.toml:7, '
            "environment variable COMMON_TOKEN is set"
        ),
        'bake.timeout = "45m"  # default',
        'promote.observe = "5m"  # pipeline.toml:10',
        'promote.soak = "2m"  # pipeline.toml:7',
        'terraform.inputs.tags = { Team = "orders" }  # pipeline.toml:12',
        'environments.staging.instance_type = "t3.small"  # ../common.toml:11',
        "environments.staging.max_size = 1  # default",
        'state.url = "s3://states/orders"  # ../common.toml:27',
    ):
        assert line in shown.splitlines()


def test_what_is_shown_is_toml_with_the_same_values(
    service: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = tomllib.loads(_show(capsys, ""))
    merged = document(service / "pipeline.toml")
    merged["bake"]["vars"]["db_url"] = "<sensitive>"
    assert _contains(shown, merged)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(name in whole and _contains(whole[name], part[name]) for name in part)
    return bool(whole == part)


@pytest.mark.usefixtures("service")
def test_machines_get_the_origin_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_show(capsys, "--output", "json", ""))["settings"]
    by_key = {each["key"]: each for each in found}
    assert by_key["region"] == {
        "key": "region",
        "value": "eu-central-1",
        "origin": "file",
        "file": "../common.toml",
        "line": 1,
        "variable": None,
    }
    assert by_key["bake.keep"]["origin"] == "default"
    assert by_key["bake.vars_from_env.token"]["variable"] == {"name": "COMMON_TOKEN", "set": False}
