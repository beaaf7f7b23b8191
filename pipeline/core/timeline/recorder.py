"""Collect the timeline of a deployment from its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pipeline.core.events import (
    DeploymentEnded,
    Event,
    Message,
    PhaseBegan,
    PhaseEnded,
    ProbeCounted,
    RollbackBegan,
    Watched,
)
from pipeline.core.health.observation import Activity, Observation, ObservedGroup
from pipeline.core.probe.tally import Answers
from pipeline.core.state.deployment import Deployment
from pipeline.core.timeline.members import count_members
from pipeline.core.timeline.model import GroupActivity, Members, Note, Point, Span, Timeline
from pipeline.core.timeline.thinning import CLOSEST, MOST_NOTES, MOST_POINTS, latest, thinned

LONGEST = 300
"""Characters of a text that is kept."""


class TimelineRecorder:
    """The timeline of one run of a deployment so far; `now` returns UNIX time in seconds."""

    def __init__(self, deployment: Deployment, now: Callable[[], float]) -> None:
        self._deployment = deployment
        self._began = datetime.fromisoformat(deployment.began).timestamp()
        self._now = now
        self._points: list[Point] = []
        self._spans: list[Span] = []
        self._notes: list[Note] = []
        self._activities: dict[str, GroupActivity] = {}
        self._answers: tuple[Answers, ...] = ()

    def report(self, event: Event) -> bool:
        """Apply an event; return True if it ends a phase or the deployment."""
        match event:
            case PhaseBegan(name=name):
                self._spans.append(Span(name=name, began=self._at))
            case Watched():
                self._watch(event)
            case ProbeCounted(answers=answers):
                self._answers = answers
            case Message(text=text):
                self._note(text)
            case RollbackBegan(reason=reason):
                self._note(f"rolling back: {reason}")
            case PhaseEnded(run=run):
                self._end_span(run.name, run.fault)
            case DeploymentEnded() if self._points:
                self._points[-1] = replace(self._points[-1], answers=self._answers)
        return isinstance(event, PhaseEnded | DeploymentEnded)

    def timeline(self) -> Timeline:
        """Return what is collected so far."""
        return Timeline(
            points=tuple(self._points),
            spans=tuple(self._spans),
            notes=tuple(self._notes),
            activities=latest(self._activities.values()),
        )

    @property
    def _at(self) -> float:
        return round(max(self._now() - self._began, 0.0), 2)

    def _note(self, text: str) -> None:
        self._notes.append(Note(at=self._at, text=_cut(text)))
        del self._notes[:-MOST_NOTES]

    def _end_span(self, name: str, fault: str) -> None:
        for index, each in enumerate(self._spans):
            if each.name == name and each.ended is None:
                self._spans[index] = replace(each, ended=self._at, fault=_cut(fault))

    def _watch(self, event: Watched) -> None:
        seen = event.observation
        point = Point(
            at=self._at,
            phase=event.phase,
            waiting=_cut(event.waiting),
            groups=tuple(self._groups(seen)),
            answers=self._answers,
            unread=bool(seen.unreadable),
        )
        if self._is_close(point):
            self._points[-1] = point
        else:
            self._points.append(point)
        if len(self._points) > MOST_POINTS:
            self._points = list(thinned(self._points, MOST_POINTS // 2))
        self._add_activities(seen)

    def _is_close(self, point: Point) -> bool:
        """Return True if the last point can be replaced: the one before it is close enough."""
        if len(self._points) < 2:  # noqa: PLR2004 - the last point and the one before it
            return False
        before, last = self._points[-2:]
        return last.phase == point.phase and point.at - before.at < CLOSEST

    def _groups(self, seen: Observation) -> list[Members]:
        releases = dict.fromkeys((self._deployment.blue, self._deployment.green))
        found = [(name, self._group(name, seen)) for name in releases if name]
        return [count_members(name, group, seen) for name, group in found if group]

    def _group(self, release: str, seen: Observation) -> ObservedGroup | None:
        if release == self._deployment.blue and self._deployment.adopted:
            return seen.groups.get(self._deployment.adopted.name)
        end = f"-{self._deployment.environment}-{release}"
        return next((each for name, each in seen.groups.items() if name.endswith(end)), None)

    def _add_activities(self, seen: Observation) -> None:
        for name, found in seen.activities.items():
            release = next(
                (each for each in (self._deployment.green, self._deployment.blue)
                 if each and self._is_group(name, each, seen)),
                "",
            )  # fmt: skip
            for each in found:
                self._activities[each.id] = GroupActivity(release=release, activity=_short(each))

    def _is_group(self, name: str, release: str, seen: Observation) -> bool:
        group = self._group(release, seen)
        return group is not None and group.name == name


def _short(activity: Activity) -> Activity:
    return replace(
        activity,
        description=_cut(activity.description),
        cause=_cut(activity.cause),
        message=_cut(activity.message),
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
