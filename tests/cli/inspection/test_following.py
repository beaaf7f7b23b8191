"""`--follow`: until Ctrl-C or a closed pipe; a later error is told once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from pipeline.cli.inspection import following
from pipeline.cli.inspection.following import follow
from pipeline.core.errors import RefusedError
from pipeline.ui.inspection.stream import LineStream, StreamLine

FAILED = RefusedError("reading", "no\nanswer", "try again")


def reading(*results: str | Exception) -> Callable[[], Iterator[StreamLine]]:
    """Return what gives one result at each reading; an error is raised."""
    left = iter(results)

    def read() -> Iterator[StreamLine]:
        result = next(left)
        if isinstance(result, Exception):
            raise result
        yield StreamLine(key="", head="", text=result)

    return read


def until(number: int) -> Callable[[float], None]:
    """Return a sleep that Ctrl-C ends at this call."""
    calls = iter(range(1, number + 1))

    def sleep(seconds: float) -> None:
        assert seconds == 5.0
        if next(calls) == number:
            raise KeyboardInterrupt

    return sleep


def test_new_lines_are_printed_until_ctrl_c_and_an_error_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.StringIO()
    read = reading("one", FAILED, FAILED, "two")
    follow(read, LineStream(stream=stream), 5.0, until(4))
    assert stream.getvalue() == "one\ntwo\n"
    assert capsys.readouterr().err == "unreadable: reading: no answer; try again\n"


def test_an_error_of_the_first_reading_ends_the_command() -> None:
    with pytest.raises(RefusedError):
        follow(reading(FAILED), LineStream(stream=io.StringIO()), 5.0, until(1))


def test_a_closed_pipe_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    discarded: list[bool] = []
    monkeypatch.setattr(following, "discard_stdout", lambda: discarded.append(True))
    follow(reading("one"), LineStream(stream=Closed()), 5.0, until(1))
    assert discarded == [True]
