"""Render a line of a log: its release, its member, its time and its text."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.core.inspection.log_lines import LogLine
from pipeline.core.times import format_time
from pipeline.ui.inspection.stream import StreamLine
from pipeline.ui.text import one_line


def log_line(line: LogLine, now: datetime) -> StreamLine:
    """Return a line for a person; its time is in the zone of `now`."""
    time = f"{format_time(line.at, now)} " if line.at else ""
    head = f"{one_line(line.release)} {one_line(line.member)}".strip()
    return StreamLine(key=line.release, head=head, text=f"{time}{one_line(line.text)}")


def log_document(line: LogLine) -> dict[str, Any]:
    """Return a line for a program; a console has no times."""
    return {
        "release": line.release,
        "member": line.member,
        "source": line.source,
        "at": line.at or None,
        "text": line.text,
    }
