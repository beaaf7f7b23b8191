"""Shows a bake while it runs: a live table on a terminal, one line a step elsewhere.

Both read the same events and write to stderr only; stdout is the result's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from pipeline.core.events import BuildEnded, BuildStarted, Event, Noted, Report, StepBegan
from pipeline.ui.text import duration, one_line

if TYPE_CHECKING:
    from rich.table import Table

REFRESHES = 4
"""A second; a spinner that moves faster only costs."""


@contextmanager
def progress(stream: TextIO, *, live: bool) -> Iterator[Report]:
    """Give the function to report events to; `live` asks for the table."""
    if not live:
        yield PlainProgress(stream).report
        return
    shown = LiveProgress(stream)
    try:
        yield shown.report
    finally:
        shown.close()


class PlainProgress:
    """One line for each event, with the seconds since the build began."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()

    def report(self, event: Event) -> None:
        """Write the event's line. Nobody reading it any more is no reason to end a bake."""
        with suppress(OSError):
            print(self._line(event), file=self._stream, flush=True)

    def _line(self, event: Event) -> str:
        match event:
            case Noted(text=text):
                return one_line(text)
            case BuildStarted(name=name, log=log):
                self._began = self._clock()
                return f"building {name}\nfull log: {log}"
            case StepBegan(build=build, text=text):
                passed = self._clock() - self._began
                return f"{passed:7.1f} s  {one_line(build)}: {one_line(text, 160)}"
            case BuildEnded(seconds=seconds, how=how):
                return f"packer {how} after {duration(seconds)}"


class LiveProgress:
    """A row for each build: name, time, the step it is at."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        # First, as Live asks for the table while it is made.
        self._steps: dict[str, tuple[float, str]] = {}
        self._began = time.monotonic()
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=REFRESHES,
            transient=True,
        )

    def report(self, event: Event) -> None:
        """Take the event in; the table is drawn a few times a second."""
        match event:
            case Noted(text=text):
                self._console.print(one_line(text), markup=False)
            case BuildStarted(name=name, log=log):
                self._began = time.monotonic()
                self._console.print(f"building {name}\nfull log: {log}", markup=False)
                self._live.start()
            case StepBegan(build=build, text=text):
                self._steps[build] = (time.monotonic(), one_line(text))
            case BuildEnded(seconds=seconds, how=how):
                self.close()
                self._console.print(f"packer {how} after {duration(seconds)}", markup=False)

    def close(self) -> None:
        """Take the table away."""
        self._live.stop()

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        now = time.monotonic()
        for build, (since, step) in self._steps.items() or {"": (now, "starting packer")}.items():
            table.add_row(
                Text(one_line(build)),
                Text(duration(now - self._began)),
                Text(f"{step} ({duration(now - since)})"),
            )
        return table
