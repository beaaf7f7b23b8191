"""Describe the status of each member of a group with an icon and AWS's own words.

For display only: `core.health` decides what a deployment does next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup, Target
from pipeline.core.health.target_health import is_draining, is_starting
from pipeline.ui import icons
from pipeline.ui.text import one_line

RELEASE, VERSION, IMAGE = (f"ami-pipeline:{name}" for name in ("release", "version", "image"))
"""Tags of a group, set by the module terraform/release."""

_HEALTHY = frozenset({"healthy", "InService"})
_ORDER = (
    icons.FAILED,
    icons.UNKNOWN,
    icons.STARTING,
    icons.STOPPING,
    icons.DONE,
    icons.DETACHED,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberStatus:
    """The members with the same status: its icon, its text, and their ids."""

    icon: str
    text: str
    ids: tuple[str, ...] = ()


def named(identifier: str, balancers: Iterable[Balancer] = ()) -> str:
    """Return the name of a load balancer, or the name in the ARN of a target group."""
    known = {each.identifier: each.name for each in balancers}
    if identifier in known:
        return known[identifier]
    return identifier.split("/")[1] if identifier.count("/") > 1 else identifier


def member_statuses(
    group: ObservedGroup,
    observation: Observation,
    wanted: Sequence[Balancer],
    *,
    worker: bool = False,
) -> tuple[MemberStatus, ...]:
    """Return the members by status, the worst first; `wanted` are their load balancers.

    A `worker` needs none.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for member in group.members:
        key = _status_of(member, observation, wanted, worker=worker)
        found.setdefault(key, []).append(member.id)
    return tuple(
        MemberStatus(icon=icon, text=text, ids=tuple(sorted(found[icon, text])))
        for icon, text in sorted(found, key=lambda each: (_ORDER.index(each[0]), each[1]))
    )


def _status_of(
    member: Member, observation: Observation, wanted: Sequence[Balancer], *, worker: bool
) -> tuple[str, str]:
    icon, words = _in_group(member)
    seen = sorted(
        _in_balancers(member, observation, wanted), key=lambda each: _ORDER.index(each[0])
    )
    healthy = [name for state, _, name in seen if state == icons.DONE]
    texts = [words] if words else []
    texts += [text for state, text, _ in seen if state != icons.DONE]
    texts += [f"healthy in {', '.join(healthy)}"] if healthy else []
    if not texts and worker:
        return icons.DONE, "in service"
    if not texts:
        return icons.DETACHED, "in service, not a target"
    found_icons = [icon, *(state for state, _, _ in seen)]
    return min(found_icons, key=_ORDER.index), "; ".join(texts)


def _in_group(member: Member) -> tuple[str, str]:
    """Return the icon and the text of its group; the text is empty if it is in service."""
    state = one_line(member.lifecycle)
    if state.startswith("Pending"):
        return icons.STARTING, state
    if member.health != "Healthy":
        return icons.FAILED, f"{state}, {one_line(member.health)}"
    return (icons.DETACHED, "") if state == "InService" else (icons.STOPPING, state)


def _in_balancers(
    member: Member, observation: Observation, wanted: Sequence[Balancer]
) -> list[tuple[str, str, str]]:
    """Return the icon, the text and the name of each load balancer that lists the member."""
    found = []
    for each in wanted:
        target = observation.targets.get(each.identifier, {}).get(member.id)
        if each.identifier not in observation.targets:
            found.append((icons.UNKNOWN, f"{each.name} is unreadable", each.name))
        elif target:
            found.append((icon_of(target), _describe_target(target, each.name), each.name))
        elif member.lifecycle == "InService":
            found.append((icons.STARTING, f"not a target of {each.name}", each.name))
    expected = {each.identifier for each in wanted}
    for identifier, targets in observation.targets.items():
        if identifier not in expected and member.id in targets:
            name = named(identifier)
            found.append((icons.STOPPING, _describe_target(targets[member.id], name), name))
    return found


def icon_of(target: Target) -> str:
    """Return the icon of a target's state."""
    if is_draining(target):
        return icons.STOPPING
    if target.state in _HEALTHY:
        return icons.DONE
    if is_starting(target):
        return icons.STARTING
    return icons.FAILED


def state_of(target: Target) -> str:
    """Return the state of a target; `draining` also for a classic load balancer."""
    return "draining" if icon_of(target) == icons.STOPPING else one_line(target.state)


def _describe_target(target: Target, name: str) -> str:
    reason = ": ".join(
        one_line(word).rstrip(".")
        for word in (target.reason, target.description)
        if word and word != "N/A"
    )
    return f"{state_of(target)} in {name}" + (f": {reason}" if reason else "")


def tally(group: ObservedGroup) -> str:
    """Return the members by state in Auto Scaling, such as `2 InService, 1 Pending`."""
    states = Counter(
        one_line(each.lifecycle) + ("" if each.health == "Healthy" else f" {one_line(each.health)}")
        for each in group.members
    )
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return counted or "no members"


def targets_of(group: ObservedGroup, observation: Observation, identifier: str) -> str:
    """Return the members by state in a load balancer, empty if it lists none of them."""
    if identifier not in observation.targets:
        return "not read yet" if identifier in group.attached else ""
    targets = observation.targets[identifier]
    states = Counter(
        state_of(targets[each.id]) if each.id in targets else "not listed" for each in group.members
    )
    if identifier not in group.attached and set(states) == {"not listed"}:
        return ""
    return ", ".join(f"{count} {state}" for state, count in states.most_common())
