"""How a deploying command ends: its exit code, its output, the outputs for a CI job."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.app import Application
from pipeline.cli.main import run
from pipeline.cli.result import exit_code
from pipeline.core.deploy.plan import Unchanged
from pipeline.core.errors import RefusedError
from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result
from tests.cli.deployments import DONE, RUNS, UNDOING, raising

pytestmark = pytest.mark.usefixtures("place")


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_deployment_writes_outputs_and_a_summary_for_github(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, summary = tmp_path / "output", tmp_path / "summary"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setattr(runs, lambda *_, **__: DONE)
    assert run(arguments) == 0
    assert "outcome=promoted\n" in output.read_text()
    assert "serving=r000125\n" in output.read_text()
    assert summary.read_text().startswith("### r000125 serves staging\n")


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_deployment_writes_outputs_for_gitlab(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, lambda *_, **__: DONE)
    assert run([*arguments, "--dotenv", "deploy.env"]) == 0
    assert "SERVING=r000125\n" in (tmp_path / "deploy.env").read_text()


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_dotenv_file_that_cannot_be_written_is_an_error_before_anything_is_done(
    arguments: list[str], runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was begun")

    monkeypatch.setattr(runs, never)
    assert run([*arguments, "--dotenv", "pipeline.toml/deploy.env"]) == 3


def test_an_output_that_cannot_be_written_does_not_change_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    monkeypatch.setattr("pipeline.app.promote.promote", lambda *_, **__: DONE)
    assert run(["promote", "-e", "staging", "--yes"]) == 0
    assert f"GITHUB_OUTPUT {tmp_path} was not written: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_the_outputs_name_the_serving_release_if_there_was_nothing_to_do(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = "eu-central-1"
    image = Image(app="web", version="1", name="web-1", region=region, ids={region: "ami-1"})
    unchanged = Unchanged(environment="staging", release="r000124", image=image)
    monkeypatch.setattr(runs, lambda *_, **__: unchanged)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert run([*arguments, "--dotenv", "sub/deploy.env"]) == 0
    assert (tmp_path / "sub/deploy.env").read_text() == (
        "OUTCOME=unchanged\nRELEASE=r000124\nAMI_ID=ami-1\nVERSION=1\n"
        "PREVIOUS=r000124\nSERVING=r000124\n"
    )
    assert "r000124 already serves staging with ami-1\n" in (tmp_path / "summary").read_text()


# How a command ends


@pytest.mark.parametrize("result", [None, *Result])
def test_every_outcome_has_its_exit_code(result: Result | None) -> None:
    for kind, interrupted, undo_requested in itertools.product(Kind, (False, True), (False, True)):
        outcome = Outcome(result=result, interrupted=interrupted) if result else None
        done = replace(DONE, kind=kind, outcome=outcome)
        expected = {
            None: 5,
            Result.PROMOTED: 0,
            Result.REFUSED: 3,
            Result.ROLLED_BACK: 0 if undo_requested else 130 if interrupted else 4,
            Result.NEEDS_ATTENTION: 5,
            Result.PAUSED: 7,
            Result.PROVEN: 0,
        }
        code = exit_code(done, undo_requested=undo_requested)
        assert code == expected[result], (kind, interrupted, undo_requested)


def test_a_rollback_to_nothing_is_a_failure_even_if_an_undo_was_requested() -> None:
    outcome = Outcome(result=Result.ROLLED_BACK, rollback_error="the group of r000123 is gone")
    assert exit_code(replace(DONE, outcome=outcome), undo_requested=True) == 4


@pytest.mark.parametrize(
    ("arguments", "runs", "code"),
    [*((each, runs, 4) for each, runs in RUNS), *((each, runs, 0) for each, runs in UNDOING)],
)
def test_a_rollback_is_a_failure_unless_an_undo_was_requested(
    arguments: list[str],
    runs: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = Outcome(result=Result.ROLLED_BACK, phase="attach", reason="##[error]never healthy")
    kind = Kind.PROMOTE if arguments[0] == "resume" else Kind(arguments[0])
    monkeypatch.setattr(runs, lambda *_, **__: replace(DONE, kind=kind, outcome=failed))
    assert run(["--output", "json", *arguments]) == code
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert (document["outcome"], document["serves"]) == ("rolled back", "r000124")
    assert document["reason"] == "##[error]never healthy"
    assert "##[" not in shown.out


def test_a_closed_stdout_does_not_change_the_exit_code(tmp_path: Path) -> None:
    code = (
        "from pipeline.cli import main\n"
        "from tests.cli.deployments import DONE\n"
        "from pipeline.app import promote\n"
        "promote.promote = lambda *_, **__: DONE\n"
        "main.main(['promote', '-e', 'staging', '--yes'])\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize(("arguments", "runs"), [*RUNS, *UNDOING])
def test_a_signal_before_any_change_says_that_nothing_was_changed(
    arguments: list[str],
    runs: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runs, raising(KeyboardInterrupt()))
    assert run(["--output", "json", *arguments]) == 130
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["what"] == "interrupted by a signal; nothing was changed"
    assert error["next"] == shlex.join(["ami-pipeline", "--output", "json", *arguments])


def test_a_signal_after_the_end_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def promoted(app: Application, *_: object) -> Deployment:
        app.interrupts.pending = signal.SIGTERM
        app.interrupts.count = 1
        return DONE

    monkeypatch.setattr("pipeline.app.promote.promote", promoted)
    assert run(["promote", "-e", "staging", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("r000125 serves staging\n")


def test_an_error_is_annotated_on_github_and_only_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = RefusedError("x,y", "a\n::add-mask::b", "c")
    monkeypatch.setattr("pipeline.app.promote.promote", raising(error))
    assert run(["promote", "-e", "staging", "--yes"]) == 3
    plain = capsys.readouterr().err
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(["promote", "-e", "staging", "--yes"]) == 3
    assert plain == "error: x,y:\n  a\n  : :add-mask::b\nnext: c\n"
    assert capsys.readouterr().err == (f"{plain}::error title=x%2Cy::a ::add-mask::b next: c\n")


def test_a_traceback_forges_no_workflow_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.app.promote.promote", raising(ValueError("a\n::error::b")))
    assert run(["promote", "-e", "staging", "--yes"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert not any(line.lstrip().startswith("::") for line in lines)
