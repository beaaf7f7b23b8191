"""What the deploying commands hand on: the outputs and the summary of a CI system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.app.promoting import Unchanged
from pipeline.cli.main import run
from pipeline.core.deployment import Deployment, Kind, Outcome, Result, Runner
from pipeline.core.model import Image

DONE = Deployment(
    id="20261121T154224Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000125",
    blue="r000124",
    began="2026-11-21T15:42:24Z",
    ended="2026-11-21T15:44:24Z",
    by=Runner(user="ada", host="ci-7", pid=1),
    image="ami-2",
    version="1.5.0",
    outcome=Outcome(result=Result.PROMOTED),
)
RUNS = [
    (["promote", "-e", "staging", "--yes"], "pipeline.app.promoting.promote"),
    (["rollback", "-e", "staging", "--yes"], "pipeline.app.rolling_back.roll_back"),
    (["rebuild", "-e", "staging"], "pipeline.app.rebuilding.rebuild"),
]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packer").mkdir()
    (tmp_path / "packer/app.pkr.hcl").touch()
    (tmp_path / "pipeline.toml").write_text(
        'app = "web"\nregion = "eu-central-1"\n[bake]\ntemplate = "packer/app.pkr.hcl"\n'
        "[environments.staging]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.interrupts.Interrupts.install", lambda _: None)
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_deployment_hands_its_outputs_and_its_summary_to_github(
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
def test_a_deployment_hands_its_outputs_to_gitlab(
    arguments: list[str], runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, lambda *_, **__: DONE)
    assert run([*arguments, "--dotenv", "deploy.env"]) == 0
    assert "SERVING=r000125\n" in (tmp_path / "deploy.env").read_text()


@pytest.mark.parametrize(("arguments", "runs"), RUNS)
def test_a_dotenv_file_that_could_not_be_written_is_refused_before_anything_is_done(
    arguments: list[str], runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was begun")

    monkeypatch.setattr(runs, never)
    assert run([*arguments, "--dotenv", "pipeline.toml/deploy.env"]) == 3


def test_an_output_that_cannot_be_written_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path))
    monkeypatch.setattr("pipeline.app.promoting.promote", lambda *_, **__: DONE)
    assert run(["promote", "-e", "staging", "--yes"]) == 0
    assert f"GITHUB_OUTPUT {tmp_path} was not written: Is a directory" in capsys.readouterr().err


def test_where_nothing_was_done_nothing_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image(app="web", version="1", name="web-1", region="eu-central-1", ids={})
    unchanged = Unchanged(environment="staging", release="r000124", image=image)
    monkeypatch.setattr("pipeline.app.promoting.promote", lambda *_: unchanged)
    assert run(["promote", "-e", "staging", "--yes", "--dotenv", "deploy.env"]) == 0
    assert not (tmp_path / "deploy.env").exists()
