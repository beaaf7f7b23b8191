"""Bad arguments of the deploying commands: exit 2 or 3, the reason named, nothing touched."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.environments import Environments
from pipeline.cli.main import run
from pipeline.core.state.environment import Environment
from tests.cli.deployments import DONE, RUNS
from tests.core.hostile import HOSTILE

pytestmark = pytest.mark.usefixtures("place")

ENVIRONMENTS = [each.value for each in HOSTILE if each.field == "environment" and each.value]
NAMES = ["UPPER", "../staging", "a\nb", "\x1b[31mred", "a--b", "staging ", "--yes", ""]
VERSIONS = [each.value for each in HOSTILE if each.field == "version" and each.value]
IMAGES = [
    *(
        "ami-1",
        "ami-1234567g",
        "ami-123456789",
        "ami-0123456789abcdef01",
    ),
    *(
        "ami-12345678\n",
        "ami-12345678 ",
        "ami-12345678;reboot",
        "$(reboot)",
        "-h",
        "--yes",
        "",
        "\0",
    ),
    *("ami-1234567\u0668", "\x1b[31mami-12345678", "../ami-12345678", "a" * 100_000),
]
TARGETS = [
    *("r000001 ", "r000001\n", "-1", "latest", "r00000\u0661", "r000001..r000002"),
    *IMAGES,
]
OPTIONS = {
    ("promote", "-e"): ENVIRONMENTS,
    ("promote", "--from"): NAMES,
    ("promote", "--image"): IMAGES,
    ("rollback", "-e"): NAMES,
    ("rollback", "--to"): TARGETS,
    ("rebuild", "-e"): NAMES,
    ("rebuild", "--version"): VERSIONS,
    ("recover", "-e"): NAMES,
    ("abort", "-e"): NAMES,
    ("status", "-e"): NAMES,
    ("history", "-e"): NAMES,
    ("history", "--limit"): ["0", "-1", "1001", "x", "1e3", "", "\u0661\0"],
}


def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("a child was started or a connection made")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_each_bad_value_is_exit_2_names_the_option_and_touches_nothing(
    command: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untouched(monkeypatch)
    before = everything(tmp_path)
    rest = [] if option == "-e" else ["-e", "staging"]
    for value in OPTIONS[command, option]:
        word = [f"{option}={value}"] if option.startswith("--") else [option, value]
        assert run(["--output", "json", command, *rest, *word]) == 2, value[:99]
        printed = capsys.readouterr()
        error = json.loads(printed.out)["error"]
        assert option in error["what"], value[:99]
        assert error["next"] == f"ami-pipeline {command} --help", value[:99]
        assert printed.err.replace("\n", "").isprintable(), value[:99]
        assert everything(tmp_path) == before, value[:99]


def one_text(each: str | list[str]) -> str:
    return each if isinstance(each, str) else " ".join(each)


MISUSES = [
    (["promote"], "Missing option '-e'"),
    (["promote", "-e", "staging", "--image", "ami-12345678", "--from", "staging"], "exclude"),
    (["promote", "-e", "staging", "extra"], "unexpected extra argument"),
    (["promote", "-e", "staging", "--output", "yaml"], "'yaml' is not one of 'text', 'json'"),
    (["promote", "-e", "staging", "--dotenv", "packer"], "is a directory"),
    (["rebuild", "-e", "staging", "--yes"], "No such option '--yes'"),
    (["recover", "-e", "staging", "--plan"], "No such option '--plan'"),
    (["rebuild", "-e", "staging", "--only-if", "commits"], "'commits' is not 'packages'"),
    (["images", "--tree", "ami-12345678"], "exclude"),
    (["images", "ami-x"], "IMAGE"),
    (["rebuild", "-e", "staging", "--only-if"], "rebuild: Option '--only-if' requires"),
    (["notify"], "notify: Missing command: check, test."),
    (["diff", "r000001"], "Missing argument 'AFTER'"),
    (["diff", "r000001", "\x1b[31m"], "'AFTER'"),
    (["diff", "-e", "x/y", "r000001", "r000002"], "'-e'"),
    (["promote", "-e", "nope", "--yes"], "environment nope: is not in"),
    (["promote", "-e", "nope"], "environment nope: is not in"),
    (["promote", "-e", "staging", "--from", "nope", "--yes"], "environment nope: is not in"),
    (["rollback", "-e", "nope"], "environment nope: is not in"),
    (["rebuild", "-e", "nope"], "environment nope: is not in"),
    (["recover", "-e", "nope"], "environment nope: is not in"),
    (["abort", "-e", "nope"], "environment nope: is not in"),
    (["promote", "-e", "bare", "--keep-failed", "--yes"], "kept would go on working"),
    (["destroy", "-e", "nope", "--confirm", "nope"], "environment nope: is not in"),
    (["destroy", "-e", "staging", "--confirm", "nope"], "nope is not the environment staging"),
    (["status", "-e", "nope"], "environment nope: is not in"),
    (["history", "-e", "nope"], "environment nope: is not in"),
]


@pytest.mark.parametrize(("arguments", "said"), MISUSES, ids=one_text)
def test_a_misuse_is_exit_2_and_touches_nothing(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untouched(monkeypatch)
    before = everything(tmp_path)
    assert run(["--output", "json", *arguments]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert said in f"{error['where']}: {error['what']}"
    assert error["next"]
    assert everything(tmp_path) == before


NOTHING_TO_UNDO = [
    (["rollback", "-e", "staging", "--yes"], "roll back to: no managed release serves yet"),
    (["rollback", "-e", "staging", "--to", "r000001", "--yes"], "no managed release serves yet"),
    (["recover", "-e", "staging"], "no deployment is in flight"),
    (["abort", "-e", "staging"], "no deployment is in flight"),
    (["destroy", "-e", "staging", "--confirm", "staging"], "there is nothing to delete"),
]


@pytest.mark.parametrize(("arguments", "said"), NOTHING_TO_UNDO, ids=one_text)
def test_a_command_without_anything_to_undo_writes_nothing(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    untouched(monkeypatch)
    # Whether a document is lost only AWS can tell (tests/app/environment).
    monkeypatch.setattr("pipeline.app.environment.session.find_lost", lambda *_: None)
    before = everything(tmp_path)
    assert run(["--output", "json", *arguments]) == 3
    assert said in json.loads(capsys.readouterr().out)["error"]["what"]
    assert everything(tmp_path) == before


@pytest.mark.parametrize(("arguments", "runs"), RUNS[:3])
def test_an_interrupted_deployment_is_not_finished_with_no_recover(
    arguments: list[str],
    runs: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del runs  # the real one
    dead = replace(DONE, outcome=None, ended="", phase="soak")
    nothing = Environment(app="web", environment="staging", region="eu-central-1", account="")
    Environments(DirectoryStore(tmp_path / ".ami-pipeline")).save(nothing.started(dead), None)
    untouched(monkeypatch)
    before = everything(tmp_path)
    assert run(["--output", "json", *arguments, "--no-recover"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == {
        "kind": "RefusedError",
        "exit_code": 3,
        "where": "promote 20261121T154224Z-4f2a",
        "what": "stopped in phase soak, and --no-recover forbids finishing it",
        "next": "ami-pipeline recover -e staging",
    }
    assert everything(tmp_path) == before
