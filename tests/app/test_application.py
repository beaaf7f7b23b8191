from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.app import Application, Options
from pipeline.app.bake import request_of, secrets_of
from pipeline.app.promote import Promotion
from pipeline.core.bake.model import BakeRequest, Source
from pipeline.core.errors import ConfigurationError, RefusedError

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


def asked(options: Options) -> BakeRequest:
    app = Application.start(options, lambda _: None)
    wanted = app.settings.bake_for(options.environment or None)
    return request_of(app, options, wanted, secrets_of(app, wanted))


def test_configuration_and_command_line_become_one_request(folder: Path) -> None:
    request = asked(Options(version="1.2.3", environment="staging", force=True))
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
def test_a_secret_that_is_missing_or_too_short_to_mask_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: str, what: str
) -> None:
    assert folder.is_dir()
    monkeypatch.setenv("PASSWORD", value)
    with pytest.raises(ConfigurationError) as told:
        asked(Options(version="1.2.3"))
    assert what in told.value.what
    assert told.value.remedy == "export PASSWORD with the secret's value, then bake again"


def test_a_template_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "app.json").unlink()
    with pytest.raises(ConfigurationError) as told:
        asked(Options(version="1.2.3"))
    assert told.value.what == f"there is no {folder / 'app.json'}"


def test_without_a_version_and_without_git_one_must_be_given(folder: Path) -> None:
    assert folder.is_dir()
    with pytest.raises(ConfigurationError) as told:
        asked(Options())
    assert told.value.remedy == "ami-pipeline bake --version 1.0.0"


@pytest.mark.parametrize(
    ("environ", "overrides"),
    [
        ({}, {}),
        ({"AWS_ENDPOINT_URL": "http://a"}, {"ec2_endpoint": "http://a"}),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_EC2": "http://b"},
            {"ec2_endpoint": "http://b"},
        ),
        (
            {"PKR_VAR_ssh_host": "127.0.0.1", "PKR_VAR_ssh_port": "2222", "PKR_VAR_app": "x"},
            {"ssh_host": "127.0.0.1", "ssh_port": "2222"},
        ),
    ],
)
def test_how_to_reach_the_cloud_comes_from_the_environment(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    overrides: dict[str, str],
) -> None:
    assert folder.is_dir()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert asked(Options(version="1.2.3")).overrides == overrides


def test_a_deployment_that_cannot_be_written_down_leaves_nothing_of_its_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk, or a lease that was lost while a person thought about the plan."""
    plan, discarded = object(), list[object]()
    world = SimpleNamespace(resources=SimpleNamespace(discard=discarded.append))
    planned = SimpleNamespace(plan=plan, deployment=None)

    def full(_change: object) -> None:
        raise RefusedError("[state]", "No space left on device", "make room")

    held = SimpleNamespace(read=lambda: None, update=full)
    session = SimpleNamespace(app=SimpleNamespace(interrupts=Interrupts()))
    monkeypatch.setattr(Promotion, "_prospect", lambda *_: (world, planned, None))
    given: Any = {"ground": session, "held": held, "wanted": None, "image": None}
    with pytest.raises(RefusedError, match="No space left"):
        Promotion(**given).run(lambda _: True)
    assert discarded == [plan]
