"""Take members out of a group: deregister, drain, hold by hooks, then terminate or release.

EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle", "Detach or
attach instances", "Temporarily remove instances"; API Reference, ScalingActivityStatusCode
(WaitingForELBConnectionDraining, MidLifecycleAction).
"""

from __future__ import annotations

from local_cloud.scaling import activities, attachments, lifecycle
from local_cloud.scaling.model import PENDING, TERMINATING, Group, Member
from local_cloud.scaling.ports import Ports

DETACHING = "Detaching EC2 instance"
RETAINED = "Terminating:Retained"
TO_STANDBY = "Moving EC2 instance to Standby"


def terminate(group: Group, member: Member, ports: Ports, cause: str, now: float) -> None:
    """Start terminating a member; no hook holds one that never was in service, or was retained."""
    unheld = member.lifecycle_state in PENDING | {RETAINED}
    depart(group, member, ports, ("Terminating", activities.TERMINATING, cause), now)
    member.held = unheld


def detach(group: Group, member: Member, ports: Ports, cause: str, now: float) -> None:
    """Start detaching a member."""
    depart(group, member, ports, ("Detaching", DETACHING, cause), now)


def to_standby(group: Group, member: Member, ports: Ports, cause: str, now: float) -> None:
    """Start moving a member to standby."""
    depart(group, member, ports, ("EnteringStandby", TO_STANDBY, cause), now)


def depart(
    group: Group, member: Member, ports: Ports, why: tuple[str, str, str], now: float
) -> None:
    """Take a member out of service; `why` is its next state, the activity and the cause."""
    state, doing, cause = why
    activities.end(member.activity, ports, "Cancelled")
    member.lifecycle_state, member.held, member.waits = state, False, []
    place = activities.place_of(member)
    description = f"{doing}: {member.instance_id}"
    member.activity = activities.begin(group, ports, description, cause, place)
    attachments.leave(group, member, ports, now)


def drain(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Return True if a leaving member has drained; its activity shows the draining."""
    if group.forced or attachments.has_drained(group, member, ports, now):
        member.drained = True
    elif attachments.is_draining(group, member, ports):
        activities.show_draining(member.activity)
    return member.drained


# With connection draining the group waits for it before it terminates, and before the hooks of
# termination hold the instance (User Guide, "Use Elastic Load Balancing", "Lifecycle hooks").
def terminating(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Drain, wait for the hooks, terminate the member, and forget it when EC2 has."""
    if not member.drained and not drain(group, member, ports, now):
        return False
    if not group.forced and lifecycle.hold(group, member, ports, lifecycle.TERMINATING, now):
        return True
    return end(group, member, ports)


def held(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Wait for the hooks of a leaving member; it goes on after either result.

    With an instance lifecycle policy, an abandoned termination keeps the instance (API Reference,
    RetentionTriggers): it is no capacity, and stays until a person terminates it.
    """
    wait = lifecycle.decided(member, now)
    if not group.forced and wait is None:
        return False
    if not group.forced and wait and wait.result == "ABANDON" and retains(group):
        member.lifecycle_state, member.waits = RETAINED, []
        activities.end(member.activity, ports, "Cancelled")
        return True
    member.lifecycle_state, member.waits = "Terminating:Proceed", []
    return True


def retains(group: Group) -> bool:
    """Return True if the group keeps instances whose termination was abandoned."""
    policy = getattr(group.settings, "instance_lifecycle_policy", None) or {}
    triggers = policy.get("RetentionTriggers") or {}
    return bool(triggers.get("TerminateHookAbandon") == "retain")


def end(group: Group, member: Member, ports: Ports) -> bool:
    """Terminate the instance; the member stays until EC2 shows it as terminated."""
    if not member.ended:
        member.ended = True
        activities.progress(member.activity, "InProgress", 50)
        ports.terminate(member.instance_id)
        return True
    if ports.state(member.instance_id) != "terminated":
        return False
    activities.end(member.activity, ports)
    group.members.remove(member)
    return True


def proceeding(group: Group, member: Member, ports: Ports, _now: float) -> bool:
    """Terminate a member that no hook holds any longer."""
    return end(group, member, ports)


def detaching(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Release a member when it has drained; its instance keeps running."""
    if not drain(group, member, ports, now):
        return False
    ports.release(group, member.instance_id)
    activities.end(member.activity, ports)
    group.members.remove(member)
    return True


def entering_standby(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Move a member to standby when it has drained."""
    if not drain(group, member, ports, now):
        return False
    member.lifecycle_state, member.in_service = "Standby", None
    activities.end(member.activity, ports)
    member.activity = None
    return True


def is_leaving(member: Member) -> bool:
    """Return True if a member is being terminated."""
    return member.lifecycle_state in TERMINATING
