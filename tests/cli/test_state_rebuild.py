"""`state rebuild`: its text and its prompt."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from pipeline.cli.main import run
from pipeline.core.state.rebuilding import Rebuilding
from tests.core.state.lost_examples import FOUND

pytestmark = pytest.mark.usefixtures("place", "confirmed")

REBUILD = ["state", "rebuild", "-e", "staging"]
SHOWN = """\
s3://states/web/environments/staging.json records nothing; the groups in eu-central-1 show:
RELEASE  ROLE     VERSION  IMAGE  GROUP                INSTANCES
r000005  failed   1.5.0    ami-5  web-staging-r000005  2
r000004  serving  1.4.0    ami-4  web-staging-r000004  2
r000003  warm     1.3.0    ami-3  web-staging-r000003  2
the next release is r000006
if another store has the document, answer no and fix [state] url
"""


@pytest.fixture
def confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(
        _app: object, environment: str, confirm: Callable[[Rebuilding], bool]
    ) -> Rebuilding | None:
        assert environment == "staging"
        return FOUND if confirm(FOUND) else None

    monkeypatch.setattr("pipeline.app.state.rebuild", answer)


def test_what_would_be_written_is_shown_before_the_prompt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = io.StringIO("n\n")
    typed.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", typed)
    assert run(REBUILD) == 130
    told = capsys.readouterr()
    assert told.err.startswith(f"{SHOWN}write it now? [y/N]: ")
    assert told.out == ""


def test_what_was_written_is_printed_with_the_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*REBUILD, "--yes"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        f"rebuilt {FOUND.where}: r000004 serves\nnext: ami-pipeline status -e staging\n",
        SHOWN,
    )
    assert run(["--output", "json", *REBUILD, "--yes"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["serving"], document["next_release"]) == ("r000004", "r000006")
    assert [each["role"] for each in document["releases"]] == ["failed", "serving", "warm"]


def test_without_a_terminal_it_needs_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(REBUILD) == 3
    assert "next: ami-pipeline state rebuild -e staging --yes" in capsys.readouterr().err
