"""How members come into service and stay there: launch, lifecycle hooks, health.

EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle" and "Health
checks for instances in an Auto Scaling group". How they leave stands in `leaving`.
"""

from __future__ import annotations

from local_cloud.scaling import activities, attachments, lifecycle, processes, retries, termination
from local_cloud.scaling.model import Group, Member
from local_cloud.scaling.ports import World

BY_EC2 = (
    "an instance was taken out of service in response to an EC2 health check indicating it has "
    "been terminated or stopped."
)
BY_ELB = "an instance was taken out of service in response to an ELB system health check failure."
BY_USER = "an instance was taken out of service in response to a user health-check."
FAILED_LAUNCH = "an instance was taken out of service in response to a launch failure."
NEVER_CAME = (
    "Instance became unhealthy while waiting for instance to be in InService state. "
    "Termination Reason: "
)

NOTICED = 20.0  # AWS's seconds from an instance's end to the health check that finds it


def pending(group: Group, member: Member, world: World, now: float) -> bool:
    """Wait until EC2 runs the instance, then for its hooks, then bring it into service."""
    state = world.state(member.instance_id)
    if state == "pending":
        return False
    if state != "running":
        return lose(group, member, world, now)
    if lifecycle.hold(group, member, world, lifecycle.LAUNCHING, now):
        return True
    return come_into_service(group, member, world, now)


def held(group: Group, member: Member, world: World, now: float) -> bool:
    """Wait for the hooks that hold a new member."""
    if world.state(member.instance_id) != "running":
        return lose(group, member, world, now)
    if (wait := lifecycle.decided(member, now)) is None:
        return False
    if wait.result == "CONTINUE":
        member.lifecycle_state, member.waits = "Pending:Proceed", []
        activities.progress(member.activity, "InProgress", 60)
        return True
    return give_up(group, member, world, lifecycle.abandonment(wait), FAILED_LAUNCH, now)


def come_into_service(group: Group, member: Member, world: World, now: float) -> bool:
    """Register a member with the group's load balancers; then it is in service."""
    attachments.join(group, member, world, now)
    member.lifecycle_state, member.in_service, member.held = "InService", now, False
    activities.end(member.activity, world)
    member.activity = None
    group.failures = 0
    return True


# An instance that ends before it is in service: its launch is Cancelled, with EC2's reason
# (User Guide, "Troubleshoot Amazon EC2 Auto Scaling: EC2 instance launch failures").
def lose(group: Group, member: Member, world: World, now: float) -> bool:
    """Give up a member that ended before it came into service."""
    if processes.is_suspended(group, "HealthCheck"):
        return False
    message = NEVER_CAME + world.reason(member.instance_id)
    member.health_status = "Unhealthy"
    return give_up(group, member, world, message, BY_EC2, now)


def give_up(group: Group, member: Member, world: World, message: str, why: str, now: float) -> bool:
    """Cancel a launch and terminate what it made; no hook holds that."""
    activities.fail(member.activity, world, "Cancelled", message)
    retries.postpone(group, world, now)
    cause = activities.at(world.stamp()) + why
    termination.terminate(group, member, world, cause, now)
    return True


def in_service(group: Group, member: Member, world: World, now: float) -> bool:
    """Check the health of a member, and replace it if it is unhealthy."""
    if member.health_status == "Healthy":
        member.because = ailment(group, member, world, now)
        if not member.because:
            return False
        member.health_status = "Unhealthy"
    # Terminate suspended keeps unhealthy members too (User Guide, "Suspend-resume processes").
    if any(processes.is_suspended(group, name) for name in ("ReplaceUnhealthy", "Terminate")):
        return False
    group.replacing += 1
    cause = activities.at(world.stamp()) + (member.because or BY_USER)
    termination.terminate(group, member, world, cause, now)
    return True


# The grace period begins when the instance is InService; an instance that does not run is
# unhealthy whatever the grace period (User Guide, "Set the health check grace period"), once
# one of the periodic health checks has found it so (User Guide, "Health checks").
def ailment(group: Group, member: Member, world: World, now: float) -> str:
    """Say what health check a member fails; nothing if it is well."""
    if processes.is_suspended(group, "HealthCheck"):
        return ""
    if world.state(member.instance_id) not in {"running", "pending"}:
        member.down = now if member.down is None else member.down
        return BY_EC2 if now - member.down >= world.scaled(NOTICED) else ""
    member.down = None
    if not attachments.checks_balancers(group) or in_grace(group, member, world, now):
        return ""
    return BY_ELB if attachments.condemns(group, member, world) else ""


def in_grace(group: Group, member: Member, world: World, now: float) -> bool:
    """Tell whether a member is still in its grace period."""
    began = now if member.in_service is None else member.in_service
    return now - began < world.scaled(float(group.settings.health_check_grace_period))
