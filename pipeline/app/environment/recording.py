"""Record the timeline of a deployment in the background, from the events that it reports.

The store may be slow or gone: a deployment neither waits for this nor fails because of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.core.events import DeploymentEnded, Event, Message, Report
from pipeline.core.timeline.model import Timeline
from pipeline.core.timeline.recorder import TimelineRecorder

if TYPE_CHECKING:
    from pipeline.adapters.store.records.timelines import TimelineWriter
    from pipeline.app.environment.reader import EnvironmentReader
    from pipeline.core.state.deployment import Deployment

INTERVAL = 30.0
"""Seconds between two writes within a phase, in those of the cloud."""
SHORTEST = 2.0
"""Real seconds between two writes at least, also at the ends of phases, but not at the last one."""
LAST_WAIT = 5.0
"""Real seconds that the end of a deployment waits for the last write."""


@contextmanager
def recorded(reader: EnvironmentReader, deployment: Deployment) -> Iterator[None]:
    """Record a deployment while the block runs it: its events reach a recorder, too.

    The last write ends, and the report is written, once the command has released its lease.
    """
    from pipeline.adapters.store.records.timelines import TimelineWriter

    app = reader.app
    writer = BackgroundWriter(TimelineWriter(reader.store, deployment.id), app.report)
    recorder = TimelineRecorder(deployment, time.time)
    interval = max(INTERVAL / reader.pace.speed, SHORTEST)
    with app.listeners.also(TimelineListener(recorder, writer, interval).report):
        try:
            yield
        finally:
            app.at_end.append(writer.close)
            app.deployed[deployment.id] = deployment.environment


class TimelineListener:
    """Hands the timeline to a writer every `interval` seconds and at the ends of phases."""

    def __init__(
        self, recorder: TimelineRecorder, writer: BackgroundWriter, interval: float
    ) -> None:
        self._recorder = recorder
        self._writer = writer
        self._interval = interval
        self._written = time.monotonic()

    def report(self, event: Event) -> None:
        """Apply an event."""
        ends = self._recorder.report(event)
        passed = time.monotonic() - self._written
        is_over = isinstance(event, DeploymentEnded)
        if is_over or passed >= self._interval or (ends and passed >= SHORTEST):
            self._written = time.monotonic()
            self._writer.hand(self._recorder.timeline())


class BackgroundWriter:
    """A thread that writes the newest timeline it was handed; the first failure is reported."""

    def __init__(self, writer: TimelineWriter, report: Report) -> None:
        self._writer = writer
        self._report = report
        self._newest: Timeline | None = None
        self._changed = threading.Condition()
        self._closing = self._failed = False
        self._thread: threading.Thread | None = None

    def hand(self, timeline: Timeline) -> None:
        """Take a timeline to write; an earlier one that was not written yet is replaced."""
        with self._changed:
            self._newest = timeline
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for the last write, but not for long."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread:
            self._thread.join(LAST_WAIT)

    def _run(self) -> None:
        while (timeline := self._next()) is not None:
            try:
                self._writer.write(timeline)
            except Exception as error:  # noqa: BLE001 - a record never fails a deployment
                self._tell(error)

    def _next(self) -> Timeline | None:
        """Return the next timeline to write, None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._closing)
            newest, self._newest = self._newest, None
            return newest

    def _tell(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            self._report(Message(text=f"the timeline of the deployment is not recorded: {error}"))
