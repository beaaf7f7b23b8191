"""Count the members of a group by state, for the chart of a report."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup, Target
from pipeline.core.health.target_health import is_draining, is_healthy, is_starting
from pipeline.core.timeline.model import Members, MemberState

_WORST_FIRST = (
    MemberState.UNHEALTHY,
    MemberState.STARTING,
    MemberState.DRAINING,
    MemberState.HEALTHY,
)


def count_members(release: str, group: ObservedGroup, observation: Observation) -> Members:
    """Return how many members of a release's group are in each state."""
    found = Counter(_state_of(each, observation) for each in group.members)
    states = {str(state): found[state] for state in MemberState if found[state]}
    return Members(release=release, desired=group.desired, states=states)


def _state_of(member: Member, observation: Observation) -> MemberState:
    """Return the state of a member: its group's word first, then the worst load balancer's."""
    if member.lifecycle.startswith("Pending"):
        return MemberState.STARTING
    if member.lifecycle != "InService":
        return MemberState.TERMINATING
    if member.health != "Healthy":
        return MemberState.UNHEALTHY
    states = {
        _state_in(identifier, targets[member.id])
        for identifier, targets in observation.targets.items()
        if member.id in targets
    }
    return next((each for each in _WORST_FIRST if each in states), MemberState.IN_SERVICE)


def _state_in(identifier: str, target: Target) -> MemberState:
    if is_draining(target):
        return MemberState.DRAINING
    kind: Literal["elb", "elbv2"] = "elbv2" if identifier.startswith("arn:") else "elb"
    if is_healthy(Balancer(kind=kind, identifier=identifier, name=""), target):
        return MemberState.HEALTHY
    return MemberState.STARTING if is_starting(target) else MemberState.UNHEALTHY
