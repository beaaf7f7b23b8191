"""`report` finds a deployment by its id, or the newest one, in a store in a directory."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.deployments import file_key, record_key
from pipeline.adapters.store.records.timelines import TimelineWriter
from pipeline.app.application import Application, Options
from pipeline.app.reports.report import save
from pipeline.cli.main import run
from pipeline.cli.written_reports import write_reports
from pipeline.core.state.deployment import Deployment, Outcome, Result
from pipeline.core.timeline.model import Note, Timeline
from tests.cli.deployments import DONE

pytestmark = pytest.mark.usefixtures("place")
FAILED = replace(
    DONE,
    id="20261122T154224Z-4f2a",
    outcome=Outcome(
        result=Result.ROLLED_BACK,
        phase="attach",
        reason="unhealthy",
        evidence="/x/deployments/20261122T154224Z-4f2a/evidence-2.txt",
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    store = DirectoryStore(tmp_path / ".ami-pipeline")
    for each in (DONE, FAILED):
        record(store, each)
    store.write(file_key(FAILED.id, "evidence-2.txt"), b"exit 1\n", expected=None)
    TimelineWriter(store, FAILED.id).write(Timeline(notes=(Note(at=3.0, text="hello"),)))
    return store


def record(store: DirectoryStore, deployment: Deployment) -> None:
    store.write(record_key(deployment.id), seal(deployment), expected=None)


@pytest.mark.usefixtures("store")
def test_the_newest_deployment_is_shown_with_its_evidence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["report"]) == 0
    newest = capsys.readouterr().out
    assert run(["report", FAILED.id]) == run(["report", "-e", "staging"]) == 0
    assert capsys.readouterr().out == newest * 2
    assert newest.startswith("r000124 still serves staging\n")
    assert "evidence-2.txt\n  exit 1" in newest
    assert "messages\n  +3s hello" in newest


@pytest.mark.usefixtures("store")
def test_a_program_gets_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--output", "json", "report", DONE.id]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == DONE.id


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ([DONE.id, "-e", "bare"], 3, f"error: report {DONE.id}:\n  there is no such deployment"),
        (["20261121T154224Z-ffff"], 3, "error: report 20261121T154224Z-ffff:\n  there is no such"),
        (["-e", "bare"], 3, "error: report:\n  there are no deployments yet"),
        (["-e", "other"], 2, "environments"),
        (["../../x"], 2, "write an id that history shows"),
    ],
)
def test_a_deployment_that_does_not_exist_is_an_error(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, error: str
) -> None:
    assert run(["report", *words]) == code
    assert error in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_html_writes_one_file_beside_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", FAILED.id, "--html", str(tmp_path / "new/report.html")]) == 0
    html = (tmp_path / "new/report.html").read_text()
    assert "<h1>r000124 still serves staging</h1>" in html
    assert "<pre" in html
    assert capsys.readouterr().out.startswith("r000124 still serves staging\n")
    (tmp_path / "file").touch()
    assert run(["report", "--html", str(tmp_path / "file/report.html")]) == 3
    assert "next: name a file in a folder that you may write" in capsys.readouterr().err


def ended(store: DirectoryStore) -> list[str]:
    """End a command that ran the failed deployment; return its messages."""
    messages: list[str] = []
    app = Application.start(Options(), lambda event: messages.append(getattr(event, "text", "")))
    app.deployed[FAILED.id] = "staging"
    assert app.reports == store.folder / "reports"
    write_reports(app)
    return messages


def test_a_command_ends_with_the_path_of_the_report_of_its_deployment(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.reports.report.KEPT", 2)
    for number in range(3):
        save(store.folder / f"reports/old-{number}.html", "")
    path = store.folder / f"reports/staging-{FAILED.id}.html"
    assert ended(store) == [f"report: {path}"]
    assert path.read_text().startswith("<!doctype html>")
    assert len(list(path.parent.iterdir())) == 2


def test_an_old_report_that_cannot_be_deleted_does_not_hide_the_new_one(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.app.reports.report.KEPT", 1)
    (store.folder / "reports/a-folder.html").mkdir(parents=True)
    (store.folder / "reports/gone.html").symlink_to("nowhere")
    os.utime(store.folder / "reports/a-folder.html", (0, 0))
    assert ended(store) == [f"report: {store.folder}/reports/staging-{FAILED.id}.html"]


def test_a_report_that_cannot_be_written_is_a_message(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.folder / "reports").touch()
    (message,) = ended(store)
    assert message.startswith("the report is not written: report ")
    assert message.endswith(f"; later: ami-pipeline report {FAILED.id}")
    monkeypatch.setattr("pipeline.cli.written_reports.LONGEST", 0.0)
    monkeypatch.setattr("pipeline.app.reports.report.report", lambda *_: time.sleep(0.2))
    assert ended(store) == [
        "the report is not written: the store is slow; later: ami-pipeline report " + FAILED.id
    ]
