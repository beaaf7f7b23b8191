"""`freeze` and `unfreeze` as they are typed, and the commands that a freeze refuses."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cli.main import run

pytestmark = pytest.mark.usefixtures("place", "here")
FREEZE = ["freeze", "-e", "staging", "--why", "big sale"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A person whose clocks show five and a half hours more than UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "vm")
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_ACTOR", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def in_days(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def test_a_person_freezes_and_lifts_the_freeze(capsys: pytest.CaptureFixture[str]) -> None:
    day = in_days(3)
    shown = f"until {day} 18:00:00+05:30 by ann on vm: big sale"
    assert run([*FREEZE, "--until", f"{day} 18:00"]) == 0
    assert capsys.readouterr().out == (
        f"staging is frozen {shown}\n"
        "promote, rebuild and resume are refused; rollback, recover and abort still work\n"
        "to lift it: ami-pipeline unfreeze -e staging\n"
    )
    for command in (["promote", "--yes"], ["rebuild"], ["resume"]):
        assert run([*command, "-e", "staging"]) == 3
        error = capsys.readouterr().err
        assert error.startswith(f"error: environment staging:\n  is frozen {shown}\n"), error
    assert run(["unfreeze", "-e", "staging"]) == 0
    out = capsys.readouterr().out
    assert out == f"lifted: the freeze {shown}\nstaging is not frozen\n"
    assert run(["unfreeze", "-e", "staging"]) == 0
    assert capsys.readouterr().out == "nothing to do: staging is not frozen\n"


def test_the_documents_are_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--output", "json", *FREEZE, "--until", "4h"]) == 0
    document = json.loads(capsys.readouterr().out)
    (freeze,) = document["freezes"]
    assert (document["environment"], document["frozen"]) == ("staging", True)
    assert document["free"] == freeze["until"]
    assert (freeze["by"], freeze["why"], freeze["window"]) == ("ann on vm", "big sale", None)
    assert run(["--output", "json", "unfreeze", "-e", "staging"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["frozen"], document["lifted"]) == (False, [freeze])


def test_a_window_of_the_file_freezes_its_environments_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "pipeline.toml").open("a") as file:
        file.write(
            f'[[freeze]]\nfrom = {in_days(-1)}\nuntil = {in_days(1)}\nwhy = "audit"\n'
            'environments = ["staging"]\n'
        )
    assert run(["promote", "-e", "staging", "--yes"]) == 3
    error = capsys.readouterr().err
    assert f"by pipeline.toml ({in_days(-1)} 00:00 to {in_days(1)} 00:00 UTC): audit\n" in error
    assert run(["unfreeze", "-e", "staging"]) == 3
    assert "next: change [[freeze]] in pipeline.toml" in capsys.readouterr().err
    assert run(["unfreeze", "-e", "bare"]) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([*FREEZE, "--until", "soon"], "'soon' is not a day of the week: write a time such as"),
        ([*FREEZE], "Missing option '--until'"),
        (["freeze", "-e", "staging", "--until", "4h"], "Missing option '--why'"),
        (["freeze", "-e", "staging", "--until", "4h", "--why", ""], "is empty: a reason is one"),
        ([*FREEZE, "--until", "2020-01-01"], "is over: the store's clock shows"),
        (["freeze", "-e", "prod", "--until", "4h", "--why", "x"], "environment prod:"),
        (["promote", "-e", "staging", "--override-freeze"], "needs a reason: add --why TEXT."),
        (
            ["promote", "-e", "staging", "--override-freeze", "--why", "  "],
            "needs a reason: add --why TEXT.",
        ),
        (["rebuild", "-e", "staging", "--override-freeze"], "needs a reason: add --why TEXT."),
        (["resume", "-e", "staging", "--override-freeze"], "needs a reason: add --reason TEXT."),
    ],
)
def test_a_wrong_command_line_is_explained(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert text in capsys.readouterr().err
    assert not os.path.exists(".ami-pipeline/freezes")  # noqa: PTH110 - the current folder
