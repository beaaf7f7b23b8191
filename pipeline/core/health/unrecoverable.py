"""Why a group will never be healthy: launches that cannot work, members that do not stay.

Apart from `health`, which asks whether it is so yet: waiting is ended early here, so every rule
is one that must not be wrong. One scale-in, one broken machine, one stale read is no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.core.health import scaling_activities
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup
from pipeline.core.health.scaling_activities import LaunchError

# Seconds of looks that count. Long enough for several rounds of boot, grace period and draining
# (300 s each by default), short enough that a soak of a day forgives a broken machine.
RECENT = 3600.0

# A member that is missing from fewer looks running may be missing from stale answers only.
MISSING_LOOKS = 3

# Replacements of unhealthy members that were lost again: one machine may be broken twice.
RELAPSES = 2


_LEAVING = ("Terminat",)  # Terminating, Terminating:Wait, Terminating:Proceed, Terminated
_ASIDE = ("Standby", "EnteringStandby", "Detach", "Warmed")
_NO_CAPACITY = _LEAVING + _ASIDE


def is_leaving(member: Member) -> bool:
    """Tell whether a member is being terminated."""
    return member.lifecycle.startswith(_LEAVING)


def is_aside(member: Member) -> bool:
    """Tell whether a person put a member aside, or it is in the warm pool: it is no capacity."""
    return member.lifecycle.startswith(_ASIDE)


def current(group: ObservedGroup) -> tuple[Member, ...]:
    """Return the members that are the group's capacity or are becoming it."""
    return tuple([m for m in group.members if not m.lifecycle.startswith(_NO_CAPACITY)])


def in_service(group: ObservedGroup) -> tuple[Member, ...]:
    """Return the members that Auto Scaling has in service, well or not."""
    return tuple(m for m in group.members if m.lifecycle == "InService")


def doom(name: str, observations: Sequence[Observation]) -> str:
    """Return why the group will never be healthy, in AWS's words; nothing while it may be.

    `looks` are the readable ones of this wait, the newest last, and describe the group there.
    """
    group = observations[-1].groups[name]
    if group.status:
        return f"AWS says of {name}: {group.status}"
    told = _tell(name, observations)
    return _hopeless(group, told.news) or _loop(group, told)


def setback(name: str, observations: Sequence[Observation]) -> str:
    """Return what the last launch failed of, if the group is short for it and it may heal."""
    group = observations[-1].groups[name]
    failed = _failures(group, _tell(name, observations).news)
    return scaling_activities.words(max(failed, key=_began)) if failed else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """The group in each recent look, what was new in its activities, who was leaving already.

    `by_activities` tells whether they are there to tell: Auto Scaling leaves out no departure.
    """

    groups: Sequence[ObservedGroup]
    news: Sequence[Activity]
    leaving: frozenset[str]
    by_activities: bool


def _tell(name: str, observations: Sequence[Observation]) -> _Told:
    since = observations[-1].at - RECENT
    recent = [
        observation
        for observation in observations
        if observation.at >= since and name in observation.groups
    ]
    first = recent[0].groups[name]
    before = recent[0].activities.get(name, ())
    newest = {a.id: a for observation in recent for a in observation.activities.get(name, ())}
    # Only AWS's own clock is compared with itself.
    began = {activity.id: scaling_activities.moment(activity) for activity in newest.values()}
    past = {id_ for id_, when in began.items() if when < max(began.values()) - RECENT}
    past |= {activity.id for activity in before if _is_past(first, activity)}
    gone = {
        scaling_activities.instance_of(a)
        for a in before
        if a.id in past and scaling_activities.is_departure(a)
    }
    going = {m.id for m in first.members if is_leaving(m)} if in_service(first) else set()
    return _Told(
        groups=[observation.groups[name] for observation in recent],
        news=[activity for id_, activity in newest.items() if id_ not in past],
        leaving=frozenset(gone | going),
        by_activities=bool(newest),
    )


def _is_past(first: ObservedGroup, activity: Activity) -> bool:
    """Tell whether an activity of the first look is no matter of this wait.

    Activities are kept for six weeks: what blue once suffered is no fault of today's. A new group
    has nobody in service yet, and a launch that failed is today's while a member is missing.
    """
    if scaling_activities.is_departure(activity):
        return bool(in_service(first))
    return activity.status in scaling_activities.OVER and len(in_service(first)) >= first.desired


def _hopeless(group: ObservedGroup, news: Iterable[Activity]) -> str:
    occasions: dict[LaunchError, set[str]] = {}
    for activity in sorted(_failures(group, news), key=_began, reverse=True):
        if fault := scaling_activities.fault_of(activity):
            said = occasions.setdefault(fault, set())
            said.add(activity.began[:19])  # launches of one attempt fail within a second
            if len(said) >= fault.times:
                return scaling_activities.words(activity)
    return ""


def _failures(group: ObservedGroup, news: Iterable[Activity]) -> list[Activity]:
    """Return the launches that came to nothing, were not made up for, and leave it short.

    EC2 refused one that is Failed: an instance it gave since proves the contrary. One that is
    Cancelled ended before it was in service: only an instance that came so far does.
    """
    known = [activity for activity in news if scaling_activities.is_launch(activity)]
    served = max((a.began for a in known if a.status == "Successful"), default="")
    under_way = [
        a
        for a in known
        if a.status not in scaling_activities.OVER and scaling_activities.instance_of(a)
    ]
    accepted = max(served, *(a.began for a in under_way), "")
    short = {
        "Failed": (len(current(group)) < group.desired, accepted),
        "Cancelled": (len(in_service(group)) < group.desired, served),
    }
    lacking = {status: since for status, (lacks, since) in short.items() if lacks}
    return [a for a in known if a.status in lacking and a.began >= lacking[a.status]]


def _began(activity: Activity) -> str:
    return activity.began


def _loop(group: ObservedGroup, told: _Told) -> str:
    """Return why the group launches and terminates without end, if it does.

    It does once as many members were lost as it should have (two at least, so that one broken
    machine is none): every one, or one place again and again; a zone that fails with its half is
    neither. In a large group, which would take long over that, replacements that are lost again
    tell as much. Where no activity says who wanted what, it takes twice as many.
    """
    blamed = _blamed(told)
    lost = len(blamed) if told.by_activities else _unexplained(told)
    enough = max(2, *(seen.desired for seen in told.groups))
    replacements = {
        scaling_activities.instance_of(a) for a in told.news if scaling_activities.is_replacement(a)
    }
    relapses = sum(scaling_activities.instance_of(a) in replacements for a in blamed)
    if lost < enough * (1 if told.by_activities else 2) and relapses < RELAPSES:
        return ""
    cause = f": {max(blamed, key=_began).cause}" if blamed else ""
    return f"{group.name} launches and terminates in a loop, {lost} members were lost{cause}"


def _blamed(told: _Told) -> list[Activity]:
    """Return the departures that nobody wanted: failed health checks, launches given up."""
    left = {
        scaling_activities.instance_of(a): a
        for a in told.news
        if scaling_activities.is_departure(a)
    }
    return [
        a for i, a in left.items() if i not in told.leaving and not scaling_activities.was_wanted(a)
    ]


def _unexplained(told: _Told) -> int:
    """Count the lost members for whom no smaller desired capacity accounts."""
    before = _ids(told.groups[:1], is_leaving)
    lost = (_ids(told.groups, is_leaving) | _vanished(told.groups)) - before
    shrunk = _surplus(told.groups[0]) + sum(
        max(0, before.desired - after.desired) for before, after in pairwise(told.groups)
    )
    return max(0, len(lost) - shrunk)


def _surplus(group: ObservedGroup) -> int:
    return max(0, len(current(group)) - group.desired)


def _vanished(groups: Sequence[ObservedGroup]) -> frozenset[str]:
    """Return who was a member and is none in the newest looks, enough of them running."""
    if len(groups) <= MISSING_LOOKS:
        return frozenset()
    listed = _ids(groups[-MISSING_LOOKS:], lambda _: True)
    aside = _ids(groups, is_aside)
    return _ids(groups, lambda member: not is_leaving(member)) - listed - aside


def _ids(groups: Iterable[ObservedGroup], fits: Callable[[Member], bool]) -> frozenset[str]:
    return frozenset(m.id for group in groups for m in group.members if fits(m))
