"""Every hostile value, through the whole command line: exit 2, the field named, nothing touched."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.cli.main import run
from tests.config.examples import IN_A_FILE, MINIMAL, PLACES, quoted
from tests.core.hostile import HOSTILE, Hostile

ON_THE_COMMAND_LINE = tuple(
    (hostile, option)
    for hostile in HOSTILE
    for option in {"version": ("--version",), "environment": ("-e",)}.get(hostile.field, ())
    if hostile.value  # click takes an empty value for the next argument's absence
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration and a template, in a world that fails the test when touched."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("a child was started or a connection made")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    (tmp_path / "packer").mkdir()
    (tmp_path / "packer/app.pkr.hcl").write_text("")
    (tmp_path / "pipeline.toml").write_text(MINIMAL)
    return tmp_path


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(capsys: pytest.CaptureFixture[str], project: Path, *arguments: str) -> dict[str, str]:
    before = everything(project)
    code = run(["--output", "json", "bake", *arguments])
    printed = capsys.readouterr()
    assert code == 2, printed
    assert everything(project) == before
    assert printed.err.replace("\n", "").isprintable()
    error: dict[str, str] = json.loads(printed.out)["error"]
    return error


def test_there_are_at_least_150_values_over_all_fields() -> None:
    assert len(IN_A_FILE) + len(ON_THE_COMMAND_LINE) >= 150
    fields = {hostile.field for hostile in IN_A_FILE}
    assert fields | {hostile.field for hostile, _ in ON_THE_COMMAND_LINE} == {
        *PLACES,
        "version",
    }


@pytest.mark.long
@pytest.mark.parametrize(
    "hostile", IN_A_FILE, ids=lambda each: f"{each.field}-{each.value[:24]!a}-{each.why}"
)
def test_a_hostile_value_in_the_file_is_exit_2_and_touches_nothing(
    capsys: pytest.CaptureFixture[str], project: Path, hostile: Hostile
) -> None:
    template, where = PLACES[hostile.field]
    (project / "pipeline.toml").write_text(template.replace("%s", quoted(hostile.value)))
    error = refusal(capsys, project, "--version", "1.0.0")
    assert where in error["where"]
    assert error["next"]


@pytest.mark.parametrize("option", sorted({option for _, option in ON_THE_COMMAND_LINE}))
def test_each_hostile_value_on_the_command_line_is_exit_2_and_touches_nothing(
    capsys: pytest.CaptureFixture[str], project: Path, option: str
) -> None:
    for hostile in (hostile for hostile, of in ON_THE_COMMAND_LINE if of == option):
        word = f"{option}={hostile.value}" if option[1] == "-" else option + hostile.value
        error = refusal(capsys, project, word)
        assert hostile.field in error["what"], hostile
