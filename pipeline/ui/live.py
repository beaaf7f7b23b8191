"""Show progress on a terminal: permanent lines, and below them a table that is redrawn."""

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
from pipeline.core.times import format_duration
from pipeline.ui import deployment_text, icons
from pipeline.ui.deployment_view import DeploymentView
from pipeline.ui.icons import drawable
from pipeline.ui.text import one_line

REFRESHES_PER_SECOND = 4


class _Terminal(Console):
    """A console that ignores a closed pipe, so that the work continues without a reader."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class LiveProgress:
    """A live table: the builds of a bake, or the phases and both groups of a deployment.

    The table of a bake disappears at the end, because the result repeats it; that of a deployment
    stays.
    """

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        console: Console | None = None,
    ) -> None:
        # Set these first, because the constructor of Live calls `_table`.
        self._steps: dict[str, tuple[float, str]] = {}
        self._view: DeploymentView | None = None
        self._clock = clock
        self._began = clock()
        self.says_endings = True
        self._console = console or _Terminal(file=stream, highlight=False)
        self._live = self._display(transient=True)

    def _display(self, *, transient: bool) -> Live:
        return Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=transient,
        )

    def report(self, event: Event) -> None:
        """Apply the event; the table is redrawn a few times a second."""
        with suppress(OSError):
            if isinstance(event, Message):
                self._print(one_line(event.text))
            elif isinstance(event, BuildStarted | StepBegan | BuildEnded):
                self._bake(event)
            elif isinstance(event, DeploymentBegan):
                self._begin(event)
            elif self._view:
                self._deploy(event, self._view)

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
                self._print(f"packer {how} after {format_duration(seconds)}")

    def _begin(self, event: DeploymentBegan) -> None:
        self.close()
        self._began = self._clock()
        self._view = DeploymentView(event)
        deployment = event.deployment
        self._print(
            f"{one_line(deployment.environment)}: {deployment_text.format_request(deployment)}"
        )
        self._live = self._display(transient=False)
        self._live.start()

    def _deploy(self, event: Event, view: DeploymentView) -> None:
        view.report(event, self._clock())
        match event:
            case RollbackBegan(reason=reason):
                if not view.shows(reason):
                    self._print(f"rolling back: {one_line(reason)}")
            case DeploymentEnded(deployment=deployment):
                self.close()
                if self.says_endings:
                    self._print(deployment_text.format_ending(deployment))
                self._view = None

    def _print(self, text: str) -> None:
        self._console.print(drawable(text, self._console.encoding), markup=False)

    def _table(self) -> RenderableType:
        if self._view is None:
            return bake_table(self._steps, self._began, self._clock())
        return deployment_table(self._view, self._clock(), self._console.encoding)


def bake_table(steps: dict[str, tuple[float, str]], began: float, now: float) -> Table:
    """Return a row for each build: name, duration, current step."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for build, (since, step) in tuple(steps.items()) or (("", (now, "starting packer")),):
        table.add_row(
            Text(one_line(build)),
            Text(format_duration(now - began)),
            Text(f"{step} ({format_duration(now - since)})"),
        )
    return table


def deployment_table(
    view: DeploymentView, now: float, encoding: str | None = None
) -> RenderableType:
    """Return the phases, then blue and green, then the probe, then the reason to wait."""
    parts: list[RenderableType] = [_phases(view, now, encoding)]
    if groups := view.groups():
        parts += [Text(""), _groups(groups)]
    if view.probe and not view.ended:
        parts += [Text(""), Text(f"probe: {view.probe}")]
    unread = view.observation.unreadable if view.observation and not view.ended else ()
    notes = [f"waiting: {view.waiting}"] if view.waiting else []
    notes += [f"unreadable: {one_line(text)}" for text in unread]
    parts += [Text(""), *(Text(note, style="yellow") for note in notes)] if notes else []
    return Group(*parts)


def _phases(view: DeploymentView, now: float, encoding: str | None) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for icon, name, passed, note in view.cells(now):
        style = icons.STYLES[icon]
        name_style = "bold" if icon == icons.RUNNING else "dim" if icon == icons.PENDING else ""
        note_style = "red" if icon == icons.FAILED else "dim"
        table.add_row(
            Text(drawable(icon, encoding), style=style),
            Text(name, style=name_style),
            Text(passed),
            Text(note, style=note_style),
        )
    return table


def _groups(groups: list[tuple[str, str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for role, release, state in groups:
        table.add_row(Text(role, style=role), Text(release), Text(state))
    return table
