"""Recording a deployment neither delays it nor fails it, whatever the store does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pipeline.app.environment import recording
from pipeline.app.environment.recording import BackgroundWriter, TimelineListener
from pipeline.core.events import Event, Message
from pipeline.core.timeline.model import Note, Timeline
from pipeline.core.timeline.recorder import TimelineRecorder
from tests.ui.events import rollback_events, up_to_attach
from tests.ui.status_examples import a_deployment

if TYPE_CHECKING:
    import pytest


class FakeWriter:
    """Keeps what it is given; `gate` holds up a write, `error` fails it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.written: list[Timeline] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = error

    def write(self, timeline: Timeline) -> None:
        self.gate.wait(10)
        if self.error:
            raise self.error
        self.written.append(timeline)


def background(writer: FakeWriter, told: list[Event]) -> BackgroundWriter:
    given: Any = writer
    return BackgroundWriter(given, told.append)


def test_the_last_event_is_written_before_the_command_ends() -> None:
    writer, told = FakeWriter(), list[Event]()
    behind = background(writer, told)
    recorder = TimelineRecorder(a_deployment(), lambda: 0.0)
    listener = TimelineListener(recorder, behind, interval=3600.0)
    for event in (*up_to_attach(), *rollback_events()):
        listener.report(event)
    behind.close()
    assert [each.name for each in writer.written[-1].spans] == [
        "launch",
        "verify",
        "attach",
        "reattach",
        "detach",
        "delete",
    ]
    assert told == []


def test_a_slow_store_holds_up_no_event_and_gets_only_the_newest_timeline() -> None:
    writer = FakeWriter()
    writer.gate.clear()
    behind = background(writer, [])
    for number in range(50):
        behind.hand(Timeline(notes=(Note(at=float(number), text=""),)))
    writer.gate.set()
    behind.close()
    assert writer.written[-1].notes[0].at == 49.0
    assert len(writer.written) <= 2


def test_a_store_that_hangs_holds_up_the_end_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "LAST_WAIT", 0.01)
    writer = FakeWriter()
    writer.gate.clear()
    behind = background(writer, [])
    behind.hand(Timeline())
    behind.close()
    assert writer.written == []
    writer.gate.set()


def test_a_store_that_fails_is_reported_once() -> None:
    writer, told = FakeWriter(OSError("no space")), list[Event]()
    behind = background(writer, told)
    behind.hand(Timeline())
    behind.close()
    text = "the timeline of the deployment is not recorded: no space"
    assert told == [Message(text=text)]
