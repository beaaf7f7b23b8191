"""Progress on a terminal: a table that redraws itself below the lines that are there to stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.core.events import (
    BuildEnded,
    BuildStarted,
    DeploymentBegan,
    DeploymentEnded,
    Event,
    Message,
    RollbackBegan,
    StepBegan,
)
from pipeline.ui import glyphs, words
from pipeline.ui.board import Board
from pipeline.ui.glyphs import drawable
from pipeline.ui.text import duration, one_line

REFRESHES = 4
"""A second; a table that is drawn more often only costs."""


class _Terminal(Console):
    """A console whose reader may go: that is no reason to end the work."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class LiveProgress:
    """A row for each build of a bake; the phases and both groups of a deployment.

    The table of a bake goes away, as the result says all of it; that of a deployment stays.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        # First, as Live asks for the table while it is made.
        self._steps: dict[str, tuple[float, str]] = {}
        self._board: Board | None = None
        self._clock = clock
        self._began = clock()
        self._console = console or _Terminal(file=stream, highlight=False)
        self._live = self._display(transient=True)

    def _display(self, *, transient: bool) -> Live:
        return Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=REFRESHES,
            transient=transient,
        )

    def report(self, event: Event) -> None:
        """Take the event in; the table is drawn a few times a second."""
        with suppress(OSError):
            if isinstance(event, Message):
                self._print(one_line(event.text))
            elif isinstance(event, BuildStarted | StepBegan | BuildEnded):
                self._bake(event)
            elif isinstance(event, DeploymentBegan):
                self._begin(event)
            elif self._board:
                self._deploy(event, self._board)

    def close(self) -> None:
        """End the display."""
        with suppress(OSError):
            self._live.stop()

    def _bake(self, event: BuildStarted | StepBegan | BuildEnded) -> None:
        match event:
            case BuildStarted(name=name, log=log):
                self._began = self._clock()
                self._print(f"building {name}\nfull log: {log}")
                self._live.start()
            case StepBegan(build=build, text=text):
                self._steps[build] = (self._clock(), one_line(text))
            case BuildEnded(seconds=seconds, how=how):
                self.close()
                self._print(f"packer {how} after {duration(seconds)}")

    def _begin(self, event: DeploymentBegan) -> None:
        self.close()
        self._began = self._clock()
        self._board = Board(event)
        deployment = event.deployment
        self._print(f"{one_line(deployment.environment)}: {words.intent(deployment)}")
        self._live = self._display(transient=False)
        self._live.start()

    def _deploy(self, event: Event, board: Board) -> None:
        board.report(event, self._clock())
        match event:
            case RollbackBegan(reason=reason):
                if not board.told(reason):
                    self._print(f"rolling back: {one_line(reason)}")
            case DeploymentEnded(deployment=deployment):
                self.close()
                passed = duration(self._clock() - self._began)
                self._print(f"{words.ending(deployment)} ({passed})")
                self._board = None

    def _print(self, text: str) -> None:
        self._console.print(drawable(text, self._console.encoding), markup=False)

    def _table(self) -> RenderableType:
        if self._board is None:
            return bake_table(self._steps, self._began, self._clock())
        return board_table(self._board, self._clock(), self._console.encoding)


def bake_table(steps: dict[str, tuple[float, str]], began: float, now: float) -> Table:
    """Return a row for each build: name, time, the step it is at."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for build, (since, step) in tuple(steps.items()) or (("", (now, "starting packer")),):
        table.add_row(
            Text(one_line(build)),
            Text(duration(now - began)),
            Text(f"{step} ({duration(now - since)})"),
        )
    return table


def board_table(board: Board, now: float, encoding: str | None = None) -> RenderableType:
    """Return the phases, then blue and green, then what is waited for."""
    parts: list[RenderableType] = [_phases(board, now, encoding)]
    if groups := board.groups():
        parts += [Text(""), _groups(groups)]
    unread = board.observation.unreadable if board.observation and not board.over else ()
    notes = [f"waiting: {board.waiting}"] if board.waiting else []
    notes += [f"not read: {one_line(text)}" for text in unread]
    parts += [Text(""), *(Text(note, style="yellow") for note in notes)] if notes else []
    return Group(*parts)


def _phases(board: Board, now: float, encoding: str | None) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for icon, name, passed, note in board.cells(now):
        style = glyphs.STYLES[icon]
        loud = "bold" if icon == glyphs.RUNNING else "dim" if icon == glyphs.LATER else ""
        note_style = "red" if icon == glyphs.FAILED else "dim"
        table.add_row(
            Text(drawable(icon, encoding), style=style),
            Text(name, style=loud),
            Text(passed),
            Text(note, style=note_style),
        )
    return table


def _groups(groups: list[tuple[str, str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for role, release, seen in groups:
        table.add_row(Text(role, style=role), Text(release), Text(seen))
    return table
