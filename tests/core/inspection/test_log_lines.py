"""The script that prints a journal, what it printed, and the order of lines of several members."""

from __future__ import annotations

import pytest

from pipeline.core.inspection.log_lines import (
    ANSWER,
    JournalPart,
    LogLine,
    console_lines,
    in_order,
    lines_of_journal,
    parse_journal,
    printed_since,
)

JOURNAL = """\
2026-11-21T15:42:24+0000 ip-10-0-1-7 app[812]: listening on 8080
2026-11-21T15:42:25+0000 ip-10-0-1-7 app[812]: Traceback
                                               ValueError: no database
-- Reboot --
2026-11-21T15:42:26+0000 ip-10-0-1-7 systemd[1]: app.service: exited, 1
-- cursor: s=5f0c;i=2a;b=9b31;m=1;t=2;x=3
"""


def test_a_journal_is_read_with_its_times_and_its_cursor() -> None:
    assert parse_journal(JOURNAL) == JournalPart(
        entries=(
            ("2026-11-21T15:42:24+00:00", "app[812]: listening on 8080"),
            ("2026-11-21T15:42:25+00:00", "app[812]: Traceback"),
            ("2026-11-21T15:42:25+00:00", " " * 47 + "ValueError: no database"),
            ("2026-11-21T15:42:26+00:00", "systemd[1]: app.service: exited, 1"),
        ),
        cursor="s=5f0c;i=2a;b=9b31;m=1;t=2;x=3",
    )
    assert parse_journal("") == JournalPart()


def test_a_journal_that_was_cut_loses_the_line_that_is_not_whole() -> None:
    line = "2026-11-21T15:42:24+0000 host app: 0123456789\n"
    output = (line * 1000)[-ANSWER:]
    part = parse_journal(output)
    assert part.cut
    assert {text for _, text in part.entries} == {"app: 0123456789"}


@pytest.mark.parametrize(
    "time",
    ["9999-99-99T99:99:99+00:00", "0001-01-01T00:00:00+23:59", "2026-11-21T15:42:24+99:99"],
)
def test_a_line_with_an_impossible_time_continues_the_one_before(time: str) -> None:
    part = parse_journal(f"2026-11-21T15:42:24+0000 host app: a\n{time} host app: b\n")
    assert part.entries[1] == ("2026-11-21T15:42:24+00:00", f"{time} host app: b")


@pytest.mark.parametrize("cursor", ["{{ssm:/prod/password}}", "s=1;i=2 --root=/", "s=" + "1" * 999])
def test_a_member_cannot_choose_what_the_next_command_contains(cursor: str) -> None:
    assert parse_journal(f"-- cursor: {cursor}\n").cursor == ""


def test_lines_of_several_members_are_in_order_of_time_and_consoles_come_first() -> None:
    entries = [
        *lines_of_journal("i-1", "r000001", parse_journal(JOURNAL)),
        LogLine(member="i-2", release="r000001", source="console", at="", text="booted"),
        LogLine(
            member="i-3",
            release="r000002",
            source="journal",
            at="2026-11-21T16:42:25+01:00",
            text="ready",
        ),
    ]
    shown = [(each.member, each.text.split(":")[0].strip()) for each in in_order(entries)]
    assert shown == [
        ("i-2", "booted"),
        ("i-1", "app[812]"),
        ("i-1", "app[812]"),
        ("i-1", "ValueError"),
        ("i-3", "ready"),
        ("i-1", "systemd[1]"),
    ]


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "one\ntwo\n", "one\ntwo\n"),
        ("one\ntwo\n", "one\ntwo\nthree\n", "three\n"),
        ("one\ntwo\n", "one\ntwo\n", ""),
        ("x" * 300 + "\nend\n", "x" * 250 + "\nend\nthree\n", "three\n"),
        ("one\n", "another boot\n", "another boot\n"),
    ],
)
def test_a_console_shows_what_it_printed_since_the_last_reading(
    before: str, now: str, new: str
) -> None:
    assert printed_since(before, now) == new


def test_a_console_ends_lines_as_terminals_do() -> None:
    assert console_lines("one\r\r\ntwo\rthree\r\n\r\n", 2) == ["two", "three"]
    assert console_lines(" \r\n", 2) == []
