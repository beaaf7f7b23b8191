"""What a group does next: its members, its traffic sources, its capacity, its end.

`step` is called after every API call and from a clock. It moves everything on as far
as it goes now, so that where nothing takes time everything has happened when a call returns.
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
    retries,
    termination,
)
from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import Launched, LaunchRefusedError, Place, World

Move: TypeAlias = Callable[[Group, Member, World, float], bool]
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
PASSES = 12  # more than the states on the longest way
DELETING = 5.0  # AWS's seconds from DeleteAutoScalingGroup, or the last member, until it is gone


def step(group: Group, world: World, now: float) -> bool:
    """Move a group on as far as it goes now; tell whether anything moved."""
    moved = False
    for _ in range(PASSES):
        if not one_pass(group, world, now):
            break
        moved = True
    return moved


def one_pass(group: Group, world: World, now: float) -> bool:
    """Move each part of a group on by one state."""
    moved = [
        MOVES[member.lifecycle_state](group, member, world, now)
        for member in list(group.members)
        if member.lifecycle_state in MOVES
    ]
    moved.append(attachments.advance(group, world, now))
    moved.append(adjust(group, world, now))
    return any(moved)


def adjust(group: Group, world: World, now: float) -> bool:
    """Launch or terminate what desired and actual capacity differ by."""
    desired = int(group.settings.desired_capacity)
    difference = desired - group.capacity
    if difference == 0:
        group.requested = ""
        group.replacing = 0
    elif difference > 0 and group.deleting is None:
        return launch(group, world, difference, now)
    elif difference < 0:
        return shrink(group, world, -difference, now)
    return False


def launch(group: Group, world: World, count: int, now: float) -> bool:
    """Launch instances, each where the group has fewest; tell whether it was tried."""
    if processes.is_suspended(group, "Launch") or not retries.is_due(group, now):
        return False
    places = list(world.places(group))
    before, after = group.capacity, group.capacity + count
    while places and group.capacity < after:
        place = balance.next_place(places, group.members)
        cause = cause_of_launch(group, world, before, after)
        refusal = launch_one(group, world, place, cause, now)
        if refusal:
            places = [p for p in places if refusal.elsewhere and p.zone != place.zone]
    if group.capacity < after:
        retries.postpone(group, world, now)
    group.requested = ""
    return True


def launch_one(
    group: Group, world: World, place: Place, cause: str, now: float
) -> LaunchRefusedError | None:
    """Launch one instance; return EC2's refusal, which the activity shows too."""
    activity = activities.begin(group, world, activities.LAUNCHING, cause, place)
    try:
        made = world.launch(group, place)
    except LaunchRefusedError as refusal:
        message = f"{str(refusal).rstrip('.')}. Launching EC2 instance failed."
        activities.fail(activity, world, "Failed", message)
        return refusal
    activity.description += f": {made.instance}"
    activity.details = activities.details(Place(zone=made.zone, subnet=made.subnet))
    activities.progress(activity, "PreInService", 30)
    group.replacing = max(group.replacing - 1, 0)
    group.members.append(member_of(group, made, activity, now))
    return None


def member_of(group: Group, made: Launched, activity: Activity, now: float) -> Member:
    """Make the member of an instance that was launched."""
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


def cause_of_launch(group: Group, world: World, before: int, after: int) -> str:
    """Say why an instance is launched: to replace one, or for a capacity that was asked for."""
    now = activities.at(world.stamp())
    if group.replacing:
        return now + activities.REPLACEMENT
    asked = group.requested and group.requested + activities.GAP
    return asked + now + activities.difference("increasing", before, after)


def shrink(group: Group, world: World, count: int, now: float) -> bool:
    """Terminate the members that the termination policies choose."""
    if processes.is_suspended(group, "Terminate"):
        return False
    policies = list(group.settings.termination_policies)
    chosen = balance.selected(group.members, policies, count, now)
    if not chosen:
        return False
    cause = cause_of_shrinking(group, world, chosen)
    for member in chosen:
        termination.terminate(group, member, world, cause, now)
    group.requested = ""
    return True


def cause_of_shrinking(group: Group, world: World, chosen: list[Member]) -> str:
    """Say why members are terminated, and which were selected."""
    now = activities.at(world.stamp())
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
def delete(group: Group, world: World, now: float, *, force: bool) -> None:
    """Begin to delete a group."""
    group.deleting, group.forced = now, force
    group.settings.status = "Delete in progress"
    group.settings.desired_capacity = group.settings.min_size = 0
    cause = activities.at(world.stamp()) + "a user request deleted the AutoScalingGroup."
    for member in group.members:
        if not termination.is_leaving(member):
            termination.terminate(group, member, world, cause, now)


def is_gone(group: Group, world: World, now: float) -> bool:
    """Tell whether a group that was deleted is no more."""
    if group.deleting is None or group.members:
        return False
    return now - group.deleting >= world.scaled(DELETING)
