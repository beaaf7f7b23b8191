"""Carry out users' requests for single members: terminate, detach, attach, standby and others.

EC2 Auto Scaling API Reference, the actions of these names. AWS's clients match the words of the
refusals.
"""

from __future__ import annotations

from collections.abc import Sequence

from local_cloud.scaling import activities, launch_and_service, termination
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import Place, Ports

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
    """Lower the desired capacity, but not below the minimum; return it before and after."""
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


def terminate(group: Group, member: Member, ports: Ports, now: float, *, fewer: bool) -> Activity:
    """Terminate a member; it is replaced unless the capacity is lowered, too."""
    if termination.is_leaving(member) and member.activity:
        return member.activity
    before, after = sizes(group, [member], "Terminating", fewer=fewer)
    what = "taken out of service"
    cause = with_time(ports, activities.by_user(member.instance_id, what, before, after))
    termination.terminate(group, member, ports, cause, now)
    return current(member)


def with_time(ports: Ports, sentence: str) -> str:
    """Return a sentence with the time before it."""
    return activities.at(ports.stamp()) + sentence


def current(member: Member) -> Activity:
    """Return the activity that a request has just started."""
    if member.activity is None:
        raise RuntimeError(f"{member.instance_id} has no activity")
    return member.activity


def detach(
    group: Group, instances: Sequence[str], ports: Ports, now: float, *, fewer: bool
) -> list[Activity]:
    """Detach members from their load balancers and the group; the instances keep running."""
    chosen = named(group, instances)
    in_state(chosen, "InService", "Standby")
    before, after = sizes(group, chosen, "Detaching", fewer=fewer)
    for member in chosen:
        words = activities.by_user(member.instance_id, "detached", before, after)
        termination.detach(group, member, ports, with_time(ports, words), now)
    return [current(member) for member in chosen]


def enter_standby(
    group: Group, instances: Sequence[str], ports: Ports, now: float, *, fewer: bool
) -> list[Activity]:
    """Move members to standby: out of their load balancers, no longer counted as capacity."""
    chosen = named(group, instances)
    in_state(chosen, "InService")
    before, after = sizes(group, chosen, "Moving", fewer=fewer)
    for member in chosen:
        words = activities.by_user(member.instance_id, "moved to standby", before, after)
        termination.to_standby(group, member, ports, with_time(ports, words), now)
    return [current(member) for member in chosen]


# "After you put the instances back in service, the desired capacity is incremented" (API
# Reference, ExitStandby): this must not exceed the maximum.
def exit_standby(group: Group, instances: Sequence[str], ports: Ports) -> list[Activity]:
    """Move members out of standby; they are Pending again and count as capacity."""
    chosen = named(group, instances)
    in_state(chosen, "Standby")
    before, after = grow(group, len(chosen))
    for member in chosen:
        words = activities.by_user(member.instance_id, "moved out of standby", before, after)
        arrive(group, member, ports, (FROM_STANDBY, with_time(ports, words)))
    return [current(member) for member in chosen]


def grow(group: Group, count: int) -> tuple[int, int]:
    """Raise the desired capacity, but not above the maximum; return it before and after."""
    before, maximum = group.settings.desired_capacity, group.settings.max_size
    if before + count > maximum:
        raise invalid(
            f"AutoScalingGroup's current desired capacity ({before}) plus the number of instances "
            f"({count}) exceeds its max size ({maximum})."
        )
    group.settings.desired_capacity = before + count
    return before, before + count


def arrive(group: Group, member: Member, ports: Ports, why: tuple[str, str]) -> None:
    """Take a running instance through the states of a new one, from Pending on."""
    doing, cause = why
    member.lifecycle_state, member.held, member.left, member.drained = "Pending", False, None, False
    place = Place(zone=member.availability_zone, subnet=member.subnet)
    description = f"{doing}: {member.instance_id}"
    member.activity = activities.begin(group, ports, description, cause, place)
    activities.progress(member.activity, "PreInService", 30)


def attach(group: Group, arrivals: Sequence[Member], ports: Ports) -> None:
    """Make running instances members and raise the desired capacity by their number."""
    _, after = grow(group, len(arrivals))
    for member in arrivals:
        words = "an instance was added in response to user request. "
        kept = f"Keeping the capacity at the new {after}."
        arrive(group, member, ports, (ATTACHING, with_time(ports, words + kept)))
        group.members.append(member)


def protect(group: Group, instances: Sequence[str], *, protected: bool) -> None:
    """Protect members from scale-in, or remove the protection."""
    chosen = named(group, instances)
    in_state(chosen, *PROTECTABLE)
    for member in chosen:
        member.protected_from_scale_in = protected


def set_health(
    group: Group, member: Member, ports: Ports, now: float, *, healthy: bool, respect: bool
) -> None:
    """Set the health of a member; `respect` ignores `unhealthy` in the grace period."""
    if not healthy and respect and launch_and_service.in_grace(group, member, ports, now):
        return
    member.health_status = "Healthy" if healthy else "Unhealthy"
    member.unhealthy_reason = "" if healthy else launch_and_service.BY_USER
