from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from pipeline.core.errors import FailedError
from pipeline.core.state.status import Status
from pipeline.ui.status import status_text
from pipeline.ui.watch import colored, watch
from tests.ui.status_examples import NOW, in_flight, serving, unhealthy


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def readings(*found: Status | Exception) -> tuple[Callable[[], Status], list[float]]:
    """Return a function that returns these statuses and then raises, and the pauses."""
    left: Iterator[Status | Exception] = iter(found)

    def read() -> Status:
        each = next(left, None)
        if each is None:
            raise KeyboardInterrupt
        if isinstance(each, Exception):
            raise each
        return each

    return read, []


def watched(stream: io.StringIO, *found: Status | Exception, live: bool = False) -> str:
    read, pauses = readings(*found)
    watch(read, stream, 2.0, live=live, now=lambda: NOW, sleep=pauses.append)
    assert set(pauses) <= {2.0}
    return stream.getvalue()


def test_without_a_terminal_each_changed_status_is_written() -> None:
    first, second = status_text(serving(), NOW), status_text(unhealthy(), NOW)
    found = (serving(), serving(), unhealthy(), unhealthy(), serving())
    assert watched(io.StringIO(), *found) == f"{first}\n\n{second}\n\n{first}\n\n"


def test_on_a_terminal_the_screen_is_restored_with_the_last_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    text = watched(Terminal(), serving(), in_flight(), live=True)
    before, after = text.split("\x1b[?1049l")
    assert before.count("\x1b[?1049h") == 1
    assert "in flight  none" in before
    assert "in flight  none" not in after
    assert after.count("in flight  ▸ in attach: ") == 1


def test_ctrl_c_before_the_first_status_is_not_an_error() -> None:
    assert watched(io.StringIO()) == ""


def test_an_error_of_the_first_read_is_raised() -> None:
    with pytest.raises(FailedError):
        watched(io.StringIO(), FailedError("aws", "down", "wait"))


def test_an_error_of_a_later_read_is_shown_and_retried() -> None:
    text = watched(io.StringIO(), serving(), FailedError("aws", "down\nhard", "wait"), unhealthy())
    status = status_text(serving(), NOW)
    assert f"\n\nunreadable at 03:12:00+00:00: aws: down hard; wait\n\n{status}\n\n" in text
    assert text.endswith(status_text(unhealthy(), NOW) + "\n\n")


def test_icons_are_colored_and_commands_are_bold() -> None:
    shown = colored("✔ fine\nami-pipeline rollback -e production: x")
    styles = {shown.plain[span.start : span.end]: span.style for span in shown.spans}
    assert styles == {"✔": "green", "ami-pipeline rollback -e production": "bold"}
