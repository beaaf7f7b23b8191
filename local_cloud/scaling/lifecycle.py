"""Lifecycle hooks: what holds a member on its way in or out, and what lets it go on.

EC2 Auto Scaling User Guide, "How lifecycle hooks work": all hooks of a transition hold a
member at once; CONTINUE lets the others finish, ABANDON ends them. Of a launch ABANDON
terminates the instance, of a termination both go on.
"""

from __future__ import annotations

from local_cloud.scaling import activities
from local_cloud.scaling.model import Group, Member, Wait
from local_cloud.scaling.ports import LifecycleHook, World

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
WAITING = {LAUNCHING: "Pending:Wait", TERMINATING: "Terminating:Wait"}
LONGEST = 172_800.0  # seconds: 48 hours, or 100 timeouts if that is less (PutLifecycleHook)
LONGEST_TIMES = 100


def hold(group: Group, member: Member, world: World, transition: str, now: float) -> bool:
    """Let the hooks of a transition hold a member, once; tell whether there are any."""
    if member.held:
        return False
    member.held = True
    member.waits = [wait_for(hook, world, now) for hook in world.hooks(group, transition)]
    if not member.waits:
        return False
    member.lifecycle_state = WAITING[transition]
    activities.progress(member.activity, "MidLifecycleAction", 40)
    return True


def wait_for(hook: LifecycleHook, world: World, now: float) -> Wait:
    """Begin a lifecycle action."""
    timeout = world.scaled(hook.timeout)
    limit = world.scaled(min(LONGEST, hook.timeout * LONGEST_TIMES))
    return Wait(
        hook=hook.name,
        default=hook.default,
        timeout=timeout,
        deadline=now + timeout,
        limit=now + limit,
    )


def decided(member: Member, now: float) -> Wait | None:
    """Return the lifecycle action that decides what becomes of a member, if one does yet."""
    for wait in member.waits:
        if wait.result is None and now > wait.deadline:
            wait.result, wait.timed_out = wait.default, True
    abandoned = [wait for wait in member.waits if wait.result == "ABANDON"]
    if abandoned:
        return abandoned[0]
    return None if any(wait.result is None for wait in member.waits) else member.waits[-1]


def abandonment(wait: Wait) -> str:
    """Say why a launch came to nothing, in AWS's words."""
    why = (
        "Heartbeat Timeout" if wait.timed_out else "Lifecycle Action Completed with ABANDON Result"
    )
    return (
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "
        f"{wait.token} was abandoned: {why}"
    )


def active(group: Group, hook: str, *, token: str | None, instance: str | None) -> Wait | None:
    """Find the lifecycle action that a call means, by its token or its instance."""
    for member in group.members:
        for wait in member.waits:
            meant = wait.token == token if token else member.instance_id == instance
            if wait.hook == hook and meant and wait.result is None:
                return wait
    return None


def beat(wait: Wait, now: float) -> None:
    """Extend a lifecycle action by its timeout, from now on, as far as it may go."""
    wait.deadline = min(now + wait.timeout, wait.limit)
