from __future__ import annotations

import pytest

from pipeline.core.durations import format_duration


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
