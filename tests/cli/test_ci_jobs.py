"""Commands in a CI job: without a lasting store, and on a pseudo-terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.cli.context import PAGE, Context
from pipeline.cli.main import run
from tests.cli.deployments import raising

pytestmark = pytest.mark.usefixtures("place")

CHANGING = [
    ["bake", "--version", "1"],
    ["promote", "-e", "staging", "--yes"],
    ["promote", "-e", "staging", "--plan"],
    ["rollback", "-e", "staging", "--yes"],
    ["rollback", "drill", "-e", "staging"],
    ["rebuild", "-e", "staging"],
    ["recover", "-e", "staging"],
    ["abort", "-e", "staging"],
    ["destroy", "-e", "staging", "--confirm", "staging"],
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("arguments", CHANGING, ids=" ".join)
def test_a_command_that_records_is_refused_without_a_lasting_store(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BUILDKITE", "true")
    assert run(arguments) == 2
    told = capsys.readouterr().err
    assert "error: [state] url:\n  is not set, and this is a CI job (BUILDKITE is set)" in told
    assert not (tmp_path / ".ami-pipeline/environments").exists()


def test_a_folder_that_is_set_may_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    path = tmp_path / "pipeline.toml"
    path.write_text(f'{path.read_text()}[state]\nurl = "/srv/web"\n'.replace("/srv", str(tmp_path)))
    monkeypatch.setattr(EnvironmentReader, "require_known", raising(StopIteration("here")))
    assert run(["recover", "-e", "staging"]) == 1
    assert "StopIteration: here" in capsys.readouterr().err


@pytest.mark.parametrize(("in_ci", "live"), [("", True), ("true", False)])
def test_a_pseudo_terminal_of_a_ci_job_gets_plain_lines(
    in_ci: str, live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setenv("CI", in_ci)
    assert Context().live is live
    assert Context().width == (72 if live else PAGE)


def test_no_prompt_waits_on_the_pseudo_terminal_of_a_ci_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    monkeypatch.setenv("BUILDKITE", "true")
    assert run(["state", "restore", "-e", "staging"]) == 3
    assert (
        "confirmation needed, but this is a CI job (BUILDKITE is set)\n"
        "next: ami-pipeline state restore -e staging --yes"
    ) in capsys.readouterr().err
