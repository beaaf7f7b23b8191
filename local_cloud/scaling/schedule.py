"""Compute when a scheduled action is due: cron recurrences in their time zone.

Separate from the API, which only stores actions. Pure: the caller passes the time.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS = 5
SUNDAY = 7  # crontab(5): 0 or 7
HORIZON = 366 * 8 + 2  # days: the next February 29 may be eight years away


class InvalidRecurrenceError(ValueError):
    """A recurrence that is invalid or never due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurrence:
    """A cron expression of five fields, as crontab(5) reads them."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool  # both days are restricted: one match is enough
    zone: dt.tzinfo

    def after(self, moment: dt.datetime) -> dt.datetime | None:
        """Return the first time after `moment`, in UTC; None if there is none."""
        local = moment.astimezone(self.zone).replace(tzinfo=None, second=0, microsecond=0)
        for naive in self._times(local.date()):
            at = naive.replace(tzinfo=self.zone).astimezone(dt.UTC)
            if at > moment:
                return at
        return None

    def _times(self, day: dt.date) -> Iterator[dt.datetime]:
        for offset in range(HORIZON):
            date = day + dt.timedelta(days=offset)
            if not self._falls_on(date):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    yield dt.datetime(date.year, date.month, date.day, hour, minute)  # noqa: DTZ001  local to the zone

    def _falls_on(self, date: dt.date) -> bool:
        if date.month not in self.months:
            return False
        day = date.day in self.days
        weekday = date.isoweekday() % SUNDAY in self.weekdays
        return (day or weekday) if self.either else (day and weekday)


def recurrence(text: str, zone: str | None = None) -> Recurrence:
    """Parse a recurrence; `zone` is an IANA name, UTC by default."""
    fields = text.split()
    if len(fields) != FIELDS:
        raise InvalidRecurrenceError(text)
    minutes, hours, days, months, weekdays = fields
    read = Recurrence(
        minutes=numbers(minutes, 0, 59),
        hours=numbers(hours, 0, 23),
        days=numbers(days, 1, 31),
        months=numbers(months, 1, 12, dict(zip(MONTHS, range(1, 13), strict=True))),
        weekdays=frozenset(
            day % SUNDAY for day in numbers(weekdays, 0, 7, dict(zip(DAYS, range(7), strict=True)))
        ),
        either=not days.startswith("*") and not weekdays.startswith("*"),
        zone=zone_of(zone),
    )
    if read.after(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) is None:
        raise InvalidRecurrenceError(text)
    return read


def zone_of(name: str | None) -> dt.tzinfo:
    """Return a time zone by its IANA name."""
    if name in {None, "", "UTC"}:
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(str(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise InvalidRecurrenceError(name) from unknown


def numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """Return the numbers of one field: `*`, `5`, `1-5`, `*/2`, `1,6,12`, names."""
    chosen: set[int] = set()
    for part in field.split(","):
        chosen.update(span(part.lower(), low, high, names or {}))
    return frozenset(chosen)


def span(part: str, low: int, high: int, names: dict[str, int]) -> range:
    """Return the numbers of one part of a field."""
    body, slash, step = part.partition("/")
    if slash and (not step.isdecimal() or int(step) == 0):
        raise InvalidRecurrenceError(part)
    if body == "*":
        first, last = low, high
    else:
        begin, dash, end = body.partition("-")
        first = number(begin, names)
        last = number(end, names) if dash else first
        if slash and not dash:  # a step needs a range: crontab(5)
            raise InvalidRecurrenceError(part)
    if not low <= first <= last <= high:
        raise InvalidRecurrenceError(part)
    return range(first, last + 1, int(step or 1))


def number(text: str, names: dict[str, int]) -> int:
    """Return a number, given as digits or as a name."""
    if text in names:
        return names[text]
    if not text.isascii() or not text.isdecimal():
        raise InvalidRecurrenceError(text)
    return int(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduledAction:
    """A scheduled action of one group, and when it is due next."""

    name: str
    arn: str
    start: dt.datetime | None = None  # for a recurring action: when it is due next
    end: dt.datetime | None = None
    recurrence: str | None = None
    zone: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    desired: int | None = None

    def due(self, now: dt.datetime) -> bool:
        """Return True if the action is due."""
        return self.start is not None and self.start <= now

    def begun(self, now: dt.datetime) -> ScheduledAction:
        """Return the action with its first due time."""
        if self.start is None and self.recurrence:
            return replace(self, start=self.next_after(now))
        return self

    def next_after(self, now: dt.datetime) -> dt.datetime | None:
        """Return the next due time of the recurrence; None if there is none."""
        if not self.recurrence:
            return None
        coming = recurrence(self.recurrence, self.zone).after(now)
        return None if coming is None or (self.end and coming > self.end) else coming

    def carried_out(self, now: dt.datetime) -> ScheduledAction | None:
        """Return the action after it was carried out; None if it does not recur."""
        coming = self.next_after(now)
        return replace(self, start=coming) if coming else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """The sizes of a group."""

    minimum: int
    maximum: int
    desired: int

    def changed_by(self, action: ScheduledAction) -> Sizes | None:
        """Return the sizes after an action; None if the action contradicts itself or the group.

        A desired capacity that is not given follows the bounds, as in UpdateAutoScalingGroup.
        """
        low = self.minimum if action.minimum is None else action.minimum
        high = self.maximum if action.maximum is None else action.maximum
        desired = min(max(self.desired, low), high) if action.desired is None else action.desired
        if not low <= desired <= high:
            return None
        return Sizes(minimum=low, maximum=high, desired=desired)


def executed(action: ScheduledAction, before: Sizes, after: Sizes, now: dt.datetime) -> str:
    """Return what an action did, in Auto Scaling's words."""
    steps = (
        ("min size", before.minimum, after.minimum),
        ("max size", before.maximum, after.maximum),
        ("desired capacity", before.desired, after.desired),
    )
    set_to = [f"Setting {what} from {old} to {new}." for what, old, new in steps if old != new]
    sentence = f"At {now:%Y-%m-%dT%H:%M:%SZ} the scheduled action {action.name} was executed."
    return " ".join([sentence, *set_to])
