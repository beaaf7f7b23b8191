"""Attach and detach traffic sources: the load balancers of a group.

EC2 Auto Scaling API Reference, data types TrafficSourceState, LoadBalancerState and
LoadBalancerTargetGroupState, and DescribeLoadBalancers: one list stands behind the
three APIs that attach, detach and describe.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from local_cloud.scaling import processes
from local_cloud.scaling.model import Group, Member, Source
from local_cloud.scaling.ports import Ports

# Seconds beyond its delay after which a source no longer holds a member that still drains.
PATIENCE = 10.0
HEALTHY, UNHEALTHY, DRAINING = "healthy", "unhealthy", "draining"


def attach(group: Group, type_: Literal["elb", "elbv2"], names: Iterable[str], now: float) -> None:
    """Attach sources; an attached one stays, one that is being detached returns."""
    for name in names:
        source = find(group, name)
        if source is None:
            group.sources.append(Source(identifier=name, type=type_, since=now))
        elif not source.is_attached:
            source.state, source.since = "Adding", now


# "Note that the load balancer enters this state [InService] immediately if you attach it in the
# CreateAutoScalingGroup API call" (API Reference, data type LoadBalancerState).
def attach_at_creation(group: Group, type_: Literal["elb", "elbv2"], names: Iterable[str]) -> None:
    """Attach sources to a group that is being created."""
    for name in names:
        if find(group, name) is None:
            group.sources.append(Source(identifier=name, type=type_, state="InService"))


def detach(group: Group, names: Iterable[str], ports: Ports, now: float) -> None:
    """Detach sources; they stay in state Removing until the members have drained."""
    for name in names:
        source = find(group, name)
        if source and source.is_attached:
            source.state, source.since = "Removing", now
            for member in group.members:
                ports.deregister(source, member.instance_id)


def find(group: Group, name: str) -> Source | None:
    """Return a source by its identifier."""
    return next((source for source in group.sources if source.identifier == name), None)


def identifiers(group: Group, type_: str) -> list[str]:
    """Return the attached sources of one type."""
    return [s.identifier for s in group.sources if s.type == type_ and s.is_attached]


def join(group: Group, member: Member, ports: Ports, now: float) -> None:
    """Register a member that comes into service; not while AddToLoadBalancer is suspended."""
    member.not_added = processes.is_suspended(group, "AddToLoadBalancer")
    if member.not_added:
        return
    late = ports.scaled(ports.registration_delay(member.instance_id))
    member.registers_at = now + late if late else None
    if not late:
        register(group, member, ports)


def register(group: Group, member: Member, ports: Ports) -> None:
    """Register a member with every source."""
    for source in group.sources:
        if source.is_attached:
            ports.register(source, member.instance_id)


# A member is in service some time before its load balancer lists it: "Adding - The Auto Scaling
# instances are being registered with the load balancer" (API Reference, LoadBalancerState). AWS
# does not document how long; here a behavior sets it.
def register_late(group: Group, ports: Ports, now: float) -> bool:
    """Register the members that are due."""
    due = [m for m in group.members if m.registers_at is not None and now >= m.registers_at]
    for member in due:
        member.registers_at = None
        if member.lifecycle_state == "InService":
            register(group, member, ports)
    return bool(due)


def leave(group: Group, member: Member, ports: Ports, now: float) -> None:
    """Deregister a member everywhere; it may still have to drain."""
    member.left, member.drained = now, False
    for source in group.sources:
        ports.deregister(source, member.instance_id)


def has_drained(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Return True if no source knows a leaving member any longer."""
    left = member.left if member.left is not None else now
    return all(is_gone(source, member.instance_id, left, ports, now) for source in group.sources)


def is_draining(group: Group, member: Member, ports: Ports) -> bool:
    """Return True if a source reports that a member is draining."""
    return any(ports.health(s).get(member.instance_id) == DRAINING for s in group.sources)


# A source that still lists the member has not processed its deregistration yet.
def is_gone(source: Source, instance: str, left: float, ports: Ports, now: float) -> bool:
    """Return True if a source does not know an instance any more."""
    if instance not in ports.health(source):
        return True
    return now - left > ports.scaled(ports.delay(source)) + PATIENCE


def advance(group: Group, ports: Ports, now: float) -> bool:
    """Advance every source; return True if one changed."""
    moved = [move(group, source, ports, now) for source in list(group.sources)]
    return register_late(group, ports, now) or any(moved)


def move(group: Group, source: Source, ports: Ports, now: float) -> bool:
    """Advance one source."""
    match source.state:
        case "Adding":
            return add(group, source, ports, now)
        case "Added":
            return await_first_healthy(group, source, ports)
        case "Removing":
            return remove(group, source, ports, now)
    return False


# "The state transitions to Added after all Auto Scaling instances are registered" (API
# Reference, DescribeLoadBalancers). Members launched while AddToLoadBalancer was suspended are
# left out (User Guide, "Suspend-resume processes").
def add(group: Group, source: Source, ports: Ports, now: float) -> bool:
    """Register the members in service."""
    if processes.is_suspended(group, "AddToLoadBalancer"):
        return False
    serve = [m for m in group.members if m.lifecycle_state == "InService" and not m.not_added]
    late = max((ports.scaled(ports.registration_delay(m.instance_id)) for m in serve), default=0.0)
    if now - source.since < late:
        return False
    for member in serve:
        ports.register(source, member.instance_id)
    source.state = "Added"
    return True


# "If Elastic Load Balancing health checks are enabled for the Auto Scaling group, the state
# transitions to InService after at least one Auto Scaling instance passes the health check."
def await_first_healthy(group: Group, source: Source, ports: Ports) -> bool:
    """Set a source to InService after a member passed its check."""
    if not checks_balancers(group):
        return False
    health = ports.health(source)
    if any(health.get(m.instance_id) == HEALTHY for m in group.members if m.counts):
        source.state = "InService"
        return True
    return False


def remove(group: Group, source: Source, ports: Ports, now: float) -> bool:
    """Remove a source when the last member has drained."""
    ids = [member.instance_id for member in group.members]
    if all(is_gone(source, instance, source.since, ports, now) for instance in ids):
        group.sources.remove(source)
        return True
    return False


def checks_balancers(group: Group) -> bool:
    """Return True if the group's health check type includes ELB."""
    return "ELB" in str(group.settings.health_check_type).split(",")


def finds_unhealthy(group: Group, member: Member, ports: Ports) -> bool:
    """Return True if a source in service finds a member unhealthy."""
    return any(
        source.state == "InService" and ports.health(source).get(member.instance_id) == UNHEALTHY
        for source in group.sources
    )
