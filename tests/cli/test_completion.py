"""What a shell gets for an incomplete command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main, run

Captured = pytest.CaptureFixture[str]
DOCUMENT = {
    "releases": {"r000003": {"version": "1.3.0"}},
    "retired": [{"release": "r000002", "version": "1.2.0"}],
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipeline.toml").write_text("[environments.staging]\n[environments.production]\n")
    store = tmp_path / ".ami-pipeline"
    (store / "environments").mkdir(parents=True)
    (store / "images").mkdir()
    (store / "environments/staging.json").write_text(json.dumps({"content": DOCUMENT}))
    image = {"image": {"version": "1.3.0", "ids": {"eu-central-1": "ami-12345678"}}}
    (store / "images/web.json").write_text(json.dumps(image))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(words: str, captured: Captured, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what bash is offered for the last word."""
    monkeypatch.setenv("_AMI_PIPELINE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"ami-pipeline {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    with pytest.raises(SystemExit) as ended:
        main([])
    printed = captured.readouterr()
    assert (ended.value.code, printed.err) == (0, "")
    return [line.partition(",")[2] for line in printed.out.split()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pro", ["promote"]),
        ("status -e ", ["staging", "production"]),
        ("promote -e staging --from p", ["production"]),
        ("rollback -e staging --to ", ["r000003", "r000002", "1.3.0", "1.2.0"]),
        ("rollback ", ["drill"]),
        ("rollback -e staging d", []),
        ("rollback drill -e s", ["staging"]),
        ("roll", ["rollback"]),
        ("promote -e staging --image ", ["1.3.0", "ami-12345678"]),
        ("rollback --to ", []),
        ("nonsense --to ", []),
    ],
)
def test_a_shell_is_offered_what_fits(
    words: str, expected: list[str], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered(words, capsys, monkeypatch) == expected


@pytest.mark.parametrize("name", ["pipeline.toml", ".ami-pipeline/environments/staging.json"])
def test_a_damaged_file_offers_nothing_and_prints_nothing(
    name: str, project: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / name).write_text("{{{")
    assert offered("rollback -e staging --to ", capsys, monkeypatch) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_this_program(shell: str, capsys: Captured) -> None:
    assert run(["completion", shell]) == 0
    printed = capsys.readouterr()
    assert f"_AMI_PIPELINE_COMPLETE={shell}_complete" in printed.out
    assert printed.err == ""
