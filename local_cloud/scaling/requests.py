"""What users ask of single members: terminate, detach, attach, standby, protect, judge.

EC2 Auto Scaling API Reference, the actions of these names; the words of refusals are
those that AWS's clients match.
"""

from __future__ import annotations

from collections.abc import Sequence

from local_cloud.scaling import activities, launch_and_service, termination
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import Place, World

FROM_STANDBY = "Moving EC2 instance out of Standby"
ATTACHING = "Attaching an existing EC2 instance"
PROTECTABLE = ("InService", "EnteringStandby", "Standby")


def named(group: Group, instances: Sequence[str]) -> list[Member]:
    """Return the members of these instances, or refuse."""
    found = []
    for instance in instances:
        if (member := group.find(instance)) is None:
            raise invalid(
                f"The instance {instance} is not part of Auto Scaling group {group.name}."
            )
        found.append(member)
    return found


def in_state(chosen: Sequence[Member], *states: str) -> None:
    """Refuse members in other states."""
    for member in chosen:
        if member.lifecycle_state not in states:
            raise invalid(f"The instance {member.instance_id} is not in {' or '.join(states)}.")


def decrement(group: Group, count: int, doing: str) -> tuple[int, int]:
    """Lower the desired capacity, not under the minimum; return it before and after."""
    before, minimum = group.settings.desired_capacity, group.settings.min_size
    if before - count < minimum:
        raise invalid(
            f"Currently, desiredSize equals minSize ({minimum}). {doing} instance without "
            "replacement will violate group's min size constraint. Either set "
            "shouldDecrementDesiredCapacity flag to false or lower group's min size."
        )
    group.settings.desired_capacity = before - count
    return before, before - count


def sizes(group: Group, chosen: Sequence[Member], doing: str, *, fewer: bool) -> tuple[int, int]:
    """Return the capacity before and after a request that takes members out."""
    if fewer:
        return decrement(group, len(chosen), doing)
    return group.settings.desired_capacity, group.settings.desired_capacity


def terminate(group: Group, member: Member, world: World, now: float, *, fewer: bool) -> Activity:
    """TerminateInstanceInAutoScalingGroup: replaced unless the capacity is lowered with it."""
    if termination.is_leaving(member) and member.activity:
        return member.activity
    before, after = sizes(group, [member], "Terminating", fewer=fewer)
    what = "taken out of service"
    cause = said(world, activities.by_user(member.instance_id, what, before, after))
    termination.terminate(group, member, world, cause, now)
    return current(member)


def said(world: World, sentence: str) -> str:
    """Put the time before a sentence."""
    return activities.at(world.stamp()) + sentence


def current(member: Member) -> Activity:
    """Return the activity that a request has just begun."""
    if member.activity is None:
        raise RuntimeError(f"{member.instance_id} has no activity")
    return member.activity


def detach(
    group: Group, instances: Sequence[str], world: World, now: float, *, fewer: bool
) -> list[Activity]:
    """DetachInstances: the members leave their load balancers and the group, and run on."""
    chosen = named(group, instances)
    in_state(chosen, "InService", "Standby")
    before, after = sizes(group, chosen, "Detaching", fewer=fewer)
    for member in chosen:
        words = activities.by_user(member.instance_id, "detached", before, after)
        termination.detach(group, member, world, said(world, words), now)
    return [current(member) for member in chosen]


def enter_standby(
    group: Group, instances: Sequence[str], world: World, now: float, *, fewer: bool
) -> list[Activity]:
    """EnterStandby: the members leave their load balancers, stay, and do not count."""
    chosen = named(group, instances)
    in_state(chosen, "InService")
    before, after = sizes(group, chosen, "Moving", fewer=fewer)
    for member in chosen:
        words = activities.by_user(member.instance_id, "moved to standby", before, after)
        termination.to_standby(group, member, world, said(world, words), now)
    return [current(member) for member in chosen]


# "After you put the instances back in service, the desired capacity is incremented" (API
# Reference, ExitStandby): that must not exceed the maximum.
def exit_standby(group: Group, instances: Sequence[str], world: World) -> list[Activity]:
    """ExitStandby: the members are Pending again and count."""
    chosen = named(group, instances)
    in_state(chosen, "Standby")
    before, after = grow(group, len(chosen))
    for member in chosen:
        words = activities.by_user(member.instance_id, "moved out of standby", before, after)
        arrive(group, member, world, (FROM_STANDBY, said(world, words)))
    return [current(member) for member in chosen]


def grow(group: Group, count: int) -> tuple[int, int]:
    """Raise the desired capacity, not over the maximum; return it before and after."""
    before, maximum = group.settings.desired_capacity, group.settings.max_size
    if before + count > maximum:
        raise invalid(
            f"AutoScalingGroup's current desired capacity ({before}) plus the number of instances "
            f"({count}) exceeds its max size ({maximum})."
        )
    group.settings.desired_capacity = before + count
    return before, before + count


def arrive(group: Group, member: Member, world: World, why: tuple[str, str]) -> None:
    """Let an instance that runs take the way of a new one, from Pending on."""
    doing, cause = why
    member.lifecycle_state, member.held, member.left, member.drained = "Pending", False, None, False
    place = Place(zone=member.availability_zone, subnet=member.subnet)
    description = f"{doing}: {member.instance_id}"
    member.activity = activities.begin(group, world, description, cause, place)
    activities.progress(member.activity, "PreInService", 30)


def attach(group: Group, arrivals: Sequence[Member], world: World) -> None:
    """AttachInstances: running instances become members, and the capacity grows by them."""
    _, after = grow(group, len(arrivals))
    for member in arrivals:
        words = "an instance was added in response to user request. "
        kept = f"Keeping the capacity at the new {after}."
        arrive(group, member, world, (ATTACHING, said(world, words + kept)))
        group.members.append(member)


def protect(group: Group, instances: Sequence[str], *, protected: bool) -> None:
    """SetInstanceProtection: keep members from being terminated by scale-in, or not."""
    chosen = named(group, instances)
    in_state(chosen, *PROTECTABLE)
    for member in chosen:
        member.protected_from_scale_in = protected


def judge(
    group: Group, member: Member, world: World, now: float, *, healthy: bool, respect: bool
) -> None:
    """SetInstanceHealth: within the grace period nothing, if that is to be respected."""
    if not healthy and respect and launch_and_service.in_grace(group, member, world, now):
        return
    member.health_status = "Healthy" if healthy else "Unhealthy"
    member.because = "" if healthy else launch_and_service.BY_USER
