"""Hold the values that a metric had in a time, and compute statistics of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")
NAMED = frozenset({"Sum", "Average", "Minimum", "Maximum", "SampleCount"})


def is_statistic(name: str) -> bool:
    """Return True if a distribution has a statistic of this name."""
    return name in NAMED or PERCENTILE.fullmatch(name) is not None


@dataclass(kw_only=True, slots=True)
class Distribution:
    """How often each value occurred; `count` and the others include values known only as a sum."""

    values: dict[float, float] = field(default_factory=dict)
    count: float = 0.0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    @classmethod
    def of(cls, values: Mapping[float, float]) -> Distribution:
        """Return a distribution of values by how often each occurred."""
        made = cls()
        for value, count in values.items():
            made.add(value, count)
        return made

    def add(self, value: float, count: float = 1.0) -> None:
        """Add a value that occurred `count` times."""
        self.values[value] = self.values.get(value, 0.0) + count
        self._extend(count, value * count, value, value)

    def add_statistics(self, count: float, total: float, least: float, most: float) -> None:
        """Add values of which only the statistics are known; they are in no percentile."""
        self._extend(count, total, least, most)

    def merge(self, other: Distribution) -> None:
        """Add all values of another distribution."""
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count
        self._extend(other.count, other.total, other.least, other.most)

    def _extend(self, count: float, total: float, least: float, most: float) -> None:
        self.count += count
        self.total += total
        self.least, self.most = min(self.least, least), max(self.most, most)

    def statistic(self, name: str) -> float | None:
        """Return a statistic, or None if there is no value for it; raises ValueError.

        Sum, Average, Minimum, Maximum, SampleCount, or a percentile such as p99.9.
        """
        if found := PERCENTILE.fullmatch(name):
            return self._percentile(float(found[1]))
        match name:
            case "Sum":
                return self.total
            case "SampleCount":
                return self.count
            case "Average":
                return self.total / self.count if self.count else None
            case "Minimum":
                return self.least if self.count else None
            case "Maximum":
                return self.most if self.count else None
            case _:
                raise ValueError(name)

    def _percentile(self, percent: float) -> float | None:
        """Return the smallest value that at least `percent` of the values do not exceed."""
        wanted = sum(self.values.values()) * percent / 100
        seen = 0.0
        value = None
        for value in sorted(self.values):
            seen += self.values[value]
            if seen >= wanted:
                return value
        return value


def merged(parts: Iterable[Distribution]) -> Distribution:
    """Return one distribution of all parts."""
    whole = Distribution()
    for part in parts:
        whole.merge(part)
    return whole
