"""Check the times of freezes: the ends of a window, and until when a person freezes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from pipeline.core.validation.text import require_ascii, require_harmless, require_match, shown

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONGEST_TIME: Final = 40
LONGEST_ZONE: Final = 64
YEARS: Final = range(2000, 3000)
ZONE_FORM: Final = "write a time zone such as Europe/Berlin or UTC"

_FORMS = 'write a time such as "Fri 16:00" (weekly), "2026-12-24 18:00" (once) or "18:00" (daily)'
_UNTIL = 'write a time such as "4h", "18:00", "Mon 08:00" or "2026-12-24 18:00"'
_CLOCK = re.compile(r"(?:([A-Za-z]{3,9})(?: (?=\d)|$))?(?:(\d{1,2}):(\d{2}))?", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{1,2}):(\d{2})(?::00)?)?", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_SPAN = re.compile(r"(?=\d)(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class WallTime:
    """A time as the clocks of a time zone show it: of one `date`, or of each `weekday`, or daily.

    Monday is weekday 0.
    """

    time: time
    weekday: int | None = None
    date: date | None = None

    @property
    def form(self) -> str:
        """How often it comes: `once`, `weekly` or `daily`."""
        return "once" if self.date else "daily" if self.weekday is None else "weekly"

    def __str__(self) -> str:
        """Return the time as pipeline.toml has it."""
        day = self.date or ("" if self.weekday is None else WEEKDAYS[self.weekday])
        return f"{day} {self.time:%H:%M}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Until:
    """The end of a freeze, in one of three ways: after a span, at an exact time, at a wall time."""

    span: timedelta | None = None
    exact: datetime | None = None
    wall: WallTime | None = None

    def after(self, now: datetime) -> datetime:
        """Return the end of a freeze that begins `now`, a time in the person's zone.

        A wall time is returned without a zone: the next one of its kind in the person's zone.
        """
        if self.span is not None:
            return now + self.span
        if self.exact is not None or self.wall is None:
            return self.exact or now
        here, wall = now.replace(tzinfo=None), self.wall
        if wall.date:
            return datetime.combine(wall.date, wall.time)
        days = 0 if wall.weekday is None else (wall.weekday - here.weekday()) % 7
        found = datetime.combine(here.date() + timedelta(days=days), wall.time)
        period = timedelta(days=1 if wall.weekday is None else 7)
        return found if found > here else found + period


def check_wall_time(value: str) -> WallTime:
    """Return one end of a window."""
    return _wall_time(value, _FORMS)


def check_until(value: str) -> Until:
    """Return until when a person freezes an environment."""
    require_harmless(value, LONGEST_TIME, _UNTIL)
    if (found := _SPAN.fullmatch(value)) and any(found.groups()):
        days, hours, minutes = (int(each or 0) for each in found.groups())
        span = timedelta(days=days, hours=hours, minutes=minutes)
        if not span:
            raise ValueError(f"{shown(value)} is no time at all: {_UNTIL}")
        return Until(span=span)
    try:
        exact = datetime.fromisoformat(value)
    except ValueError:
        exact = None
    if exact is not None and exact.tzinfo:
        _require_year(value, exact.year, _UNTIL)
        return Until(exact=exact)
    return Until(wall=_wall_time(value, _UNTIL))


def check_period(value: str) -> timedelta:
    """Return the length of a period until now."""
    allowed = 'a period is written "90d" or "12h", at most 999d'
    require_harmless(value, LONGEST_TIME, allowed)
    found = _SPAN.fullmatch(value)
    days, hours, minutes = (int(each or 0) for each in found.groups()) if found else (0, 0, 0)
    period = timedelta(days=days, hours=hours, minutes=minutes)
    if not period:
        raise ValueError(f"{shown(value)} is not a period: {allowed}")
    return period


def check_zone_name(value: str) -> str:
    """Check the form of the name of a time zone; whether it exists, the system's table says."""
    require_ascii(value, LONGEST_ZONE, ZONE_FORM)
    return require_match(_ZONE, value, ZONE_FORM)


def check_why(value: str) -> str:
    """Check a reason that must be given: one line."""
    require_harmless(value, 1000, "a reason is one line of at most 1000 characters")
    if not value.strip():
        raise ValueError("a reason is a text, not spaces alone")
    return value


def check_window(start: WallTime, end: WallTime) -> None:
    """Check that two ends make a window."""
    if start.form != end.form:
        raise ValueError(
            f'"{start}" is {start.form} and "{end}" is {end.form}: give both ends the same form'
        )
    if start == end:
        raise ValueError(f'begins and ends at "{start}": give it a length')
    if start.date and end.date and (start.date, start.time) > (end.date, end.time):
        raise ValueError(f'begins at "{start}", after its end "{end}": exchange them')


def _wall_time(value: str, allowed: str) -> WallTime:
    require_harmless(value, LONGEST_TIME, allowed)
    if found := _DATE.fullmatch(value):
        day, hour, minute = found.groups()
        return WallTime(date=_date(day, allowed), time=_time(value, hour, minute, allowed))
    clock = _CLOCK.fullmatch(value)
    name, hour, minute = clock.groups() if clock else (None, None, None)
    if name is None and hour is None:
        raise ValueError(f"{shown(value)} is not a time: {allowed}")
    weekday = None if name is None else _weekday(name, allowed)
    return WallTime(weekday=weekday, time=_time(value, hour, minute, allowed))


def _date(day: str, allowed: str) -> date:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"{shown(day)} is not a date: {allowed}") from None
    _require_year(day, found.year, allowed)
    return found


def _require_year(value: str, year: int, allowed: str) -> None:
    if year not in YEARS:
        raise ValueError(f"{shown(value)} is out of range: {allowed}")


def _time(value: str, hour: str | None, minute: str | None, allowed: str) -> time:
    try:
        return time(int(hour or 0), int(minute or 0))
    except ValueError:
        raise ValueError(f"{shown(value)} has no time of the day: {allowed}") from None


def _weekday(name: str, allowed: str) -> int:
    whole = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for number, each in enumerate(whole):
        if name.lower() in {each, each[:3]}:
            return number
    raise ValueError(f"{shown(name)} is not a day of the week: {allowed}")
