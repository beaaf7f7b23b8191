from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.adapters.packer.template_source import read_source
from pipeline.app import Application, Options, bake
from pipeline.app.bake_request import hidden_values, request_of, secrets_of
from pipeline.core.bake.model import BakeRequest, Source
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.events import Event, Message
from pipeline.core.preflight.facts import CredentialFacts

CONFIGURATION = """
app = "web"
region = "us-east-1"
[bake]
template = "app.json"
inputs = ["src"]
timeout = "10m"
[bake.vars]
size = 3
[bake.vars_from_env]
password = "PASSWORD"
[bake.source]
owner = "amazon"
name = "al2023-*"
[environments.staging.bake.vars]
size = 4
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipeline.toml").write_text(CONFIGURATION)
    (tmp_path / "app.json").write_text("{}")
    monkeypatch.setenv("PASSWORD", "hunter2-swordfish")
    return tmp_path


def requested(options: Options) -> BakeRequest:
    app = Application.start(options, lambda _: None)
    wanted = app.settings.bake_for(options.environment or None)
    source = read_source(app.inside(wanted.template))
    return request_of(app, options, wanted, secrets_of(app, wanted), source)


def test_configuration_and_command_line_become_one_request(folder: Path) -> None:
    request = requested(Options(version="1.2.3", environment="staging", force=True))
    assert (request.app, request.version, request.environment) == ("web", "1.2.3", "staging")
    assert request.template == folder / "app.json"
    assert request.inputs == (folder / "src",)
    assert request.variables == {"size": 4}
    assert request.secrets == {"password": "hunter2-swordfish"}
    assert request.source == Source(owner="amazon", name="al2023-*")
    assert (request.timeout, request.force) == (600.0, True)


@pytest.mark.parametrize(
    ("value", "what"),
    [("", "PASSWORD is not set"), ("abc", "PASSWORD holds fewer than 4 characters")],
)
def test_a_missing_or_too_short_secret_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, what: str
) -> None:
    assert folder.is_dir()
    monkeypatch.setenv("PASSWORD", value)
    with pytest.raises(ConfigurationError) as raised:
        requested(Options(version="1.2.3"))
    assert what in raised.value.what
    assert raised.value.remedy == "export PASSWORD with the secret's value, then: ami-pipeline bake"


def test_a_missing_template_is_an_error(folder: Path) -> None:
    (folder / "app.json").unlink()
    with pytest.raises(ConfigurationError) as raised:
        requested(Options(version="1.2.3"))
    assert raised.value.what == f"there is no {folder / 'app.json'}"


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (Options(), "ami-pipeline bake --version 1.0.0"),
        (Options(environment="staging"), "ami-pipeline bake -e staging --version 1.0.0"),
        (
            Options(rebuilds="staging"),
            "ami-pipeline rebuild -e staging --version 1.0.0",
        ),
    ],
)
def test_a_version_is_required_without_git(folder: Path, options: Options, remedy: str) -> None:
    assert folder.is_dir()
    with pytest.raises(ConfigurationError) as raised:
        requested(options)
    assert raised.value.remedy == remedy


def held(monkeypatch: pytest.MonkeyPatch, facts: CredentialFacts | None) -> None:
    monkeypatch.setattr(bake, "lifetime", lambda _seconds, _region: facts)


BAKE, THEN = 3420.0, 5190.0
EXPORTED = CredentialFacts(temporary=True, renew=False, seconds=3600)


def require(then: float = 0.0) -> list[str]:
    said: list[str] = []

    def hear(event: Event) -> None:
        assert isinstance(event, Message)
        said.append(event.text)

    bake._require_credentials(Application.start(Options(), hear), BAKE, then)
    return said


@pytest.mark.usefixtures("folder")
def test_credentials_must_outlast_a_bake_and_what_follows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held(monkeypatch, EXPORTED)
    assert require() == []
    with pytest.raises(RefusedError) as told:
        require(THEN)
    assert (told.value.where, told.value.what) == (
        "credentials",
        "expire in 1h; a bake and the deployment after it may take 2h 23m",
    )


@pytest.mark.usefixtures("folder")
def test_credentials_that_this_program_renews_must_outlast_the_bake_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held(monkeypatch, CredentialFacts(temporary=True, renew=True, seconds=3600))
    assert require(THEN) == []
    held(monkeypatch, CredentialFacts(temporary=True, renew=True, seconds=1800))
    [said] = require(THEN)
    assert said.startswith("credentials: expire in 30m; a bake may take 57m; renew them")


@pytest.mark.usefixtures("folder")
def test_a_machine_without_credentials_is_left_to_packer(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, None)
    assert require(THEN) == []


TEMPLATE = '[terraform.inputs]\nuser_data_template = "deploy/boot.sh.tftpl"\n'


def with_template(folder: Path, more: str = "") -> Application:
    (folder / "pipeline.toml").write_text(f"{CONFIGURATION}{more}{TEMPLATE}")
    return Application.start(Options(config=str(folder / "pipeline.toml")), lambda _: None)


def test_a_template_of_the_shipped_module_begins_in_the_folder_of_the_configuration(
    folder: Path,
) -> None:
    app = with_template(folder)
    with pytest.raises(ConfigurationError) as told:
        app.root("staging")
    assert told.value.where == "[terraform.inputs] user_data_template"
    assert told.value.what == f"there is no file {folder}/deploy/boot.sh.tftpl"
    (folder / "deploy").mkdir()
    (folder / "deploy/boot.sh.tftpl").write_text("")
    assert app.root("staging").inputs == {
        "user_data_template": str(folder / "deploy/boot.sh.tftpl")
    }


def test_an_input_of_a_users_module_stays_as_it_is(folder: Path) -> None:
    (folder / "module").mkdir()
    app = with_template(folder, '[terraform]\nmodule = "module"\n')
    assert app.root("staging").inputs == {"user_data_template": "deploy/boot.sh.tftpl"}


DECLARED = """
variable "app" {
  type = string
}
variable "token" {
  sensitive = true
}
variable "size" {
  type = number
}
variable "undeclared_elsewhere" {}
"""


def test_variables_of_files_and_of_the_environment_are_the_users(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "app.pkr.hcl").write_text(DECLARED)
    (folder / "more.pkrvars.hcl").write_text('size = 3\ntoken = "hush-hush-hush"\nother = 1\n')
    configuration = 'app = "web"\nregion = "us-east-1"\n[bake]\ntemplate = "app.pkr.hcl"\n'
    limits = 'var_files = ["more.pkrvars.hcl"]\npass_variables = ["region"]\n'
    (folder / "pipeline.toml").write_text(configuration + limits)
    monkeypatch.setenv("PKR_VAR_app", "mine")
    monkeypatch.setenv("PKR_VAR_size", "2")
    monkeypatch.setenv("PKR_VAR_nowhere", "x")
    options = Options(version="1.2.3")
    request = requested(options)
    assert request.elsewhere == {"app": "mine", "size": 3, "token": None}
    assert request.var_files == (folder / "more.pkrvars.hcl",)
    assert request.passed == frozenset({"region"})
    app = Application.start(options, lambda _: None)
    wanted = app.settings.bake_for(None)
    source = read_source(folder / "app.pkr.hcl")
    assert list(hidden_values(app, wanted, source)) == ["hush-hush-hush"]


def test_a_missing_file_of_variables_is_refused(folder: Path) -> None:
    text = CONFIGURATION.replace("[bake]", '[bake]\nvar_files = ["none.json"]')
    (folder / "pipeline.toml").write_text(text)
    with pytest.raises(ConfigurationError) as told:
        requested(Options(version="1.2.3"))
    assert told.value.where == "[bake] var_files"


def test_a_secret_that_a_template_reads_itself_is_masked_or_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "a": "{{env `DB_PASSWORD`}}",
        "api_token": "{{ env `PLAIN` }}",
        "b": "{{env `QUIET`}}",
        "c": "{{env `AWS_REGION`}}",
        "d": "x-{{env `OTHER`}}",
        "e": "{{env `MISSING`}}",
    }
    content = {"variables": variables, "sensitive-variables": ["b"]}
    (folder / "app.json").write_text(json.dumps(content))
    for name in ("DB_PASSWORD", "PLAIN", "QUIET", "AWS_REGION", "OTHER"):
        monkeypatch.setenv(name, f"value-{name}")
    events: list[Event] = []
    app = Application.start(Options(), events.append)
    source = read_source(folder / "app.json")
    wanted = app.settings.bake_for(None)
    hidden = list(hidden_values(app, wanted, source))
    assert hidden == ["value-DB_PASSWORD", "value-PLAIN", "{{env `QUIET`}}", "value-QUIET"]
    assert [event.text for event in events if isinstance(event, Message)] == [
        (
            "app.json reads OTHER from the environment, and its value is not masked; "
            "if it is a secret, add d to sensitive-variables, or make it sensitive"
        )
    ]


def test_what_git_ignores_and_what_a_bake_wrote_are_no_inputs_unless_uploaded(
    folder: Path,
) -> None:
    (folder / "app.json").write_text(
        json.dumps({"provisioners": [{"type": "file", "source": "src/app.jar"}]})
    )
    (folder / ".gitignore").write_text("*.jar\n*.tmp\n")
    (folder / "src").mkdir()
    for name in ("src/app.jar", "src/x.tmp", "manifest.json"):
        (folder / name).write_text("1")
    git = shutil.which("git")
    assert git is not None
    subprocess.run((git, "init", "-q", str(folder)), check=True, timeout=30)
    digest = hashlib.sha256(b"1").hexdigest()
    (folder / ".ami-pipeline").mkdir()
    note = {"files": {str(folder / "manifest.json"): digest}}
    (folder / ".ami-pipeline/written.json").write_text(json.dumps(note))
    outputs = requested(Options(version="1.2.3")).outputs
    assert folder / "manifest.json" in outputs
    assert folder / "src/x.tmp" in outputs
    assert folder / "src/app.jar" not in outputs
