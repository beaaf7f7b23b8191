"""Render an event of an environment on one line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core.inspection.happenings import Happening
from pipeline.core.times import format_time
from pipeline.ui.inspection.stream import StreamLine
from pipeline.ui.text import one_line


def event_line(event: Happening, now: datetime) -> StreamLine:
    """Return an event for a person; its time is in the zone of `now`."""
    release = one_line(event.release) or "-"
    head = f"{format_time(event.at, now) or '-'} {event.kind:<10} {release:<7}"
    return StreamLine(key=event.release, head=head, text=one_line(event.text))


def event_document(event: Happening) -> dict[str, Any]:
    """Return an event for a program."""
    return {
        "at": event.at or None,
        "kind": event.kind,
        "release": event.release or None,
        "subject": event.subject,
        "text": event.text,
    }
