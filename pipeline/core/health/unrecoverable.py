"""Decide that a group can never become healthy: launches fail for good, or members do not stay.

Separate from `assessment`, which judges the present state: these rules end a wait early, so none
may be wrong. One scale-in, one broken instance or one stale answer is no reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.core.health import scaling_activities
from pipeline.core.health.observation import Activity, Member, Observation, ObservedGroup
from pipeline.core.health.scaling_activities import LaunchError
from pipeline.core.times import format_duration

RECENT = 3600.0
"""Seconds of observations that count.

Long enough for several rounds of boot, grace period and draining (300 s each by default), short
enough that a soak of a day forgives a broken instance.
"""
MISSING_OBSERVATIONS = 3
"""Consecutive observations without a member before it is lost: fewer may be stale answers."""
RELAPSES = 2
"""Replacements of unhealthy members that were lost again: one may happen by chance."""


_LEAVING = ("Terminat",)  # Terminating, Terminating:Wait, Terminating:Proceed, Terminated
_ASIDE = ("Standby", "EnteringStandby", "Detach", "Warmed")
_NO_CAPACITY = _LEAVING + _ASIDE


def is_leaving(member: Member) -> bool:
    """Return True if a member is being terminated."""
    return member.lifecycle.startswith(_LEAVING)


def is_aside(member: Member) -> bool:
    """Return True if a member is in standby, detached or in the warm pool: it is no capacity."""
    return member.lifecycle.startswith(_ASIDE)


def current(group: ObservedGroup) -> tuple[Member, ...]:
    """Return the members that are the group's capacity, or will be."""
    return tuple([m for m in group.members if not m.lifecycle.startswith(_NO_CAPACITY)])


def in_service(group: ObservedGroup) -> tuple[Member, ...]:
    """Return the InService members, healthy or not."""
    return tuple(m for m in group.members if m.lifecycle == "InService")


def why_unrecoverable(name: str, observations: Sequence[Observation], *, patience: float) -> str:
    """Return why the group can never become healthy, in AWS's words; empty while it may.

    `observations` are the complete ones of this wait, newest last; the newest describes the group.
    `patience` is how many seconds a lack of capacity may last.
    """
    group = observations[-1].groups[name]
    if group.status:
        return f"AWS says of {name}: {group.status}"
    history = _history(name, observations)
    return (
        _permanent_launch_error(group, history.news)
        or _lasting_shortage(group, history.news, observations, patience)
        or _launch_loop(group, history)
    )


def last_launch_failure(name: str, observations: Sequence[Observation]) -> str:
    """Return why the last launch failed, if the group lacks members because of it."""
    group = observations[-1].groups[name]
    failed = _failures(group, _history(name, observations).news)
    return scaling_activities.words(max(failed, key=_began)) if failed else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _History:
    """A group in each recent observation, its new activities, and the members that left before.

    `has_activities` says whether the activities were read: they list every departure.
    """

    groups: Sequence[ObservedGroup]
    news: Sequence[Activity]
    leaving: frozenset[str]
    has_activities: bool


def _history(name: str, observations: Sequence[Observation]) -> _History:
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
    departed = {
        scaling_activities.instance_of(a)
        for a in before
        if a.id in past and scaling_activities.is_departure(a)
    }
    leaving = {m.id for m in first.members if is_leaving(m)} if in_service(first) else set()
    return _History(
        groups=[observation.groups[name] for observation in recent],
        news=[activity for id_, activity in newest.items() if id_ not in past],
        leaving=frozenset(departed | leaving),
        has_activities=bool(newest),
    )


def _is_past(first: ObservedGroup, activity: Activity) -> bool:
    """Return True if an activity of the first observation is older than this wait.

    AWS keeps activities for six weeks, so a serving group has old ones. A new group has no member
    in service yet; and a failed launch belongs to this wait while a member is missing.
    """
    if scaling_activities.is_departure(activity):
        return bool(in_service(first))
    return activity.status in scaling_activities.OVER and len(in_service(first)) >= first.desired


def _permanent_launch_error(group: ObservedGroup, news: Iterable[Activity]) -> str:
    occasions: dict[LaunchError, set[str]] = {}
    for activity in sorted(_failures(group, news), key=_began, reverse=True):
        error = scaling_activities.launch_error(activity)
        if error is None or error.shortage:
            continue
        times = occasions.setdefault(error, set())
        # Launches of one attempt are refused within a second; an instance fails by itself.
        times.add(scaling_activities.instance_of(activity) or activity.began[:19])
        if len(times) >= error.times:
            return scaling_activities.words(activity)
    return ""


def _lasting_shortage(
    group: ObservedGroup,
    news: Iterable[Activity],
    observations: Sequence[Observation],
    patience: float,
) -> str:
    """Return how long AWS has had no capacity for the group, if it is longer than `patience`."""
    lacking = sorted((a for a in _failures(group, news) if _is_shortage(a)), key=_began)
    if not lacking:
        return ""
    ids = {activity.id for activity in lacking}
    seen = (o.at for o in observations if any(a.id in ids for a in _activities(o, group)))
    lasted = observations[-1].at - next(seen)
    if lasted < patience:
        return ""
    words = scaling_activities.words(lacking[-1])
    return f"AWS has had no capacity for {format_duration(round(lasted))}: {words}"


def _is_shortage(activity: Activity) -> bool:
    error = scaling_activities.launch_error(activity)
    return error is not None and error.shortage


def _activities(observation: Observation, group: ObservedGroup) -> Sequence[Activity]:
    return observation.activities.get(group.name, ())


def _failures(group: ObservedGroup, news: Iterable[Activity]) -> list[Activity]:
    """Return the failed launches after which the group still lacks members.

    A Failed launch was refused by EC2: an instance that EC2 launched later makes up for it. A
    Cancelled one ended before it was in service: only a later InService instance makes up for it.
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


def _launch_loop(group: ObservedGroup, history: _History) -> str:
    """Return why the group launches and terminates in a loop, if it does.

    A group is in a loop once it lost at least two members and as many as its desired capacity.
    Fewer losses prove nothing: one instance may be broken, or one zone may fail with half of the
    members. A large group would take long to lose that many, so two lost replacements are enough,
    too. Activities say why a member left; without them, twice as many losses are needed.
    """
    unwanted = _unwanted_departures(history)
    lost = len(unwanted) if history.has_activities else _unexplained(history)
    enough = max(2, *(seen.desired for seen in history.groups))
    replacements = {
        scaling_activities.instance_of(a)
        for a in history.news
        if scaling_activities.is_replacement(a)
    }
    relapses = sum(scaling_activities.instance_of(a) in replacements for a in unwanted)
    if lost < enough * (1 if history.has_activities else 2) and relapses < RELAPSES:
        return ""
    cause = f": {max(unwanted, key=_began).cause}" if unwanted else ""
    return f"{group.name} launches and terminates in a loop, {lost} members were lost{cause}"


def _unwanted_departures(history: _History) -> list[Activity]:
    """Return the departures that were not requested: failed health checks, cancelled launches."""
    departures = {
        scaling_activities.instance_of(a): a
        for a in history.news
        if scaling_activities.is_departure(a)
    }
    return [
        activity
        for instance, activity in departures.items()
        if instance not in history.leaving and not scaling_activities.was_requested(activity)
    ]


def _unexplained(history: _History) -> int:
    """Count the lost members that no smaller desired capacity explains."""
    before = _ids(history.groups[:1], is_leaving)
    lost = (_ids(history.groups, is_leaving) | _missing(history.groups)) - before
    shrunk = _surplus(history.groups[0]) + sum(
        max(0, before.desired - after.desired) for before, after in pairwise(history.groups)
    )
    return max(0, len(lost) - shrunk)


def _surplus(group: ObservedGroup) -> int:
    return max(0, len(current(group)) - group.desired)


def _missing(groups: Sequence[ObservedGroup]) -> frozenset[str]:
    """Return the members that the newest observations do not list any longer."""
    if len(groups) <= MISSING_OBSERVATIONS:
        return frozenset()
    listed = _ids(groups[-MISSING_OBSERVATIONS:], lambda _: True)
    aside = _ids(groups, is_aside)
    return _ids(groups, lambda member: not is_leaving(member)) - listed - aside


def _ids(groups: Iterable[ObservedGroup], matches: Callable[[Member], bool]) -> frozenset[str]:
    return frozenset(m.id for group in groups for m in group.members if matches(m))
