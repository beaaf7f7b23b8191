"""The times of freezes: what a person may write, and what it means."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from pipeline.core.validation.freeze_values import (
    check_until,
    check_wall_time,
    check_why,
    check_window,
    check_zone_name,
)

FRIDAY = datetime.fromisoformat("2026-11-27T12:00:00+01:00")


def test_a_wall_time_has_one_of_three_forms() -> None:
    written = ["Fri 16:00", "friday 4:05", "MON", "18:00", "2026-12-24", "2026-12-24T18:00:00"]
    assert [str(check_wall_time(each)) for each in written] == [
        "Fri 16:00",
        "Fri 04:05",
        "Mon 00:00",
        "18:00",
        "2026-12-24 00:00",
        "2026-12-24 18:00",
    ]


def test_the_end_of_a_freeze_by_hand_is_a_span_or_the_next_such_time() -> None:
    def end(text: str) -> str:
        return check_until(text).after(FRIDAY).isoformat(timespec="minutes")

    found = {each: end(each) for each in ("4h", "1d12h", "90m", "18:00", "11:00", "Fri 11:00")}
    assert found == {
        "4h": "2026-11-27T16:00+01:00",
        "1d12h": "2026-11-29T00:00+01:00",
        "90m": "2026-11-27T13:30+01:00",
        "18:00": "2026-11-27T18:00",
        "11:00": "2026-11-28T11:00",
        "Fri 11:00": "2026-12-04T11:00",
    }
    assert end("Fri 13:00") == "2026-11-27T13:00"
    assert end("Mon") == "2026-11-30T00:00"
    assert end("2026-12-24") == "2026-12-24T00:00"
    assert end("2026-12-24T18:00Z") == "2026-12-24T18:00+00:00"
    assert check_until("2d").span == timedelta(days=2)


REFUSED = [
    (check_wall_time, "", "is empty: write a time such as"),
    (check_wall_time, "Fry 16:00", "'Fry' is not a day of the week"),
    (check_wall_time, "Fri 24:00", "has no time of the day"),
    (check_wall_time, "2026-02-30", "is not a date"),
    (check_wall_time, "1999-01-01", "is out of range"),
    (check_wall_time, "4h", "'4h' is not a time"),
    (check_wall_time, "Fri 16:00 ", "is not a time"),
    (check_wall_time, "1" * 50, "has 50 characters"),
    (check_wall_time, "\u0661\u0668:00", "is not a time"),
    (check_until, "tomorrow", "is not a day of the week"),
    (check_until, "0h", "is no time at all"),
    (check_until, "9999-12-31T23:59-12:00", "is out of range"),
    (check_until, "\x1b[31m", "contains the invisible character"),
    (check_zone_name, "../etc/passwd", "is not allowed: write a time zone such as Europe/Berlin"),
    (check_zone_name, "", "is empty"),
    (check_why, "", "is empty: a reason is one line"),
    (check_why, "a\nb", "a reason is one line"),
]


@pytest.mark.parametrize(("check", "value", "text"), REFUSED)
def test_a_time_that_is_wrong_is_explained(
    check: Callable[[str], object], value: str, text: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        check(value)


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("Fri 16:00", "08:00", '"Fri 16:00" is weekly and "08:00" is daily'),
        ("08:00", "08:00", 'begins and ends at "08:00"'),
        ("2026-12-24", "2026-12-23", "exchange them"),
        ("2026-12-24", "2026-12-24 00:00", "give it a length"),
    ],
)
def test_ends_that_make_no_window_are_refused(start: str, end: str, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        check_window(check_wall_time(start), check_wall_time(end))
