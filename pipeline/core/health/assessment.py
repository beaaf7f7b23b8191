"""Judge a whole group by the latest observations: in service, healthy, drained, deleted.

Pure functions, and every answer errs on the safe side. Only members on the group's own launch
template version count, except in a group that the pipeline did not create. A member that a load
balancer does not list is not healthy. An application load balancer without a healthy target sends
requests to all ("fail open"), so a target's own state decides and not whether the site answers. An
incomplete observation is neither good nor bad. `unrecoverable` decides whether a group can never
become healthy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.core.health import target_health
from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup
from pipeline.core.health.unrecoverable import (
    current,
    last_launch_failure,
    why_unrecoverable,
)
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict

DELETED_OBSERVATIONS = 2
"""Consecutive observations without a group before it counts as deleted: one may be stale."""

NAMED = 3
"""Members that one line names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a group is judged against: its name, its load balancers and its least size.

    `least` is the size it must reach whatever its own desired capacity, 0 for none: the live
    desired capacity of the group whose traffic it takes over. `patience` is how many seconds EC2
    may have no capacity for it. `may_be_empty` says that a desired capacity of 0 is no failure: a
    schedule or a person set it, and the group was proven before. `any_version` counts members of
    any launch template version: the pipeline did not create the group.
    """

    group: str
    balancers: tuple[Balancer, ...] = ()
    least: int = 0
    patience: float = 300.0
    may_be_empty: bool = False
    any_version: bool = False


def all_in_service(expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Judge whether every member is InService on the group's own launch template version.

    `observations` are those of this wait, newest last: earlier trouble does not count.
    """
    return _early_verdict(expected, observations) or _verdict(
        _shortfall(expected, observations[-1]), expected, observations
    )


def all_healthy(
    expected: Expected, observations: Sequence[Observation], *, in_a_row: int
) -> Verdict:
    """Judge whether every member is healthy in every balancer, in consecutive observations.

    All of them must be complete and show the same members. A target is healthy after one passed
    check (ALB, "Health checks for target groups"), so one observation is no proof.
    """
    if verdict := _early_verdict(expected, observations):
        return verdict
    if useless := _useless_target(expected, observations[-1]):
        return Failed(reason=useless)
    if complaint := _complaint(expected, observations[-1]):
        return _verdict(complaint, expected, observations)
    row = _row(expected, observations[-in_a_row:])
    if row < in_a_row:
        return Progressing(reason=f"every member is healthy, {row} of {in_a_row} checks in a row")
    return Healthy()


def drained(expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Judge whether no member, of this or an earlier observation, is a target any longer.

    A draining member still is one: it has requests in flight. A group that AWS does not describe
    has drained once its earlier members have.
    """
    if unread := _unread(observations):
        return Progressing(reason=unread)
    return _progressing(_remaining(expected, observations))


def leaving(expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Judge whether no member gets new requests any longer: each has left, or it drains."""
    if unread := _unread(observations):
        return Progressing(reason=unread)
    return _progressing(_remaining(expected, observations, may_drain=True))


def stopping(name: str, observations: Sequence[Observation]) -> Verdict:
    """Judge whether a group launches no member, and each of its members leaves.

    One that a termination hook holds ends what it works on.
    """
    verdict = stopped(name, observations)
    if isinstance(verdict, Healthy) or _unread(observations):
        return verdict
    group = observations[-1].groups[name]
    leaves = all(each.lifecycle.startswith("Terminat") for each in group.members)
    return Healthy() if leaves and not group.maximum else verdict


def stopped(name: str, observations: Sequence[Observation]) -> Verdict:
    """Judge whether a group has no member any longer, and launches none.

    A member that a termination hook holds still works. A group that AWS does not describe has
    stopped.
    """
    if unread := _unread(observations):
        return Progressing(reason=unread)
    group = observations[-1].groups.get(name)
    if group is None:
        return Healthy()
    if group.maximum:
        return Progressing(reason=f"the maximum size of {name} is still {group.maximum}")
    if not group.members:
        return Healthy()
    states = Counter(_leaving_state(member) for member in group.members)
    listed = _list(f"{n} {state}" for state, n in sorted(states.items()))
    return Progressing(reason=f"{len(group.members)} members of {name} are left: {listed}")


def _leaving_state(member: Member) -> str:
    """Return the lifecycle state of a member that leaves, and what holds it."""
    if member.lifecycle == "Terminating:Wait":
        return "Terminating:Wait (held by a termination hook)"
    held = member.protected and member.lifecycle == "InService"
    return f"{member.lifecycle} (protected from scale-in)" if held else member.lifecycle


def deleted(groups: Iterable[str], observations: Sequence[Observation]) -> Verdict:
    """Judge whether AWS describes none of the groups, in two consecutive observations."""
    if unread := _unread(observations):
        return Progressing(reason=unread)
    names = tuple(groups)
    there = [observations[-1].groups[name] for name in names if name in observations[-1].groups]
    if there:
        states = (f"{group.name}: {group.status or 'still exists'}" for group in there)
        return Progressing(reason=_list(states, "; "))
    last = observations[-DELETED_OBSERVATIONS:]
    seen = any(
        observation.unreadable or observation.groups.keys() & set(names) for observation in last
    )
    if names and (seen or len(last) < DELETED_OBSERVATIONS):
        verb = "is" if len(names) == 1 else "are"
        return Progressing(reason=f"{_list(names)} {verb} gone (confirming once more)")
    return Healthy()


def _unread(observations: Sequence[Observation]) -> str:
    if not observations:
        return "no observation yet"
    if observations[-1].unreadable:
        return f"could not be read: {'; '.join(observations[-1].unreadable)}"
    return ""


def _early_verdict(expected: Expected, observations: Sequence[Observation]) -> Verdict | None:
    """Return the verdict that does not depend on the members' health, if there is one."""
    if unread := _unread(observations):
        return Progressing(reason=unread)
    if expected.group not in observations[-1].groups:
        seen = any(expected.group in observation.groups for observation in observations)
        return Progressing(
            reason=f"{expected.group} is not described {'any more' if seen else 'yet'}"
        )
    complete = _complete(observations)
    reason = why_unrecoverable(expected.group, complete, patience=expected.patience)
    return Failed(reason=reason) if reason else None


def _complete(observations: Iterable[Observation]) -> list[Observation]:
    return [observation for observation in observations if not observation.unreadable]


def _verdict(complaint: str, expected: Expected, observations: Sequence[Observation]) -> Verdict:
    """Return Healthy without a complaint, otherwise Progressing with the last launch failure."""
    failed = complaint and last_launch_failure(expected.group, _complete(observations))
    return _progressing(f"{complaint}; a launch failed: {failed}" if failed else complaint)


def _progressing(complaint: str) -> Verdict:
    return Progressing(reason=complaint) if complaint else Healthy()


def _complaint(expected: Expected, observation: Observation) -> str:
    """Return why the group is not healthy in this observation, nothing if it is."""
    if observation.unreadable or expected.group not in observation.groups:
        return "not described"
    return _shortfall(expected, observation) or "; ".join(_unhealthy(expected, observation))


def _row(expected: Expected, observations: Sequence[Observation]) -> int:
    """Count the observations up to the newest in which the same members were all healthy."""
    members = {member.id for member in current(observations[-1].groups[expected.group])}
    for row, observation in enumerate(reversed(observations)):
        if _complaint(expected, observation):
            return row
        if members != {member.id for member in current(observation.groups[expected.group])}:
            return row
    return len(observations)


def _shortfall(expected: Expected, observation: Observation) -> str:
    """Return how many members are missing and the others' states, nothing if all are InService."""
    group = observation.groups[expected.group]
    wanted = max(group.desired, expected.least)
    if group.desired < 1 and (wanted or not expected.may_be_empty):
        return f"the desired capacity of {group.name} is 0"
    members = current(group)
    bad = [member for member in members if not _is_good(expected, group, member)]
    others = Counter(_member_state(expected, group, member) for member in bad)
    good = len(members) - len(bad)
    if good >= wanted and not others:
        return ""
    parts = [
        f"{good} of {wanted} members InService",
        *(f"{n} {what}" for what, n in others.items()),
    ]
    if group.desired < wanted:
        parts.append(f"the desired capacity is {group.desired}")
    if "Launch" in group.suspended and len(members) < wanted:
        parts.append("Launch is suspended")
    return ", ".join(parts)


def _is_good(expected: Expected, group: ObservedGroup, member: Member) -> bool:
    in_service = member.lifecycle == "InService" and member.health == "Healthy"
    return in_service and _is_own(expected, group, member)


def _is_own(expected: Expected, group: ObservedGroup, member: Member) -> bool:
    if expected.any_version:
        return True
    same = (member.template, member.version) == (group.template, group.version)
    return same and bool(member.template)


def _member_state(expected: Expected, group: ObservedGroup, member: Member) -> str:
    if not _is_own(expected, group, member):
        return f"from {member.template or 'no launch template'} version {member.version or '-'}"
    return member.health if member.health != "Healthy" else member.lifecycle


def _is_healthy(member: Member, balancer: Balancer, observation: Observation) -> bool:
    target = observation.targets.get(balancer.identifier, {}).get(member.id)
    return target is not None and target_health.is_healthy(balancer, target)


def _unhealthy(expected: Expected, observation: Observation) -> Iterator[str]:
    """Yield the members' states in each load balancer that does not find all of them healthy."""
    group = observation.groups[expected.group]
    members = sorted(current(group), key=lambda member: member.id)
    for balancer in expected.balancers:
        listed = observation.targets.get(balancer.identifier, {})
        ids = [m.id for m in members if not _is_healthy(m, balancer, observation)]
        if ids:
            states = _list(target_health.describe_state(balancer, i, listed.get(i)) for i in ids)
            paused = "AddToLoadBalancer" in group.suspended and not listed.keys() >= set(ids)
            yield (
                f"{len(members) - len(ids)} of {len(members)} healthy in {balancer.name}: {states}"
                f"{', AddToLoadBalancer is suspended' if paused else ''}"
            )


def _useless_target(expected: Expected, observation: Observation) -> str:
    """Return which member no health check can ever find healthy, in AWS's words."""
    for balancer in expected.balancers:
        listed = observation.targets.get(balancer.identifier, {})
        for member in current(observation.groups[expected.group]):
            target = listed.get(member.id)
            if target and target_health.is_useless(balancer, target):
                return f"in {balancer.name} {target_health.describe(target)}"
    return ""


def _remaining(
    expected: Expected, observations: Sequence[Observation], *, may_drain: bool = False
) -> str:
    """Return which members are still targets, nothing once the group has drained.

    One that `may_drain` counts only until it does.
    """
    group = observations[-1].groups.get(expected.group)
    ours = {m.id for observation in observations for m in _members(expected.group, observation)}
    return "; ".join(
        remaining
        for balancer in expected.balancers
        if (remaining := _remaining_in(balancer, group, ours, observations[-1], may_drain))
    )


def _members(name: str, observation: Observation) -> tuple[Member, ...]:
    group = observation.groups.get(name)
    return group.members if group else ()


def _remaining_in(
    balancer: Balancer,
    group: ObservedGroup | None,
    ours: set[str],
    observation: Observation,
    may_drain: bool,
) -> str:
    listed = observation.targets.get(balancer.identifier)
    if listed is None:
        # The targets were not read; a group that never had a member never had a target.
        return f"the targets of {balancer.name} were not read" if group or ours else ""
    there = [
        target_health.describe_state(balancer, id_, target)
        for id_, target in sorted(listed.items())
        if id_ in ours and target_health.is_registered(balancer, target)
        if not (may_drain and target_health.is_draining(target))
    ]
    if there:
        return f"{len(there)} still in {balancer.name}: {_list(there)}"
    if group and balancer.identifier in group.attached:
        return f"{group.name} is still attached to {balancer.name}"
    return ""


def _list(words: Iterable[str], between: str = ", ") -> str:
    """Name the first few and count the others."""
    every = list(words)
    more = [f"{len(every) - NAMED} more"] if len(every) > NAMED else []
    return between.join([*every[:NAMED], *more])
