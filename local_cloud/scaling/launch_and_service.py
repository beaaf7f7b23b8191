"""Bring members into service and keep them there: launch, lifecycle hooks, health.

EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle" and "Health checks for
instances in an Auto Scaling group". `termination` has the way out.
"""

from __future__ import annotations

from local_cloud.scaling import activities, attachments, lifecycle, processes, retries, termination
from local_cloud.scaling.model import Group, Member
from local_cloud.scaling.ports import Ports

BY_EC2 = (
    "an instance was taken out of service in response to an EC2 health check indicating it has "
    "been terminated or stopped."
)
BY_ELB = "an instance was taken out of service in response to an ELB system health check failure."
BY_USER = "an instance was taken out of service in response to a user health-check."
FAILED_LAUNCH = "an instance was taken out of service in response to a launch failure."
NEVER_IN_SERVICE = (
    "Instance became unhealthy while waiting for instance to be in InService state. "
    "Termination Reason: "
)

NOTICED_AFTER = 20.0  # AWS's seconds from an instance's end to the next health check


def pending(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Wait for EC2 to run the instance and for its hooks, then bring it into service."""
    state = ports.state(member.instance_id)
    if state == "pending":
        return False
    if state != "running":
        return fail_launch(group, member, ports, now)
    if lifecycle.hold(group, member, ports, lifecycle.LAUNCHING, now):
        return True
    return come_into_service(group, member, ports, now)


def held(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Wait for the hooks of a new member."""
    if ports.state(member.instance_id) != "running":
        return fail_launch(group, member, ports, now)
    if (wait := lifecycle.decided(member, now)) is None:
        return False
    if wait.result == "CONTINUE":
        member.lifecycle_state, member.waits = "Pending:Proceed", []
        activities.progress(member.activity, "InProgress", 60)
        return True
    return cancel_launch(group, member, ports, lifecycle.abandonment(wait), FAILED_LAUNCH, now)


def come_into_service(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Register a member with the group's load balancers and set it in service."""
    attachments.join(group, member, ports, now)
    member.lifecycle_state, member.in_service, member.held = "InService", now, False
    activities.end(member.activity, ports)
    member.activity = None
    group.failures = 0
    return True


# An instance that ends before it is in service: its launch is Cancelled, with EC2's reason
# (User Guide, "Troubleshoot Amazon EC2 Auto Scaling: EC2 instance launch failures").
def fail_launch(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Cancel the launch of a member whose instance ended before it was in service."""
    if processes.is_suspended(group, "HealthCheck"):
        return False
    message = NEVER_IN_SERVICE + ports.reason(member.instance_id)
    member.health_status = "Unhealthy"
    return cancel_launch(group, member, ports, message, BY_EC2, now)


def cancel_launch(
    group: Group, member: Member, ports: Ports, message: str, why: str, now: float
) -> bool:
    """Cancel a launch and terminate its instance, which no hook holds."""
    activities.fail(member.activity, ports, "Cancelled", message)
    retries.postpone(group, ports, now)
    cause = activities.at(ports.stamp()) + why
    termination.terminate(group, member, ports, cause, now)
    return True


def in_service(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Check the health of a member, and replace it if it is unhealthy."""
    if member.health_status == "Healthy":
        member.unhealthy_reason = failed_check(group, member, ports, now)
        if not member.unhealthy_reason:
            return False
        member.health_status = "Unhealthy"
    # Terminate suspended keeps unhealthy members too (User Guide, "Suspend-resume processes").
    if any(processes.is_suspended(group, name) for name in ("ReplaceUnhealthy", "Terminate")):
        return False
    group.replacing += 1
    cause = activities.at(ports.stamp()) + (member.unhealthy_reason or BY_USER)
    termination.terminate(group, member, ports, cause, now)
    return True


# The grace period starts when the instance is InService. An instance that is not running is
# unhealthy even in the grace period (User Guide, "Set the health check grace period"), once
# a periodic health check has found it (User Guide, "Health checks").
def failed_check(group: Group, member: Member, ports: Ports, now: float) -> str:
    """Return the health check that a member fails, or "" if it is healthy."""
    if processes.is_suspended(group, "HealthCheck"):
        return ""
    if ports.state(member.instance_id) not in {"running", "pending"}:
        member.down = now if member.down is None else member.down
        return BY_EC2 if now - member.down >= ports.scaled(NOTICED_AFTER) else ""
    member.down = None
    if not attachments.checks_balancers(group) or in_grace(group, member, ports, now):
        return ""
    return BY_ELB if attachments.finds_unhealthy(group, member, ports) else ""


def in_grace(group: Group, member: Member, ports: Ports, now: float) -> bool:
    """Return True if a member is still in its grace period."""
    began = now if member.in_service is None else member.in_service
    return now - began < ports.scaled(float(group.settings.health_check_grace_period))
