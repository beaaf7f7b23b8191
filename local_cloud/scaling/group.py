"""Advance a group: its members, its traffic sources, its capacity, its deletion.

`step` runs after every API call and periodically. It advances everything as far as possible, so
everything that takes no time has happened when a call returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from local_cloud.scaling import (
    activities,
    attachments,
    balance,
    launch_and_service,
    processes,
    refresh,
    retries,
    termination,
    warm_pool,
)
from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import Launched, LaunchRefusedError, Place, Ports

Move: TypeAlias = Callable[[Group, Member, Ports, float], bool]
MOVES: dict[str, Move] = {
    "Pending": launch_and_service.pending,
    "Pending:Wait": launch_and_service.held,
    "Pending:Proceed": launch_and_service.come_into_service,
    "InService": launch_and_service.in_service,
    "Terminating": termination.terminating,
    "Terminating:Wait": termination.held,
    "Terminating:Proceed": termination.proceeding,
    "Detaching": termination.detaching,
    "EnteringStandby": termination.entering_standby,
}
PASSES = 12  # more than the states on the longest path
DELETING = 5.0  # AWS's seconds from DeleteAutoScalingGroup to the end of an empty group


def step(group: Group, ports: Ports, now: float) -> bool:
    """Advance a group as far as possible; return True if anything changed."""
    moved = False
    for _ in range(PASSES):
        if not one_pass(group, ports, now):
            break
        moved = True
    return moved


def one_pass(group: Group, ports: Ports, now: float) -> bool:
    """Advance each part of a group by one state."""
    moved = [
        MOVES[member.lifecycle_state](group, member, ports, now)
        for member in list(group.members)
        if member.lifecycle_state in MOVES
    ]
    moved.append(attachments.advance(group, ports, now))
    moved += [
        adjust(group, ports, now),
        refresh.advance(group, ports, now),
        warm_pool.advance(group, ports, now),
    ]
    return any(moved)


def adjust(group: Group, ports: Ports, now: float) -> bool:
    """Launch or terminate members until the desired capacity is reached."""
    desired = int(group.settings.desired_capacity)
    difference = desired - group.capacity
    if difference == 0:
        group.requested = ""
        group.replacing = 0
    elif difference > 0 and group.deleting is None:
        return launch(group, ports, difference, now)
    elif difference < 0:
        return shrink(group, ports, -difference, now)
    return False


def launch(group: Group, ports: Ports, count: int, now: float) -> bool:
    """Launch instances where the group has fewest; return True if a launch was tried."""
    if processes.is_suspended(group, "Launch") or not retries.is_due(group, now):
        return False
    places = list(ports.places(group))
    before, after = group.capacity, group.capacity + count
    while places and group.capacity < after:
        place = balance.next_place(places, group.members)
        cause = cause_of_launch(group, ports, before, after)
        if warm_pool.take(group, ports, cause, now):
            continue
        refusal = launch_one(group, ports, place, cause, now)
        if refusal:
            places = [p for p in places if refusal.elsewhere and p.zone != place.zone]
    if group.capacity < after:
        retries.postpone(group, ports, now)
    group.requested = ""
    return True


def launch_one(
    group: Group, ports: Ports, place: Place, cause: str, now: float
) -> LaunchRefusedError | None:
    """Launch one instance; return EC2's refusal, which the activity shows, too."""
    activity = activities.begin(group, ports, activities.LAUNCHING, cause, place)
    try:
        made = ports.launch(group, place)
    except LaunchRefusedError as refusal:
        message = f"{str(refusal).rstrip('.')}. Launching EC2 instance failed."
        activities.fail(activity, ports, "Failed", message)
        return refusal
    activity.description += f": {made.instance}"
    activity.details = activities.details(Place(zone=made.zone, subnet=made.subnet))
    activities.progress(activity, "PreInService", 30)
    group.replacing = max(group.replacing - 1, 0)
    group.members.append(member_of(group, made, activity, now))
    return None


def member_of(group: Group, made: Launched, activity: Activity, now: float) -> Member:
    """Return the member of a launched instance."""
    return Member(
        instance_id=made.instance,
        instance_type=made.instance_type,
        availability_zone=made.zone,
        subnet=made.subnet,
        auto_scaling_group_name=group.name,
        launched=now,
        protected_from_scale_in=bool(group.settings.new_instances_protected_from_scale_in),
        launch_template=made.launch_template,
        launch_configuration_name=made.launch_configuration,
        activity=activity,
    )


def cause_of_launch(group: Group, ports: Ports, before: int, after: int) -> str:
    """Return the cause of a launch: a replacement or the desired capacity."""
    now = activities.at(ports.stamp())
    if group.replacing:
        return now + activities.REPLACEMENT
    request = group.requested and group.requested + activities.GAP
    return request + now + activities.difference("increasing", before, after)


def shrink(group: Group, ports: Ports, count: int, now: float) -> bool:
    """Terminate the members that the termination policies choose."""
    if processes.is_suspended(group, "Terminate"):
        return False
    policies = list(group.settings.termination_policies)
    chosen = balance.selected(group.members, policies, count, now)
    if not chosen:
        return False
    cause = cause_of_shrinking(group, ports, chosen)
    for member in chosen:
        termination.terminate(group, member, ports, cause, now)
    group.requested = ""
    return True


def cause_of_shrinking(group: Group, ports: Ports, chosen: list[Member]) -> str:
    """Return the cause of a scale-in and the selected members."""
    now = activities.at(ports.stamp())
    before = group.capacity
    sentences = [
        *([group.requested] if group.requested else []),
        now + activities.difference("shrinking", before, before - len(chosen)),
        *(f"{now}instance {member.instance_id} was selected for termination." for member in chosen),
    ]
    return activities.GAP.join(sentences)


# DeleteAutoScalingGroup with ForceDelete: "the group is to be deleted along with all instances
# associated with the group, without waiting for all instances to be terminated. This action also
# deletes any outstanding lifecycle actions associated with the group" (API Reference).
def delete(group: Group, ports: Ports, now: float, *, force: bool) -> None:
    """Start deleting a group."""
    group.deleting, group.forced = now, force
    group.settings.status = "Delete in progress"
    group.settings.desired_capacity = group.settings.min_size = 0
    if group.warm_pool:
        group.warm_pool.deleting = True
    cause = activities.at(ports.stamp()) + "a user request deleted the AutoScalingGroup."
    for member in group.members:
        if not termination.is_leaving(member):
            termination.terminate(group, member, ports, cause, now)


def is_gone(group: Group, ports: Ports, now: float) -> bool:
    """Return True if the deletion of a group is complete."""
    if group.deleting is None or group.members or group.warm_pool:
        return False
    return now - group.deleting >= ports.scaled(DELETING)
