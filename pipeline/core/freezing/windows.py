"""Define the windows of [[freeze]]: when each one begins and ends, by the clocks of its time zone.

A window is written in wall times, so it follows a change to or from daylight-saving time. A wall
time that the clocks skip or show twice makes the window as long as it can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pipeline.core.freezing.freeze import Freeze
from pipeline.core.validation.freeze_values import WallTime

_PERIODS = {"weekly": 7, "daily": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A freeze that pipeline.toml plans; without `environments`, it is for all of them."""

    start: WallTime
    end: WallTime
    zone: tzinfo
    why: str
    environments: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the window as people read it: `Fri 16:00 to Mon 08:00 Europe/Berlin`."""
        return f"{self.start} to {self.end} {self.zone}"

    def applies_to(self, environment: str) -> bool:
        """Return True if the window freezes this environment."""
        return not self.environments or environment in self.environments

    def active(self, now: datetime) -> Freeze | None:
        """Return the freeze that lasts at this moment, None if there is none."""
        found = [(begin, end) for begin, end in self._near(now) if begin <= now < end]
        return self._freeze(*max(found, key=lambda each: each[1])) if found else None

    def next(self, now: datetime) -> Freeze | None:
        """Return the first freeze that begins after this moment, None if there is none."""
        found = [(begin, end) for begin, end in self._near(now) if begin > now]
        return self._freeze(*min(found)) if found else None

    def _freeze(self, begin: datetime, end: datetime) -> Freeze:
        since, until = begin.isoformat(), end.isoformat()
        return Freeze(why=self.why, since=since, until=until, window=str(self))

    def _near(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the begin and the end, in UTC, of the freezes around this moment."""
        if self.start.date and self.end.date:
            yield self._between(self.start.date, self.end.date)
            return
        period = _PERIODS[self.start.form]
        today = now.astimezone(self.zone).date()
        since = (today.weekday() - (self.start.weekday or 0)) % period
        first = today - timedelta(days=since)
        for count in (-1, 0, 1):
            begin = first + timedelta(days=period * count)
            yield self._between(begin, begin + timedelta(days=self._days(period)))

    def _days(self, period: int) -> int:
        """Return how many days after its begin a repeated freeze ends."""
        days = ((self.end.weekday or 0) - (self.start.weekday or 0)) % period
        return days or (0 if self.start.time < self.end.time else period)

    def _between(self, begin: date, end: date) -> tuple[datetime, datetime]:
        first, last = self._moments(begin, self.start.time), self._moments(end, self.end.time)
        return min(first), max(last)

    def _moments(self, day: date, at: time) -> tuple[datetime, ...]:
        """Return the moments of a wall time: two different ones if the clocks change (PEP 495)."""
        wall = datetime.combine(day, at, self.zone)
        return tuple(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
