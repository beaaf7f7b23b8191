"""Hold members with lifecycle hooks on their way in or out of a group.

EC2 Auto Scaling User Guide, "How lifecycle hooks work": all hooks of a transition hold a
member at the same time. CONTINUE lets the others finish, ABANDON ends them. ABANDON of a launch
terminates the instance; a termination goes on after either.
"""

from __future__ import annotations

from local_cloud.scaling import activities
from local_cloud.scaling.model import Group, Member, Wait
from local_cloud.scaling.ports import LifecycleHook, Ports

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
WAITING = {LAUNCHING: "Pending:Wait", TERMINATING: "Terminating:Wait"}
LONGEST = 172_800.0  # seconds: 48 hours, or 100 timeouts if that is less (PutLifecycleHook)
LONGEST_TIMES = 100


def target_state(member: Member) -> str:
    """Return the steady state that a member is in or moves to.

    EC2 Auto Scaling User Guide, "Retrieve the target lifecycle state through instance metadata".
    """
    state = member.lifecycle_state
    steady = {"Terminat": "Terminated", "Detach": "Detached", "Standby": "Standby"}
    steady["EnteringStandby"] = "Standby"
    if state.startswith("Warmed"):
        end = state.partition(":")[2]
        return "Warmed:Running" if end.startswith("Pending") else state
    found = (target for start, target in steady.items() if state.startswith(start))
    return next(found, "InService")


def hold(group: Group, member: Member, ports: Ports, transition: str, now: float) -> bool:
    """Start the hooks of a transition, once; return True if there are any."""
    if member.held:
        return False
    member.held = True
    member.waits = [wait_for(hook, ports, now) for hook in ports.hooks(group, transition)]
    if not member.waits:
        return False
    member.lifecycle_state = WAITING[transition]
    activities.progress(member.activity, "MidLifecycleAction", 40)
    return True


def wait_for(hook: LifecycleHook, ports: Ports, now: float) -> Wait:
    """Return a new lifecycle action."""
    timeout = ports.scaled(hook.timeout)
    limit = ports.scaled(min(LONGEST, hook.timeout * LONGEST_TIMES))
    return Wait(
        hook=hook.name,
        default=hook.default,
        timeout=timeout,
        deadline=now + timeout,
        limit=now + limit,
    )


def decided(member: Member, now: float) -> Wait | None:
    """Return the lifecycle action that decides about a member, or None if none has yet."""
    for wait in member.waits:
        if wait.result is None and now > wait.deadline:
            wait.result, wait.timed_out = wait.default, True
    abandoned = [wait for wait in member.waits if wait.result == "ABANDON"]
    if abandoned:
        return abandoned[0]
    return None if any(wait.result is None for wait in member.waits) else member.waits[-1]


def abandonment(wait: Wait) -> str:
    """Return why a launch was abandoned, in AWS's words."""
    why = (
        "Heartbeat Timeout" if wait.timed_out else "Lifecycle Action Completed with ABANDON Result"
    )
    return (
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "
        f"{wait.token} was abandoned: {why}"
    )


def active(group: Group, hook: str, *, token: str | None, instance: str | None) -> Wait | None:
    """Return the lifecycle action that a call names, by its token or its instance."""
    pooled: list[Member] = group.warm_pool.members if group.warm_pool else []
    for member in (*group.members, *pooled):
        for wait in member.waits:
            matches = wait.token == token if token else member.instance_id == instance
            if wait.hook == hook and matches and wait.result is None:
                return wait
    return None


def record_heartbeat(wait: Wait, now: float) -> None:
    """Extend a lifecycle action to now plus its timeout, up to its limit."""
    wait.deadline = min(now + wait.timeout, wait.limit)
