"""Keep a timeline small: drop points that are close to each other, and merge two timelines."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core.timeline.model import GroupActivity, Note, Point, Span, Timeline

MOST_POINTS, MOST_NOTES, MOST_ACTIVITIES, MOST_SPANS = 240, 150, 60, 60
"""How much of each kind a timeline has; a chart is some 700 pixels wide."""
CLOSEST = 0.25
"""Seconds between two points at least, doubled until few enough are left."""


def thinned(points: Iterable[Point], most: int = MOST_POINTS) -> tuple[Point, ...]:
    """Return at most `most` points: the first and the last, and in between evenly spread ones."""
    kept, spacing = list(points), CLOSEST
    while len(kept) > most:
        kept, spacing = _spread(kept, spacing), spacing * 2
    return tuple(kept)


def _spread(points: list[Point], spacing: float) -> list[Point]:
    """Return points this far apart, and always the last one."""
    kept = points[:1]
    for each in points[1:-1]:
        if each.at - kept[-1].at >= spacing:
            kept.append(each)
    return [*kept, points[-1]]


def merged(earlier: Timeline, later: Timeline) -> Timeline:
    """Return one timeline of two: an earlier run's, and this run's, which may overlap."""
    return Timeline(
        points=thinned(
            sorted({p.at: p for p in (*earlier.points, *later.points)}.values(), key=_at)
        ),
        spans=_merged_spans(earlier.spans, later.spans)[-MOST_SPANS:],
        notes=tuple(sorted(dict.fromkeys((*earlier.notes, *later.notes)), key=_at))[-MOST_NOTES:],
        activities=latest((*earlier.activities, *later.activities)),
    )


def _at(each: Point | Note) -> float:
    return each.at


def _merged_spans(earlier: Iterable[Span], later: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans by their beginning; the later word about one counts."""
    found = {(each.name, each.began): each for each in (*earlier, *later)}
    return tuple(sorted(found.values(), key=lambda each: each.began))


def latest(activities: Iterable[GroupActivity]) -> tuple[GroupActivity, ...]:
    """Return each scaling activity once, as it was last seen, the oldest first."""
    found = {each.activity.id: each for each in activities}
    ordered = sorted(found.values(), key=lambda each: each.activity.began)
    return tuple(ordered[-MOST_ACTIVITIES:])
