"""Recurrences and scheduled actions, without a cloud."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from local_cloud.scaling import schedule
from local_cloud.scaling.schedule import ScheduledAction, Sizes, recurrence

NOON = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)  # a Friday


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def action(**given: object) -> ScheduledAction:
    return replace(ScheduledAction(name="nightly", arn="arn"), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "coming"),
    [
        ("* * * * *", "2024-03-01T12:01"),
        ("*/15 * * * *", "2024-03-01T12:15"),
        ("0 12 * * *", "2024-03-02T12:00"),
        ("30 8 * * 1-5", "2024-03-04T08:30"),
        ("30 8 * * MON-FRI", "2024-03-04T08:30"),
        ("0 0 * * 7", "2024-03-03T00:00"),
        ("0 0 * * 0", "2024-03-03T00:00"),
        ("30 0 1 1,6,12 *", "2024-06-01T00:30"),
        ("0 0 1 jan *", "2025-01-01T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 13 * 5", "2024-03-08T00:00"),  # a Friday comes before the 13th: either will do
        ("10-20/5 13 * * *", "2024-03-01T13:10"),
    ],
)
def test_a_recurrence_is_due_as_crontab_says(text: str, coming: str) -> None:
    assert recurrence(text).after(NOON) == utc(coming)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 0 * *",
        "0 0 6 * * 1-5",
        "@daily",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "5/10 * * * *",
        "0 0 ? * 1",
        "0 0 L * *",
        "-1 * * * *",
        "0 0 30 2 *",
        "x * * * *",
    ],
)
def test_an_invalid_or_never_due_recurrence_is_refused(text: str) -> None:
    with pytest.raises(schedule.InvalidRecurrenceError):
        recurrence(text)


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(schedule.InvalidRecurrenceError):
        recurrence("0 0 * * *", "Europe/Atlantis")


def test_a_recurrence_follows_daylight_saving_time_of_its_zone() -> None:
    daily = recurrence("0 9 * * *", "Europe/Berlin")
    assert daily.after(utc("2024-03-30T00:00")) == utc("2024-03-30T08:00")
    assert daily.after(utc("2024-03-31T00:00")) == utc("2024-03-31T07:00")


def test_a_skipped_or_repeated_local_time_is_due_once() -> None:
    nightly = recurrence("30 2 * * *", "Europe/Berlin")
    skipped = nightly.after(utc("2024-03-31T00:00"))
    assert skipped == utc("2024-03-31T01:30")
    assert nightly.after(skipped) == utc("2024-04-01T00:30")
    repeated = nightly.after(utc("2024-10-26T22:00"))
    assert repeated == utc("2024-10-27T00:30")
    assert nightly.after(repeated) == utc("2024-10-28T01:30")


def test_an_action_without_recurrence_is_carried_out_once() -> None:
    once = action(start=NOON)
    assert not once.due(NOON - dt.timedelta(seconds=1))
    assert once.due(NOON)
    assert once.carried_out(NOON) is None


def test_a_recurring_action_shows_when_it_is_due_next_until_its_end() -> None:
    daily = action(recurrence="0 18 * * *", end=utc("2024-03-02T20:00")).begun(NOON)
    assert daily.start == utc("2024-03-01T18:00")
    second = daily.carried_out(utc("2024-03-01T18:00:03"))
    assert second is not None
    assert second.start == utc("2024-03-02T18:00")
    assert second.carried_out(utc("2024-03-02T18:00:01")) is None


def test_an_action_starts_at_its_start_and_recurs_from_then() -> None:
    begun = action(recurrence="0 18 * * *", start=utc("2024-03-05T10:00")).begun(NOON)
    assert begun.start == utc("2024-03-05T10:00")


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"desired": 3}, (1, 4, 3)),
        ({"minimum": 3}, (3, 4, 3)),
        ({"maximum": 1}, (1, 1, 1)),
        ({"minimum": 0, "maximum": 0, "desired": 0}, (0, 0, 0)),
        ({"minimum": 2, "maximum": 9}, (2, 9, 2)),
    ],
)
def test_the_desired_capacity_follows_the_bounds(
    given: dict[str, int], sizes: tuple[int, int, int]
) -> None:
    after = Sizes(minimum=1, maximum=4, desired=2).changed_by(action(**given))
    assert after is not None
    assert (after.minimum, after.maximum, after.desired) == sizes


@pytest.mark.parametrize("given", [{"desired": 5}, {"minimum": 6}, {"maximum": 0}])
def test_sizes_that_contradict_the_group_change_nothing(given: dict[str, int]) -> None:
    assert Sizes(minimum=1, maximum=4, desired=2).changed_by(action(**given)) is None


def test_the_cause_has_the_words_of_auto_scaling() -> None:
    before = Sizes(minimum=1, maximum=4, desired=1)
    after = Sizes(minimum=2, maximum=4, desired=3)
    assert schedule.executed(action(), before, after, NOON) == (
        "At 2024-03-01T12:00:00Z the scheduled action nightly was executed. "
        "Setting min size from 1 to 2. Setting desired capacity from 1 to 3."
    )
