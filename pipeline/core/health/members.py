"""Tell which members of a group serve traffic, and whether enough of them do.

Separate from `assessment`, which judges a whole group over several observations: these questions
are about one observation.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.health.assessment import Expected
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.health.target_health import describe_state, is_failing, is_healthy
from pipeline.core.health.verdict import Healthy, Progressing, Verdict


def healthy_instances(balancers: Sequence[Balancer], observation: Observation) -> set[str]:
    """Return the instances that are healthy in every load balancer."""
    found = [
        {t.id for t in observation.targets.get(each.identifier, {}).values() if is_healthy(each, t)}
        for each in balancers
    ]
    return set.intersection(*found) if found else set()


def healthy_members(
    group: ObservedGroup, balancers: Sequence[Balancer], observation: Observation
) -> set[str]:
    """Return the InService members that are healthy in every load balancer.

    Without a load balancer, Auto Scaling alone says which are healthy.
    """
    in_service = {each.id for each in group.members if each.lifecycle == "InService"}
    if balancers:
        return in_service & healthy_instances(balancers, observation)
    return in_service & {each.id for each in group.members if each.health == "Healthy"}


def unhealthy_members(
    group: ObservedGroup, balancers: Sequence[Balancer], observation: Observation
) -> set[str]:
    """Return the InService members whose health checks fail in a load balancer.

    One that it does not list, or lists as starting or draining, has no failed checks. Without a
    load balancer, Auto Scaling alone says which are unhealthy.
    """
    in_service = {each.id for each in group.members if each.lifecycle == "InService"}
    if not balancers:
        return in_service & {each.id for each in group.members if each.health != "Healthy"}
    listed = ((each, observation.targets.get(each.identifier, {})) for each in balancers)
    failing = {t.id for each, some in listed for t in some.values() if is_failing(each, t)}
    return in_service & failing


def has_healthy_target(name: str, balancers: Sequence[Balancer], observation: Observation) -> bool:
    """Return True if a member of a group is healthy in at least one load balancer.

    Without a load balancer, Auto Scaling alone says whether one is.
    """
    group = observation.groups.get(name)
    if group and not balancers:
        return bool(healthy_members(group, balancers, observation))
    members = {member.id for member in group.members} if group else set[str]()
    return any(
        target.id in members and is_healthy(each, target)
        for each in balancers
        for target in observation.targets.get(each.identifier, {}).values()
    )


def half_healthy(expected: Expected, observation: Observation, other: str = "") -> Verdict:
    """Judge whether at least half of a group's members are healthy in every load balancer.

    A group that may be empty and has a desired capacity of 0 is. Also healthy if no member of the
    group `other` is healthy, in a complete observation.
    """
    if (
        other
        and not observation.unreadable
        and not has_healthy_target(other, expected.balancers, observation)
    ):
        return Healthy()
    group = observation.groups.get(expected.group)
    if group is None:
        return Progressing(reason=f"{expected.group} is not described")
    if group.status:
        return Progressing(reason=f"AWS says of {expected.group}: {group.status}")
    healthy = len(healthy_members(group, expected.balancers, observation))
    if expected.may_be_empty and not group.desired:
        return Healthy()
    if healthy and 2 * healthy >= group.desired:
        return Healthy()
    return Progressing(
        reason=f"{healthy} of {group.desired} members of {expected.group} are healthy"
    )


def newly_unhealthy(expected: Expected, observation: Observation, known: set[str]) -> str:
    """Return what is wrong with an InService member that was healthy before, if one is unhealthy.

    `known` are the instances that were healthy before. Other members still boot: a group may grow
    during a wait.
    """
    if not known:
        return ""
    group = observation.groups.get(expected.group)
    if group is None:
        return f"{expected.group} is not described"
    for member in group.members:
        if member.lifecycle != "InService" or member.id not in known:
            continue
        if not expected.balancers and member.health != "Healthy":
            return f"{member.id} is {member.health} in Auto Scaling"
        for balancer in expected.balancers:
            target = observation.targets.get(balancer.identifier, {}).get(member.id)
            if target is None or not is_healthy(balancer, target):
                return f"{describe_state(balancer, member.id, target)} in {balancer.name}"
    return ""
