"""`status --watch`: the same text, again and again, until Ctrl-C.

On a terminal the whole screen is drawn anew and given back at the end, the last status left
below the command; elsewhere a status is written when it differs from the last one written.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from pipeline.core.errors import PipelineError
from pipeline.core.state.status import Status
from pipeline.ui import glyphs
from pipeline.ui.glyphs import drawable
from pipeline.ui.status import status_text
from pipeline.ui.text import one_line

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 100
"""Columns where nobody says how many there are."""


def _utc() -> datetime:
    return datetime.now(UTC)


def watch(
    read: Callable[[], Status],
    stream: TextIO,
    seconds: float,
    *,
    now: Callable[[], datetime] = _utc,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the status every `seconds`; return on Ctrl-C.

    What cannot be read the first time is raised, as nothing was shown; later it is told above
    the last status, and tried again.
    """
    try:
        status = read()
        show = _on_terminal if stream.isatty() else _in_lines
        show(_Readings(read, status, seconds, now, sleep), stream)
    except KeyboardInterrupt:
        return


class _Readings:
    """One status after another, for ever."""

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
        self._trouble = ""

    def text(self, width: int) -> str:
        """Return the newest status, and why there is no newer one if there is not."""
        status = status_text(self._status, self._now(), width)
        return f"{self._trouble}\n\n{status}" if self._trouble else status

    def again(self) -> None:
        """Wait, then read anew."""
        self._sleep(self._seconds)
        try:
            self._status = self._read()
        except PipelineError as error:
            told = one_line(f"{error.where}: {error.what}", 400)
            self._trouble = f"not read at {self._now():%H:%M:%S} UTC: {told}"
        else:
            self._trouble = ""


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

    def drawn() -> Text:
        return painted(drawable(readings.text(console.width), console.encoding))

    try:
        with Live(drawn(), console=console, screen=True, auto_refresh=False) as display:
            while True:
                readings.again()
                display.update(drawn(), refresh=True)
    finally:
        console.print(drawn())


def painted(text: str) -> Text:
    """Return the text with its icons in colour, and the command to type."""
    from rich.text import Text

    shown = Text(text)
    for icon, style in glyphs.STYLES.items():
        shown.highlight_words([icon], style)
    shown.highlight_regex(r"ami-pipeline [a-z][a-z -]*", "bold")
    return shown
