"""Define the timeline of a deployment: a few hundred points that a report draws.

Times are real seconds since the deployment began, pauses included. Separate from the journal, which
decides what `recover` does: a timeline decides nothing and may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.core.health.observation import Activity
from pipeline.core.image import NO_ITEMS
from pipeline.core.probe.tally import Answers


class MemberState(StrEnum):
    """The state of a member for a chart, by its group and by every load balancer that lists it."""

    HEALTHY = "healthy"
    IN_SERVICE = "in service"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    TERMINATING = "terminating"


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The members of a release's group at one time: how many of them are in each state."""

    release: str
    desired: int
    states: Mapping[str, int] = field(default_factory=lambda: NO_ITEMS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What one observation showed; `answers` are those to the probe's requests so far.

    `waiting` is what the gate still needs, empty if it passed. `unread` says that AWS did not
    answer all of it.
    """

    at: float
    phase: str
    waiting: str = ""
    groups: tuple[Members, ...] = ()
    answers: tuple[Answers, ...] = ()
    unread: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """When a phase ran; `ended` is None while it runs, `fault` is why it failed."""

    name: str
    began: float
    ended: float | None = None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A message of the deployment at one time."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupActivity:
    """A scaling activity of a release's group."""

    release: str
    activity: Activity


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """The timeline of one deployment, oldest first; empty if nothing was recorded."""

    points: tuple[Point, ...] = ()
    spans: tuple[Span, ...] = ()
    notes: tuple[Note, ...] = ()
    activities: tuple[GroupActivity, ...] = ()

    @property
    def end(self) -> float:
        """The time of the last thing that is recorded, in seconds."""
        ends = [each.at for each in self.points] + [each.at for each in self.notes]
        ends += [each.began if each.ended is None else each.ended for each in self.spans]
        return max(ends, default=0.0)
