"""Traffic sources: which load balancers a group's members are registered with.

EC2 Auto Scaling API Reference, data types TrafficSourceState, LoadBalancerState and
LoadBalancerTargetGroupState, and DescribeLoadBalancers: one list stands behind the
three APIs that attach, detach and describe.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from local_cloud.scaling import processes
from local_cloud.scaling.model import Group, Member, Source
from local_cloud.scaling.ports import World

# Longer than its delay no source keeps a member waiting, even if nobody tells that it drained.
PATIENCE = 10.0
HEALTHY, UNHEALTHY, DRAINING = "healthy", "unhealthy", "draining"


def attach(group: Group, type_: Literal["elb", "elbv2"], names: Iterable[str], now: float) -> None:
    """Attach sources; one that is attached stays as it is, one that is leaving comes back."""
    for name in names:
        source = find(group, name)
        if source is None:
            group.sources.append(Source(identifier=name, type=type_, since=now))
        elif not source.is_attached:
            source.state, source.since = "Adding", now


# "Note that the load balancer enters this state [InService] immediately if you attach it in the
# CreateAutoScalingGroup API call" (API Reference, data type LoadBalancerState).
def attach_at_birth(group: Group, type_: Literal["elb", "elbv2"], names: Iterable[str]) -> None:
    """Attach sources to a group that is being made."""
    for name in names:
        if find(group, name) is None:
            group.sources.append(Source(identifier=name, type=type_, state="InService"))


def detach(group: Group, names: Iterable[str], world: World, now: float) -> None:
    """Detach sources; they stay, Removing, until the members have drained."""
    for name in names:
        source = find(group, name)
        if source and source.is_attached:
            source.state, source.since = "Removing", now
            for member in group.members:
                world.deregister(source, member.instance_id)


def find(group: Group, name: str) -> Source | None:
    """Return a source by its identifier."""
    return next((source for source in group.sources if source.identifier == name), None)


def identifiers(group: Group, type_: str) -> list[str]:
    """Return what a group is attached to, of one type."""
    return [s.identifier for s in group.sources if s.type == type_ and s.is_attached]


def join(group: Group, member: Member, world: World, now: float) -> None:
    """Register a member that comes into service; not while AddToLoadBalancer is suspended."""
    member.unlisted = processes.is_suspended(group, "AddToLoadBalancer")
    if member.unlisted:
        return
    late = world.scaled(world.lateness(member.instance_id))
    member.joins = now + late if late else None
    if not late:
        register(group, member, world)


def register(group: Group, member: Member, world: World) -> None:
    """Register a member with every source."""
    for source in group.sources:
        if source.is_attached:
            world.register(source, member.instance_id)


# That a member is in service and that its load balancer lists it are two things, some time apart:
# "Adding - The Auto Scaling instances are being registered with the load balancer" (API Reference,
# LoadBalancerState). How long it takes is nowhere promised; here it is ordered.
def register_late(group: Group, world: World, now: float) -> bool:
    """Register the members whose time has come."""
    due = [m for m in group.members if m.joins is not None and now >= m.joins]
    for member in due:
        member.joins = None
        if member.lifecycle_state == "InService":
            register(group, member, world)
    return bool(due)


def leave(group: Group, member: Member, world: World, now: float) -> None:
    """Deregister a member everywhere; it may still have to drain."""
    member.left, member.drained = now, False
    for source in group.sources:
        world.deregister(source, member.instance_id)


def has_drained(group: Group, member: Member, world: World, now: float) -> bool:
    """Tell whether no source knows a leaving member any more."""
    left = member.left if member.left is not None else now
    return all(is_gone(source, member.instance_id, left, world, now) for source in group.sources)


def is_draining(group: Group, member: Member, world: World) -> bool:
    """Tell whether a source says that a member drains."""
    return any(world.health(s).get(member.instance_id) == DRAINING for s in group.sources)


# A source that still names the member as one of its own has not heard yet that it left.
def is_gone(source: Source, instance: str, left: float, world: World, now: float) -> bool:
    """Tell whether a source does not know an instance any more."""
    if instance not in world.health(source):
        return True
    return now - left > world.scaled(world.delay(source)) + PATIENCE


def advance(group: Group, world: World, now: float) -> bool:
    """Move every source on; tell whether one moved."""
    moved = [move(group, source, world, now) for source in list(group.sources)]
    return register_late(group, world, now) or any(moved)


def move(group: Group, source: Source, world: World, now: float) -> bool:
    """Move one source on."""
    match source.state:
        case "Adding":
            return add(group, source, world, now)
        case "Added":
            return begin_to_count(group, source, world)
        case "Removing":
            return remove(group, source, world, now)
    return False


# "The state transitions to Added after all Auto Scaling instances are registered" (API
# Reference, DescribeLoadBalancers). What was launched while AddToLoadBalancer was suspended is
# left out (User Guide, "Suspend-resume processes").
def add(group: Group, source: Source, world: World, now: float) -> bool:
    """Register the members that serve."""
    if processes.is_suspended(group, "AddToLoadBalancer"):
        return False
    serve = [m for m in group.members if m.lifecycle_state == "InService" and not m.unlisted]
    late = max((world.scaled(world.lateness(m.instance_id)) for m in serve), default=0.0)
    if now - source.since < late:
        return False
    for member in serve:
        world.register(source, member.instance_id)
    source.state = "Added"
    return True


# "If Elastic Load Balancing health checks are enabled for the Auto Scaling group, the state
# transitions to InService after at least one Auto Scaling instance passes the health check."
def begin_to_count(group: Group, source: Source, world: World) -> bool:
    """Let a source's verdict count once a member passed its check."""
    if not checks_balancers(group):
        return False
    health = world.health(source)
    if any(health.get(m.instance_id) == HEALTHY for m in group.members if m.counts):
        source.state = "InService"
        return True
    return False


def remove(group: Group, source: Source, world: World, now: float) -> bool:
    """Forget a source when the last member has drained."""
    ids = [member.instance_id for member in group.members]
    if all(is_gone(source, instance, source.since, world, now) for instance in ids):
        group.sources.remove(source)
        return True
    return False


def checks_balancers(group: Group) -> bool:
    """Tell whether the group's health check type includes ELB."""
    return "ELB" in str(group.settings.health_check_type).split(",")


def condemns(group: Group, member: Member, world: World) -> bool:
    """Tell whether a source whose verdict counts finds a member unhealthy."""
    return any(
        source.state == "InService" and world.health(source).get(member.instance_id) == UNHEALTHY
        for source in group.sources
    )
