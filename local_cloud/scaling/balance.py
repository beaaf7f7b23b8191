"""Choose where to launch and which members to terminate, and keep the zones even.

EC2 Auto Scaling User Guide, "Distribute instances across Availability Zones" and
"Configure termination policies". AZRebalance, which moves instances between zones
that became uneven by other means, is left out.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from local_cloud.scaling.model import Member
from local_cloud.scaling.ports import Place

Narrow: TypeAlias = Callable[[Sequence[Member], float], list[Member]]
HOUR = 3600.0


def next_place(places: Sequence[Place], members: Iterable[Member]) -> Place:
    """Return the place of the zone, then the subnet, with the fewest members."""
    counted = [member for member in members if member.counts]
    zones = collections.Counter(member.availability_zone for member in counted)
    subnets = collections.Counter(member.subnet for member in counted)
    return min(places, key=lambda place: (zones[place.zone], subnets[place.subnet]))


def selected(
    members: Iterable[Member], policies: Sequence[str], count: int, now: float
) -> list[Member]:
    """Return up to `count` members to terminate; never one protected from scale-in."""
    left = [member for member in members if member.counts]
    chosen: list[Member] = []
    while len(chosen) < count and (one := select(left, policies, now)):
        chosen.append(one)
        left.remove(one)
    return chosen


def select(members: Sequence[Member], policies: Sequence[str], now: float) -> Member | None:
    """Return the next member to terminate: of the fullest zone, by the policies in turn."""
    sizes = collections.Counter(member.availability_zone for member in members)
    free = [member for member in members if not member.protected_from_scale_in]
    if not free:
        return None
    fullest = max(sizes[member.availability_zone] for member in free)
    candidates = [member for member in free if sizes[member.availability_zone] == fullest]
    for policy in policies or ["Default"]:
        candidates = POLICIES.get(policy, no_preference)(candidates, now)
    return candidates[0]


def no_preference(members: Sequence[Member], _now: float) -> list[Member]:
    """Return all members: the next policy decides."""
    return list(members)


def oldest(members: Sequence[Member], _now: float) -> list[Member]:
    """Return the members that were launched first."""
    first = min(member.launched for member in members)
    return [member for member in members if member.launched == first]


def newest(members: Sequence[Member], _now: float) -> list[Member]:
    """Return the members that were launched last."""
    last = max(member.launched for member in members)
    return [member for member in members if member.launched == last]


def oldest_template(members: Sequence[Member], _now: float) -> list[Member]:
    """Return the members of the oldest version of the launch template."""
    versioned = [member for member in members if member.launch_template]
    if not versioned:
        return list(members)
    lowest = min(version(member) for member in versioned)
    return [member for member in versioned if version(member) == lowest]


def version(member: Member) -> int:
    """Return the number of a member's launch template version."""
    return int((member.launch_template or {}).get("Version", 0))


def oldest_configuration(members: Sequence[Member], now: float) -> list[Member]:
    """Return the members whose launch configuration was used first."""
    configured = [member for member in members if member.launch_configuration_name]
    if not configured:
        return list(members)
    oldest_name = oldest(configured, now)[0].launch_configuration_name
    return [member for member in configured if member.launch_configuration_name == oldest_name]


def closest_to_hour(members: Sequence[Member], now: float) -> list[Member]:
    """Return the members that start their next hour first."""
    left = [HOUR - (now - member.launched) % HOUR for member in members]
    return [m for m, rest in zip(members, left, strict=True) if rest == min(left)]


def default(members: Sequence[Member], now: float) -> list[Member]:
    """Return the members of the oldest configuration, then template, then closest to an hour."""
    for policy in (oldest_configuration, oldest_template, closest_to_hour):
        members = policy(members, now)
    return list(members)


POLICIES: dict[str, Narrow] = {
    "Default": default,
    "AllocationStrategy": no_preference,
    "ClosestToNextInstanceHour": closest_to_hour,
    "NewestInstance": newest,
    "OldestInstance": oldest,
    "OldestLaunchConfiguration": oldest_configuration,
    "OldestLaunchTemplate": oldest_template,
}
