"""Whether a group is as a phase wants it: pure questions about what AWS said in the last looks.

Every answer errs to the safe side. Only members on the group's own launch template version
count; a member that a load balancer does not list is not healthy, nor is one whose site answers
because an application load balancer without a healthy target sends to all ("fail open"): a
target's own state decides. A look that could not be read whole is neither good nor bad. Why
waiting would be in vain stands in `doom`, and in what AWS calls a target of no use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.core.health import target_health
from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup
from pipeline.core.health.unrecoverable import current, doom, is_leaving, setback
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict

# Looks running that must not describe a group before it is gone: one answer may be stale.
GONE_LOOKS = 2

NAMED = 3  # members that one line names


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What is waited for: the group and the load balancers it is to serve through or to leave.

    `least` is the size it must reach whatever its own desired capacity, 0 for none: the live
    desired capacity of the group whose traffic it is to take.
    """

    group: str
    balancers: tuple[Balancer, ...] = ()
    least: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """A group in figures: `healthy` are the members in service that every balancer finds so."""

    desired: int
    in_service: int
    healthy: int
    pending: int
    leaving: int


def booted(expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Judge whether every member is in service, on the group's own launch template version.

    `looks` are all of this wait, newest last: what came before them is not held against the group.
    """
    return _so_far(expected, observations) or _judged(
        _shortfall(expected, observations[-1]), expected, observations
    )


def serving(expected: Expected, observations: Sequence[Observation], *, in_a_row: int) -> Verdict:
    """Judge whether it is booted and every member healthy in every balancer, looks in a row.

    All of them must be readable and show the same members. A target is healthy after one passed
    check (ALB, "Health checks for target groups"), so one look is no proof.
    """
    if verdict := _so_far(expected, observations):
        return verdict
    if useless := _useless(expected, observations[-1]):
        return Failed(reason=useless)
    if complaint := _complaint(expected, observations[-1]):
        return _judged(complaint, expected, observations)
    row = _row(expected, observations[-in_a_row:])
    if row < in_a_row:
        return Progressing(reason=f"every member healthy, {row} of {in_a_row} looks in a row")
    return Healthy()


def drained(expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Judge whether no member, of now or of earlier looks, is a target any more.

    One that drains still is: it has requests in flight. A group that AWS does not describe has
    drained once what is remembered of it has.
    """
    if unread := _unread(observations):
        return Progressing(reason=unread)
    return _waiting_for(_remaining(expected, observations))


def gone(groups: Iterable[str], observations: Sequence[Observation]) -> Verdict:
    """Judge whether AWS describes none of the groups any more, two looks running."""
    if unread := _unread(observations):
        return Progressing(reason=unread)
    names = tuple(groups)
    there = [observations[-1].groups[name] for name in names if name in observations[-1].groups]
    if there:
        said = (f"{group.name}: {group.status or 'is still there'}" for group in there)
        return Progressing(reason=_listed(said, "; "))
    last = observations[-GONE_LOOKS:]
    seen = any(
        observation.unreadable or observation.groups.keys() & set(names) for observation in last
    )
    if names and (seen or len(last) < GONE_LOOKS):
        return Progressing(reason=f"{_listed(names)} not described in one look, one more is needed")
    return Healthy()


def counts(group: ObservedGroup, observation: Observation, balancers: Iterable[Balancer]) -> Counts:
    """Count a group's members for a display; one that is not listed somewhere is not healthy."""
    good = [member for member in current(group) if _is_good(group, member)]
    through = tuple(balancers)
    return Counts(
        desired=group.desired,
        in_service=len(good),
        healthy=sum(all(_is_healthy(m, b, observation) for b in through) for m in good),
        pending=sum(member.lifecycle.startswith("Pending") for member in group.members),
        leaving=sum(is_leaving(member) for member in group.members),
    )


def _unread(observations: Sequence[Observation]) -> str:
    if not observations:
        return "nothing was looked at yet"
    if observations[-1].unreadable:
        return f"could not be read: {'; '.join(observations[-1].unreadable)}"
    return ""


def _so_far(expected: Expected, observations: Sequence[Observation]) -> Verdict | None:
    """Return the verdict that does not depend on how well the members are, if there is one."""
    if unread := _unread(observations):
        return Progressing(reason=unread)
    if expected.group not in observations[-1].groups:
        seen = any(expected.group in observation.groups for observation in observations)
        return Progressing(
            reason=f"{expected.group} is not described {'any more' if seen else 'yet'}"
        )
    reason = doom(expected.group, _readable(observations))
    return Failed(reason=reason) if reason else None


def _readable(observations: Iterable[Observation]) -> list[Observation]:
    return [observation for observation in observations if not observation.unreadable]


def _judged(complaint: str, expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Return Healthy without a complaint, otherwise Waiting with what AWS last failed of."""
    failed = complaint and setback(expected.group, _readable(observations))
    return _waiting_for(f"{complaint}; a launch failed: {failed}" if failed else complaint)


def _waiting_for(complaint: str) -> Verdict:
    return Progressing(reason=complaint) if complaint else Healthy()


def _complaint(expected: Expected, observation: Observation) -> str:
    """Return why the group does not serve in this look, nothing if it does."""
    if observation.unreadable or expected.group not in observation.groups:
        return "not seen"
    return _shortfall(expected, observation) or "; ".join(_unserved(expected, observation))


def _row(expected: Expected, observations: Sequence[Observation]) -> int:
    """Count the looks up to the newest in which the same members were all healthy."""
    members = {member.id for member in current(observations[-1].groups[expected.group])}
    for row, observation in enumerate(reversed(observations)):
        if _complaint(expected, observation):
            return row
        if members != {member.id for member in current(observation.groups[expected.group])}:
            return row
    return len(observations)


def _shortfall(expected: Expected, observation: Observation) -> str:
    """Return how many members are missing and what the others are, nothing if all are there."""
    group = observation.groups[expected.group]
    if group.desired < 1:
        return f"the desired capacity of {group.name} is 0"
    wanted = max(group.desired, expected.least)
    members = current(group)
    good = sum(_is_good(group, member) for member in members)
    others = Counter(_standing(group, m) for m in members if not _is_good(group, m))
    if good >= wanted and not others:
        return ""
    parts = [f"{good} of {wanted} members InService", *(f"{n} {say}" for say, n in others.items())]
    if group.desired < wanted:
        parts.append(f"the desired capacity is {group.desired}")
    if "Launch" in group.suspended and len(members) < wanted:
        parts.append("Launch is suspended")
    return ", ".join(parts)


def _is_good(group: ObservedGroup, member: Member) -> bool:
    fit = member.lifecycle == "InService" and member.health == "Healthy"
    return fit and _is_own(group, member)


def _is_own(group: ObservedGroup, member: Member) -> bool:
    same = (member.template, member.version) == (group.template, group.version)
    return same and bool(member.template)


def _standing(group: ObservedGroup, member: Member) -> str:
    if not _is_own(group, member):
        return f"from {member.template or 'no launch template'} version {member.version or '-'}"
    return member.health if member.health != "Healthy" else member.lifecycle


def _is_healthy(member: Member, balancer: Balancer, observation: Observation) -> bool:
    target = observation.targets.get(balancer.identifier, {}).get(member.id)
    return target is not None and target_health.is_healthy(balancer, target)


def _unserved(expected: Expected, observation: Observation) -> Iterator[str]:
    """Yield what is missing in each load balancer that does not find every member healthy."""
    group = observation.groups[expected.group]
    members = sorted(current(group), key=lambda member: member.id)
    for balancer in expected.balancers:
        listed = observation.targets.get(balancer.identifier, {})
        ill = [m.id for m in members if not _is_healthy(m, balancer, observation)]
        if ill:
            states = _listed(target_health.state(balancer, id_, listed.get(id_)) for id_ in ill)
            paused = "AddToLoadBalancer" in group.suspended and not listed.keys() >= set(ill)
            yield (
                f"{len(members) - len(ill)} of {len(members)} healthy in {balancer.name}: {states}"
                f"{', AddToLoadBalancer is suspended' if paused else ''}"
            )


def _useless(expected: Expected, observation: Observation) -> str:
    """Return which member no health check will ever find healthy, in AWS's words."""
    for balancer in expected.balancers:
        listed = observation.targets.get(balancer.identifier, {})
        for member in current(observation.groups[expected.group]):
            target = listed.get(member.id)
            if target and target_health.is_useless(balancer, target):
                return f"in {balancer.name} {target_health.told(target)}"
    return ""


def _remaining(expected: Expected, observations: Sequence[Observation]) -> str:
    """Return what of the group is still attached or a target, nothing once it has drained."""
    group = observations[-1].groups.get(expected.group)
    ours = {m.id for observation in observations for m in _members(expected.group, observation)}
    return "; ".join(
        said
        for balancer in expected.balancers
        if (said := _left_in(balancer, group, ours, observations[-1]))
    )


def _members(name: str, observation: Observation) -> tuple[Member, ...]:
    group = observation.groups.get(name)
    return group.members if group else ()


def _left_in(
    balancer: Balancer, group: ObservedGroup | None, ours: set[str], observation: Observation
) -> str:
    listed = observation.targets.get(balancer.identifier)
    if listed is None:
        # Not asked for is not known; but who never had a member never had a target.
        return f"the targets of {balancer.name} are not known" if group or ours else ""
    there = [
        target_health.state(balancer, id_, target)
        for id_, target in sorted(listed.items())
        if id_ in ours and target_health.is_there(balancer, target)
    ]
    if there:
        return f"{len(there)} still in {balancer.name}: {_listed(there)}"
    if group and balancer.identifier in group.attached:
        return f"{group.name} is still attached to {balancer.name}"
    return ""


def _listed(words: Iterable[str], between: str = ", ") -> str:
    """Name the first few and count the others."""
    said = list(words)
    more = [f"{len(said) - NAMED} more"] if len(said) > NAMED else []
    return between.join([*said[:NAMED], *more])
