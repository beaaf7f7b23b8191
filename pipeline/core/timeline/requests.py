"""Derive how many requests were answered by which version, from the points of a timeline.

A point counts since the beginning of its run: a deployment that was resumed counts from 0 again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipeline.core.probe.tally import Answers
from pipeline.core.timeline.model import Timeline

Key = tuple[str, str]
"""A version and an HTTP status."""


def answered(timeline: Timeline) -> Iterator[tuple[float, float, Counter[Key]]]:
    """Yield from when to when how many requests were answered, by version and status."""
    before, since = Counter[Key](), 0.0
    for point in timeline.points:
        now = Counter({(each.version, each.status): each.count for each in point.answers})
        if sum(now.values()) < sum(before.values()):
            before = Counter()
        new = now - before
        if new:
            yield since, point.at, new
        before, since = now or before, point.at


def total_answers(timeline: Timeline) -> tuple[Answers, ...]:
    """Return all requests of a deployment by version and status."""
    total = Counter[Key]()
    for _, _, new in answered(timeline):
        total += new
    return tuple(
        Answers(version=version, status=status, count=count)
        for (version, status), count in sorted(total.items())
    )
