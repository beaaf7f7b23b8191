"""An encoding that lacks a character never ends a command."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.process.process import Command, capture
from pipeline.cli.confirm import is_yes
from pipeline.cli.main import run
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Outcome, Result
from pipeline.ui.icons import make_printable
from pipeline.ui.live import LiveProgress
from pipeline.ui.plain import PlainProgress
from pipeline.ui.progress import progress
from tests.cli.deployments import DONE, raising
from tests.ui.status_examples import EXAMPLES, NOW

pytestmark = pytest.mark.usefixtures("place")

FOREIGN = "é ✔ │ 日本 😀 \udcff"
"""What Packer, AWS or a hook may print; the last is a byte that is no UTF-8."""
ENCODINGS = ["ascii", "cp1252", "latin-1", "utf-8", "utf-16", "koi8-r"]
FAILED = replace(DONE, outcome=Outcome(result=Result.ROLLED_BACK, phase="attach", reason=FOREIGN))


class Streams:
    """The program's streams in an encoding that rejects what it lacks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
        self.encoding = encoding
        self.buffers = {name: io.BytesIO() for name in ("stdout", "stderr")}
        for name, buffer in self.buffers.items():
            monkeypatch.setattr(sys, name, io.TextIOWrapper(buffer, encoding))

    def read(self, name: str) -> str:
        getattr(sys, name).flush()
        return self.buffers[name].getvalue().decode(self.encoding)


every_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


@every_encoding
def test_an_error_is_printed_in_every_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(monkeypatch, encoding)
    error = RefusedError(FOREIGN, FOREIGN, FOREIGN)
    monkeypatch.setattr("pipeline.app.promote.promote", raising(error))
    assert run(["--output", "json", "promote", "-e", "staging", "--yes"]) == 3
    assert json.loads(streams.read("stdout"))["error"]["where"] == FOREIGN
    shown = streams.read("stderr")
    assert shown.startswith("error: ")
    assert "Traceback" not in shown


@every_encoding
def test_an_outcome_is_printed_in_every_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(monkeypatch, encoding)
    monkeypatch.setattr("pipeline.app.promote.promote", lambda *_, **__: FAILED)
    assert run(["promote", "-e", "staging", "--yes"]) == 4
    assert "\nreason " in streams.read("stdout")


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_status_is_printed_in_ascii(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch, "ascii")
    reader = type(
        "Reader",
        (),
        {
            "__init__": lambda *_: None,
            "status": lambda _: EXAMPLES[example](),
            "now": lambda _: NOW,
        },
    )
    monkeypatch.setattr("pipeline.app.status.StatusReader", reader)
    assert run(["status", "-e", "staging"]) == 0
    assert "`-- " in streams.read("stdout")


@every_encoding
@pytest.mark.parametrize("display", [PlainProgress, LiveProgress])
def test_progress_is_printed_in_every_encoding(
    display: Callable[..., PlainProgress | LiveProgress],
    encoding: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = Streams(monkeypatch, encoding)
    make_printable(sys.stderr, as_json=False)
    shown = display(sys.stderr)
    shown.report(Message(text=FOREIGN))
    shown.close()
    assert streams.read("stderr").strip()


@pytest.mark.parametrize("as_json", [True, False])
def test_only_what_the_encoding_lacks_is_replaced(as_json: bool) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "latin-1")
    make_printable(stream, as_json=as_json)
    stream.write("é✔…😀")
    stream.flush()
    shown = buffer.getvalue().decode("latin-1")
    assert shown == ("é\\u2714\\u2026\\ud83d\\ude00" if as_json else "é+.\\ud83d\\ude00")


def test_a_stream_that_is_no_file_stays_as_it_is() -> None:
    make_printable(io.StringIO(), as_json=False)
    with progress(io.StringIO(), live=False) as report:
        report(Message(text=FOREIGN))


def test_the_program_runs_with_an_ascii_terminal_in_the_c_locale(tmp_path: Path) -> None:
    toml = tmp_path / "pipeline.toml"
    toml.write_text(toml.read_text() + '[bake.vars]\nteam = "Zürich ✔"\n', encoding="utf-8")
    env = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    env |= {"PYTHONCOERCECLOCALE": "0"}
    argv = [sys.executable, "-m", "pipeline", "config", "check"]
    code, output = capture(Command(argv=argv, cwd=tmp_path, env=env), timeout=60)
    assert code == 0, output
    assert b'bake.vars.team = "Z\\u00fcrich +"' in output


def test_what_was_typed_before_the_question_does_not_answer_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")
    with open(theirs, encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdin", terminal)
        shown = io.StringIO()

        class Answering(io.StringIO):
            """A person who answers once the question is shown."""

            def write(self, text: str) -> int:
                if text.endswith("? "):
                    os.write(ours, b"n\n")
                return shown.write(text)

        monkeypatch.setattr(sys, "stderr", Answering())
        assert not is_yes("promote now? ")
        monkeypatch.setattr(sys, "stdin", terminal)
    os.close(ours)
    assert shown.getvalue() == "promote now? "
