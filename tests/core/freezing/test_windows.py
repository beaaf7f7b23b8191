"""Windows of freezes: when they begin and end, also where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from pipeline.core.freezing.freeze import Freeze, FreezeRecord, FreezeState
from pipeline.core.freezing.state import state_at
from pipeline.core.freezing.windows import Window
from pipeline.core.validation.freeze_values import check_wall_time

BERLIN = ZoneInfo("Europe/Berlin")
"""CEST until 2026-10-25 03:00, then CET; CEST again from 2027-03-28 02:00."""


def window(start: str, end: str, zone: tzinfo = BERLIN, **given: tuple[str, ...]) -> Window:
    ends = check_wall_time(start), check_wall_time(end)
    return Window(start=ends[0], end=ends[1], zone=zone, why="rest", **given)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def span(freeze: Freeze | None) -> str:
    if freeze is None:
        return ""
    ends = (at(text).strftime("%m-%d %H:%M") for text in (freeze.since, freeze.until))
    return " to ".join(ends)


WEEKEND, NIGHT = window("Fri 16:00", "Mon 08:00"), window("18:00", "08:00")
HOLIDAYS = window("2026-12-24", "2027-01-02 08:00")
ACTIVE = [
    # The week before the clocks change, the week in which they do, and the one after it.
    (WEEKEND, "2026-10-16T15:59:59+02:00", ""),
    (WEEKEND, "2026-10-16T16:00:00+02:00", "10-16 14:00 to 10-19 06:00"),
    (WEEKEND, "2026-10-23T16:00:00+02:00", "10-23 14:00 to 10-26 07:00"),
    (WEEKEND, "2026-10-26T07:59:59+01:00", "10-23 14:00 to 10-26 07:00"),
    (WEEKEND, "2026-10-26T08:00:00+01:00", ""),
    (WEEKEND, "2026-10-30T16:00:00+01:00", "10-30 15:00 to 11-02 07:00"),
    (WEEKEND, "2027-03-27T12:00:00+01:00", "03-26 15:00 to 03-29 06:00"),
    # The year ends in the middle of a window.
    (WEEKEND, "2027-01-03T12:00:00+01:00", "01-01 15:00 to 01-04 07:00"),
    (NIGHT, "2026-11-27T17:59:00+01:00", ""),
    (NIGHT, "2026-11-27T18:00:00+01:00", "11-27 17:00 to 11-28 07:00"),
    (NIGHT, "2026-11-28T07:59:00+01:00", "11-27 17:00 to 11-28 07:00"),
    (window("09:00", "17:00"), "2026-11-28T12:00:00+01:00", "11-28 08:00 to 11-28 16:00"),
    (HOLIDAYS, "2026-12-23T23:59:59+01:00", ""),
    (HOLIDAYS, "2026-12-24T00:00:00+01:00", "12-23 23:00 to 01-02 07:00"),
    (HOLIDAYS, "2027-01-02T08:00:00+01:00", ""),
    # A window of almost a week, and one that begins and ends on the same day.
    (window("Fri 16:00", "Fri 15:00"), "2026-11-27T15:30:00+01:00", ""),
    (window("Fri 16:00", "Fri 15:00"), "2026-11-27T14:30:00+01:00", "11-20 15:00 to 11-27 14:00"),
    (window("Fri 15:00", "Fri 16:00"), "2026-11-27T15:30:00+01:00", "11-27 14:00 to 11-27 15:00"),
    # 02:30 is twice on 2026-10-25, and never on 2027-03-28: the window is as long as it can be.
    (window("02:30", "02:45"), "2026-10-25T02:35:00+02:00", "10-25 00:30 to 10-25 01:45"),
    (window("02:30", "04:00"), "2027-03-28T01:45:00+01:00", "03-28 00:30 to 03-28 02:00"),
    (window("01:00", "02:30"), "2027-03-28T03:15:00+02:00", "03-28 00:00 to 03-28 01:30"),
    # The day of the zone counts, not that of UTC.
    (
        window("Mon", "Tue", ZoneInfo("Pacific/Auckland")),
        "2026-11-29T12:00Z",
        "11-29 11:00 to 11-30 11:00",
    ),
]


def test_a_window_freezes_between_its_ends_by_the_clocks_of_its_zone() -> None:
    found = {f"{each} {now}": span(each.active(at(now))) for each, now, _ in ACTIVE}
    assert found == {f"{each} {now}": expected for each, now, expected in ACTIVE}


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (WEEKEND, "12-04 15:00 to 12-07 07:00"),
        (NIGHT, "11-28 17:00 to 11-29 07:00"),
        (HOLIDAYS, "12-23 23:00 to 01-02 07:00"),
        (window("2025-12-24", "2026-01-02"), ""),
    ],
)
def test_the_next_freeze_of_a_window_is_known(each: Window, expected: str) -> None:
    assert span(each.next(at("2026-11-28T10:00:00+01:00"))) == expected


def test_a_window_is_for_its_environments_or_for_all() -> None:
    assert WEEKEND.applies_to("staging")
    only = window("Fri", "Mon", environments=("production",))
    assert (only.applies_to("production"), only.applies_to("staging")) == (True, False)


# --- several freezes ------------------------------------------------------------------------------

NOW = at("2026-11-27T17:00:00+01:00")
BY_HAND = Freeze(
    why="sale", since="2026-11-27T12:00:00+00:00", until="2026-11-28T12:00:00+00:00", by="ann on vm"
)


def test_freezes_by_hand_and_planned_ones_last_together() -> None:
    state = state_at(NOW, FreezeRecord(freezes=(BY_HAND,)), (WEEKEND,))
    assert [each.by for each in state.active] == ["ann on vm", ""]
    assert state.free == "2026-11-30T07:00:00+00:00"
    assert state.describe(NOW) == (
        "until 2026-11-28 12:00:00+00:00 by ann on vm: sale; until 2026-11-30 07:00:00+00:00 "
        "by pipeline.toml (Fri 16:00 to Mon 08:00 Europe/Berlin): rest"
    )


def test_the_end_is_that_of_the_last_freeze_that_follows_without_a_gap() -> None:
    nights = (WEEKEND, window("Mon 08:00", "Mon 12:00"), window("Mon 13:00", "Mon 14:00"))
    assert state_at(NOW, FreezeRecord(), nights).free == "2026-11-30T11:00:00+00:00"


def test_freezes_that_never_end_have_an_end_to_show() -> None:
    always = (window("00:00", "12:00"), window("12:00", "00:00"))
    assert state_at(NOW, FreezeRecord(), always).free > "2026-12-31"


def test_a_freeze_that_is_over_does_not_count() -> None:
    over = FreezeRecord(freezes=(BY_HAND,))
    end = at(BY_HAND.until)
    assert state_at(end, over, ()) == FreezeState()
    assert over.at(end) == FreezeRecord()


def test_without_a_freeze_the_next_planned_one_is_known() -> None:
    before = at("2026-11-27T15:00:00+01:00")
    state = state_at(before, FreezeRecord(), (HOLIDAYS, WEEKEND))
    assert (state.active, span(state.following)) == ((), "11-27 15:00 to 11-30 07:00")
