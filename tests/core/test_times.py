from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.core.times import format_duration, format_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.04, "0s"),
        (4.2, "4.2s"),
        (41.0, "41s"),
        (59.94, "59.9s"),
        (59.96, "1m"),
        (61.4, "1m 01s"),
        (90, "1m 30s"),
        (900, "15m"),
        (3599, "59m 59s"),
        (3599.6, "1h"),
        (3900, "1h 05m"),
        (90_000, "25h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0, "12:00:00+00:00"),
        (2, "14:00:00+02:00"),
        (13, "2026-11-21 01:00:00+13:00"),
    ],
)
def test_a_time_is_in_the_zone_of_now_and_has_a_date_if_it_is_not_today(
    hours: int, text: str
) -> None:
    zone = timezone(timedelta(hours=hours))
    now = datetime(2026, 11, 22 if hours == 13 else 21, 13, tzinfo=UTC).astimezone(zone)
    time = "2026-11-20T12:00:00Z" if hours == 13 else "2026-11-21T12:00:00Z"
    assert format_time(time, now) == text


def test_an_invalid_time_is_returned_unchanged() -> None:
    assert format_time("soon", datetime(2026, 11, 21, tzinfo=UTC)) == "soon"
