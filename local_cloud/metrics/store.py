"""Keep the metrics of all accounts by minute, and read them by period."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from local_cloud.metrics.distribution import Distribution, merged

MINUTE = 60.0
KEPT = 10_000
"""Minutes that are kept of a metric."""

LATE = 1
"""Minutes until a finished minute can be read ("CloudWatch metrics for your Application Load
Balancer": measured and sent in 60-second intervals)."""

Dimensions: TypeAlias = tuple[tuple[str, str], ...]
Point: TypeAlias = tuple[float, Distribution]
"""The begin of a period, in seconds since the epoch, and its values."""


class Metric(NamedTuple):
    """The identity of a metric; the dimensions are sorted by name."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions


@dataclass(kw_only=True)
class Store:
    """The metrics of a cloud; used under the API's lock.

    `speed` is how many minutes pass in a minute of the wall clock.
    """

    speed: float = 1.0
    now: Callable[[], float] = time.time
    _minutes: dict[Metric, dict[int, Distribution]] = field(default_factory=dict)

    def minute(self, at: float | None = None) -> int:
        """Return the number of the minute at a time of the wall clock, now by default."""
        return int((self.now() if at is None else at) * self.speed / MINUTE)

    def begin(self, minute: int) -> float:
        """Return the wall clock's time at the begin of a minute."""
        return minute * MINUTE / self.speed

    @property
    def newest(self) -> int:
        """The newest minute that can be read."""
        return self.minute() - 1 - LATE

    def add(self, metric: Metric, minute: int, values: Distribution) -> None:
        """Add values of a minute."""
        minutes = self._minutes.setdefault(metric, {})
        if minute in minutes:
            minutes[minute].merge(values)
        else:
            minutes[minute] = values
        while len(minutes) > KEPT:
            del minutes[next(iter(minutes))]

    def metrics(self) -> Iterator[Metric]:
        """Yield the metrics that have a minute that can be read."""
        newest = self.newest
        return (m for m, minutes in self._minutes.items() if any(n <= newest for n in minutes))

    def points(self, metric: Metric, since: float) -> list[Point]:
        """Return the minutes of a metric that can be read and begin at `since` or later."""
        found: list[Point] = []
        newest = self.newest
        for number, values in reversed(self._minutes.get(metric, {}).items()):
            if self.begin(number) < since:
                break
            if number <= newest:
                found.append((self.begin(number), values))
        return found

    def has(self, metric: Metric) -> bool:
        """Return True if the metric was ever measured."""
        return metric in self._minutes

    def by_period(
        self, points: Iterable[Point], begin: float, end: float, period: float
    ) -> list[Point]:
        """Return the points from `begin` to before `end`, joined by period, oldest first.

        A period is in seconds of the cloud. The first one begins at the whole minute before `begin`
        (API Reference, GetMetricStatistics: StartTime is rounded down).
        """
        seconds, first = period / self.speed, self.rounded(begin)
        found: dict[int, list[Distribution]] = {}
        for at, values in points:
            if first - ROUNDING <= at < end:
                found.setdefault(int((at - first) / seconds + EPSILON), []).append(values)
        return [(first + number * seconds, merged(found[number])) for number in sorted(found)]

    def rounded(self, at: float) -> float:
        """Return the begin of the minute that a time is in."""
        return self.begin(int(at * self.speed / MINUTE + EPSILON))


ROUNDING = 1e-6
EPSILON = 1e-4
"""The begin of a minute, divided by a period, is a whole number but for rounding; the numbers are
large, and a float has 15 digits."""
