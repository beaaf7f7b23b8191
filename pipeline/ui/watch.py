"""Show the status repeatedly until Ctrl-C: `status --watch`.

A live display uses the alternate screen, and leaves the last status on the normal one. Otherwise
it writes each status that differs from the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from pipeline.core.errors import PipelineError
from pipeline.core.state.status import Status
from pipeline.core.times import format_time
from pipeline.ui import icons
from pipeline.ui.icons import drawable
from pipeline.ui.status import status_text
from pipeline.ui.text import one_line

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 100
"""The number of columns outside a terminal."""


def _local_time() -> datetime:
    return datetime.now(UTC).astimezone()


def watch(
    read: Callable[[], Status],
    stream: TextIO,
    seconds: float,
    *,
    live: bool,
    now: Callable[[], datetime] = _local_time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the status every `seconds`; return on Ctrl-C.

    `live` selects the alternate screen of a terminal.

    Raise an error of the first read. Show a later error above the last status, and retry.
    """
    try:
        status = read()
        show = _on_terminal if live else _in_lines
        show(_Readings(read, status, seconds, now, sleep), stream)
    except KeyboardInterrupt:
        return


class _Readings:
    """An endless sequence of statuses."""

    def __init__(
        self,
        read: Callable[[], Status],
        first: Status,
        seconds: float,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._read = read
        self._status = first
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        self._error = ""

    def text(self, width: int) -> str:
        """Return the latest status, below the error of the last read, if any."""
        status = status_text(self._status, self._now(), width)
        return f"{self._error}\n\n{status}" if self._error else status

    def again(self) -> None:
        """Sleep, then read again."""
        self._sleep(self._seconds)
        try:
            self._status = self._read()
        except PipelineError as error:
            text = one_line(f"{error.where}: {error.what}; {error.remedy}", 400)
            now = self._now()
            self._error = f"unreadable at {format_time(now.isoformat(), now)}: {text}"
        else:
            self._error = ""


def _in_lines(readings: _Readings, stream: TextIO) -> None:
    shown = ""
    while True:
        text = readings.text(WIDTH)
        if text != shown:
            print(drawable(text, stream.encoding), end="\n\n", file=stream, flush=True)
            shown = text
        readings.again()


def _on_terminal(readings: _Readings, stream: TextIO) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False)

    def render() -> Text:
        return colored(drawable(readings.text(console.width), console.encoding))

    try:
        with Live(render(), console=console, screen=True, auto_refresh=False) as display:
            while True:
                readings.again()
                display.update(render(), refresh=True)
    finally:
        console.print(render())


def colored(text: str) -> Text:
    """Return the text with colored icons and bold commands."""
    from rich.text import Text

    shown = Text(text)
    for icon, style in icons.STYLES.items():
        shown.highlight_words([icon], style)
    shown.highlight_regex(r"ami-pipeline [a-z][a-z -]*", "bold")
    return shown
