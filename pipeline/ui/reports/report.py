"""Render everything that is recorded about one deployment: as text, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pipeline.core.timeline.model import Members, Point, Timeline
from pipeline.core.timeline.record import DeploymentRecord
from pipeline.core.timeline.requests import total_answers
from pipeline.core.times import format_duration, format_time
from pipeline.ui import icons
from pipeline.ui.deployment_text import format_request
from pipeline.ui.outcome import outcome_document, outcome_text
from pipeline.ui.text import one_line, table, wrapped

MOST_CHANGES, MOST_LINES = 16, 12
"""Rows of the table of members, and lines of each list."""


def report_text(record: DeploymentRecord, now: datetime, width: int = 100) -> str:
    """Return a deployment in detail; times are in the zone of `now`."""
    timeline = record.timeline
    blocks = (
        ("", outcome_text(record.deployment, width).splitlines()),
        ("when", [_when(record, now)]),
        ("phases", list(_phases(record, width))),
        ("members", _members(timeline)),
        ("requests", _requests(timeline)),
        ("activities", [line for each in _activities(timeline) for line in _hanging(each, width)]),
        ("messages", [line for each in _messages(timeline) for line in _hanging(each, width)]),
        *((name, _text(text)) for name, text in record.texts),
    )
    parts = (
        "\n".join([title, *(f"  {line}" for line in lines)] if title else lines)
        for title, lines in blocks
        if lines
    )
    return "\n\n".join(parts)


def report_document(record: DeploymentRecord) -> dict[str, Any]:
    """Return a deployment with its timeline for a program."""
    timeline = record.timeline
    return {
        **outcome_document(record.deployment),
        "request": format_request(record.deployment),
        "timeline": {
            "phases": [
                {
                    "name": each.name,
                    "began": each.began,
                    "ended": each.ended,
                    "failure": each.fault or None,
                }
                for each in record.spans
            ],
            "points": [_point_document(each) for each in timeline.points],
            "messages": [{"at": each.at, "text": each.text} for each in timeline.notes],
            "activities": [
                {
                    "release": each.release or None,
                    "began": each.activity.began,
                    "status": each.activity.status,
                    "description": each.activity.description,
                    "message": each.activity.message or None,
                }
                for each in timeline.activities
            ],
        },
        "files": dict(record.texts),
    }


def _point_document(point: Point) -> dict[str, Any]:
    return {
        "at": point.at,
        "phase": point.phase,
        "waiting": point.waiting or None,
        "members": {
            each.release: {"desired": each.desired, **each.states} for each in point.groups
        },
        "answers": [
            {"version": each.version or None, "status": each.status, "count": each.count}
            for each in point.answers
        ],
    }


def _when(record: DeploymentRecord, now: datetime) -> str:
    deployment = record.deployment
    ended = f" to {format_time(deployment.ended, now)}" if deployment.ended else ", still running"
    return f"{format_time(deployment.began, now)}{ended}, by {one_line(deployment.beginner)}"


def _phases(record: DeploymentRecord, width: int) -> Iterator[str]:
    """Yield each phase with its beginning and its duration, below it why it failed."""
    names = max((len(each.name) for each in record.spans), default=0)
    for each in record.spans:
        over = each.ended is not None
        icon = icons.FAILED if each.fault else icons.DONE if over else icons.RUNNING
        took = format_duration(max((each.ended or each.began) - each.began, 0.0)) if over else ""
        began = f"+{format_duration(each.began)}"
        yield f"{icon} {one_line(each.name):<{names}}  {began:>8}  {took:>8}".rstrip()
        if each.fault:
            yield f"    {wrapped(one_line(each.fault), width - 2, 6)}"


def _members(timeline: Timeline) -> list[str]:
    """Return a row for each change of the members: when, in which phase, each release's states."""
    releases = dict.fromkeys(each.release for point in timeline.points for each in point.groups)
    changes = _changes(timeline.points)
    if not changes:
        return []
    rows = [("TIME", "PHASE", *releases)]
    left = len(changes) - MOST_CHANGES
    for point in _ends(changes, MOST_CHANGES):
        known = {each.release: format_members(each) for each in point.groups}
        cells = (known.get(each, "no group") for each in releases)
        rows.append((f"+{format_duration(point.at)}", one_line(point.phase), *cells))
    return [*table(rows), *([f"({left} more changes in between)"] if left > 0 else [])]


def _changes(points: Iterable[Point]) -> list[Point]:
    found = list[Point]()
    for each in points:
        if not found or each.groups != found[-1].groups:
            found.append(each)
    return found


def _ends(points: list[Point], most: int) -> list[Point]:
    """Return the first and the last points if there are too many."""
    return points if len(points) <= most else [*points[: most // 2], *points[-most // 2 :]]


def format_members(members: Members) -> str:
    """Return the members of a release by state: `2 healthy, 1 starting of 3`."""
    states = ", ".join(f"{count} {state}" for state, count in members.states.items())
    return f"{states or 'no members'} of {members.desired}"


def _requests(timeline: Timeline) -> list[str]:
    answers = total_answers(timeline)
    if not answers:
        return []
    rows = [(each.version or "-", each.status, f"{each.count:,}") for each in answers]
    return table([("VERSION", "STATUS", "REQUESTS"), *rows])


def _activities(timeline: Timeline) -> list[str]:
    listed = [
        f"{each.activity.began} {each.release} {one_line(each.activity.status)}: "
        f"{one_line(each.activity.message or each.activity.description)}"
        for each in timeline.activities
    ]
    return listed[-MOST_LINES:]


def _messages(timeline: Timeline) -> list[str]:
    listed = [f"+{format_duration(each.at)} {one_line(each.text)}" for each in timeline.notes]
    return listed[-MOST_LINES:]


def _hanging(text: str, width: int) -> list[str]:
    return wrapped(text, width - 2, 2).splitlines()


def _text(text: str) -> list[str]:
    return [one_line(line, 200) for line in text.splitlines()[-MOST_LINES * 2 :]]
