"""Lines of logs and events as people and programs read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone

from pipeline.core.inspection.happenings import Happening
from pipeline.core.inspection.log_lines import LogLine
from pipeline.ui.inspection.events import event_document, event_line
from pipeline.ui.inspection.logs import log_document, log_line
from pipeline.ui.inspection.stream import LineStream, StreamLine

NOW = datetime(2026, 11, 21, 16, 0, tzinfo=timezone(timedelta(hours=1)))
ENTRY = LogLine(
    member="i-0123456789abcdef0",
    release="r000002",
    source="journal",
    at="2026-11-21T14:42:24+00:00",
    text="app[812]: \x1b[31mno\x1b[0m database\r\n::error::x",
)
PRINTED = LogLine(member="i-1", release="", source="console", at="", text="::set-env name=x::y")
EVENT = Happening(
    at="2026-11-20T14:42:24+00:00",
    kind="activity",
    release="r000002",
    subject="a-1",
    text="Failed Launching a new EC2 instance\x07",
)


def written(*lines: StreamLine, color: bool = False) -> str:
    stream = io.StringIO()
    assert LineStream(stream=stream, color=color).write(lines)
    return stream.getvalue()


def test_a_line_has_its_release_its_member_its_local_time_and_no_control_characters() -> None:
    assert written(log_line(ENTRY, NOW), log_line(PRINTED, NOW)) == (
        "r000002 i-0123456789abcdef0 15:42:24+01:00 app[812]: no database ::error::x\n"
        "i-1 : :set-env name=x::y\n"
    )
    assert log_document(PRINTED)["at"] is None
    assert log_document(ENTRY)["text"] == ENTRY.text


def test_an_event_has_its_time_its_kind_and_its_release() -> None:
    assert written(event_line(EVENT, NOW)) == (
        "2026-11-20 15:42:24+01:00 activity   r000002 Failed Launching a new EC2 instance\n"
    )
    assert event_document(EVENT) == {
        "at": "2026-11-20T14:42:24+00:00",
        "kind": "activity",
        "release": "r000002",
        "subject": "a-1",
        "text": "Failed Launching a new EC2 instance\x07",
    }


def test_each_release_has_a_color_of_its_own() -> None:
    lines = [StreamLine(key=key, head=key, text="x") for key in ("r1", "r2", "r1")]
    assert written(*lines, color=True) == (
        "\x1b[32mr1\x1b[0m x\n\x1b[36mr2\x1b[0m x\n\x1b[32mr1\x1b[0m x\n"
    )


def test_a_reader_that_has_gone_ends_the_stream() -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    assert not LineStream(stream=Closed()).write([StreamLine(key="", head="", text="x")])


def test_times_are_in_the_zone_of_the_reader() -> None:
    assert log_line(ENTRY, datetime(2026, 11, 21, tzinfo=UTC)).text.startswith("14:42:24+00:00 ")


def test_a_terminal_wraps_a_line_at_its_width_and_a_pipe_keeps_it() -> None:
    line = StreamLine(key="r1", head="r1 i-1", text="one two three four " + "x" * 30)
    stream = io.StringIO()
    LineStream(stream=stream, width=24).write([line])
    assert stream.getvalue() == f"r1 i-1 one two three\n    four\n    {'x' * 30}\n"
    colored = io.StringIO()
    LineStream(stream=colored, width=24, color=True).write([line])
    assert colored.getvalue().startswith("\x1b[32mr1 i-1\x1b[0m one two three\n    four\n")
