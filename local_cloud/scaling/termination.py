"""How members leave: deregistered first, drained, held by hooks, then terminated or let go.

EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle", "Detach or
attach instances", "Temporarily remove instances"; API Reference, ScalingActivityStatusCode
(WaitingForELBConnectionDraining, MidLifecycleAction).
"""

from __future__ import annotations

from local_cloud.scaling import activities, attachments, lifecycle
from local_cloud.scaling.model import PENDING, TERMINATING, Group, Member
from local_cloud.scaling.ports import World

DETACHING = "Detaching EC2 instance"
TO_STANDBY = "Moving EC2 instance to Standby"


def terminate(group: Group, member: Member, world: World, cause: str, now: float) -> None:
    """Begin to terminate a member; what never came into service is held by no hook."""
    never_served = member.lifecycle_state in PENDING
    depart(group, member, world, ("Terminating", activities.TERMINATING, cause), now)
    member.held = never_served


def detach(group: Group, member: Member, world: World, cause: str, now: float) -> None:
    """Begin to let a member go."""
    depart(group, member, world, ("Detaching", DETACHING, cause), now)


def to_standby(group: Group, member: Member, world: World, cause: str, now: float) -> None:
    """Begin to put a member aside."""
    depart(group, member, world, ("EnteringStandby", TO_STANDBY, cause), now)


def depart(
    group: Group, member: Member, world: World, why: tuple[str, str, str], now: float
) -> None:
    """Take a member out of service: the state it is in from now on, what is done, the cause."""
    state, doing, cause = why
    activities.end(member.activity, world, "Cancelled")
    member.lifecycle_state, member.held, member.waits = state, False, []
    place = activities.place_of(member)
    description = f"{doing}: {member.instance_id}"
    member.activity = activities.begin(group, world, description, cause, place)
    attachments.leave(group, member, world, now)


def drain(group: Group, member: Member, world: World, now: float) -> bool:
    """Tell whether a leaving member has drained; show that it drains until then."""
    if group.forced or attachments.has_drained(group, member, world, now):
        member.drained = True
    elif attachments.is_draining(group, member, world):
        activities.show_draining(member.activity)
    return member.drained


# With connection draining the group waits for it before it terminates, and before the hooks of
# termination hold the instance (User Guide, "Use Elastic Load Balancing", "Lifecycle hooks").
def terminating(group: Group, member: Member, world: World, now: float) -> bool:
    """Drain, let the hooks hold the member, terminate it, and forget it when EC2 has."""
    if not member.drained and not drain(group, member, world, now):
        return False
    if not group.forced and lifecycle.hold(group, member, world, lifecycle.TERMINATING, now):
        return True
    return end(group, member, world)


def held(group: Group, member: Member, _world: World, now: float) -> bool:
    """Wait for the hooks that hold a member on its way out; either result lets it go on."""
    if not group.forced and lifecycle.decided(member, now) is None:
        return False
    member.lifecycle_state, member.waits = "Terminating:Proceed", []
    return True


def end(group: Group, member: Member, world: World) -> bool:
    """Terminate the instance; the member stays until EC2 says that it is terminated."""
    if not member.ended:
        member.ended = True
        activities.progress(member.activity, "InProgress", 50)
        world.terminate(member.instance_id)
        return True
    if world.state(member.instance_id) != "terminated":
        return False
    activities.end(member.activity, world)
    group.members.remove(member)
    return True


def proceeding(group: Group, member: Member, world: World, _now: float) -> bool:
    """Terminate what no hook holds any more."""
    return end(group, member, world)


def detaching(group: Group, member: Member, world: World, now: float) -> bool:
    """Let a member go when it has drained; its instance runs on."""
    if not drain(group, member, world, now):
        return False
    world.release(group, member.instance_id)
    activities.end(member.activity, world)
    group.members.remove(member)
    return True


def entering_standby(group: Group, member: Member, world: World, now: float) -> bool:
    """Put a member aside when it has drained."""
    if not drain(group, member, world, now):
        return False
    member.lifecycle_state, member.in_service = "Standby", None
    activities.end(member.activity, world)
    member.activity = None
    return True


def is_leaving(member: Member) -> bool:
    """Tell whether a member is on its way to being terminated."""
    return member.lifecycle_state in TERMINATING
