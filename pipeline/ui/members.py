"""How each member of a group stands, in a mark and AWS's own words, and how many stand alike.

For people: what a deployment may do next is decided by `core.health`, never by this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.core.health.observation import Balancer, Member, Observation, ObservedGroup, Target
from pipeline.ui import glyphs
from pipeline.ui.text import one_line

RELEASE, VERSION, IMAGE = (f"ami-pipeline:{name}" for name in ("release", "version", "image"))
"""Tags of a group, as the module terraform/release sets them."""

_FINE = frozenset({"healthy", "InService"})
_LEAVING = frozenset({"draining", "unhealthy.draining"})
_COMING = frozenset({"initial", "unavailable", "Unknown"})
_ORDER = (
    glyphs.FAILED,
    glyphs.UNKNOWN,
    glyphs.COMING,
    glyphs.LEAVING,
    glyphs.DONE,
    glyphs.DARK,
)
# How a classic load balancer words what is not the instance's fault (ELB API, InstanceState).
_NOT_YET = ("registration is still in progress", "has not passed the configured HealthyThreshold")
_DEREGISTERING = "deregistration currently in progress"


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberStatus:
    """Members that stand alike: one of the icons, the words, and their ids."""

    mark: str
    text: str
    ids: tuple[str, ...] = ()


def named(identifier: str, balancers: Iterable[Balancer] = ()) -> str:
    """Return a load balancer's name for people: given, or out of its target group's ARN."""
    known = {each.identifier: each.name for each in balancers}
    if identifier in known:
        return known[identifier]
    return identifier.split("/")[1] if identifier.count("/") > 1 else identifier


def standings(
    group: ObservedGroup, observation: Observation, wanted: Sequence[Balancer]
) -> tuple[MemberStatus, ...]:
    """Return the members by how they stand, the worst first; `wanted` are where they should be."""
    found: dict[tuple[str, str], list[str]] = {}
    for member in group.members:
        found.setdefault(_standing(member, observation, wanted), []).append(member.id)
    return tuple(
        MemberStatus(mark=mark, text=text, ids=tuple(sorted(found[mark, text])))
        for mark, text in sorted(found, key=lambda each: (_ORDER.index(each[0]), each[1]))
    )


def _standing(
    member: Member, observation: Observation, wanted: Sequence[Balancer]
) -> tuple[str, str]:
    mark, words = _own(member)
    seen = sorted(_seen_in(member, observation, wanted), key=lambda each: _ORDER.index(each[0]))
    fine = [name for state, _, name in seen if state == glyphs.DONE]
    texts = [words] if words else []
    texts += [text for state, text, _ in seen if state != glyphs.DONE]
    texts += [f"healthy in {', '.join(fine)}"] if fine else []
    if not texts:
        return glyphs.DARK, "in service, no target"
    marks = [mark, *(state for state, _, _ in seen)]
    return min(marks, key=_ORDER.index), "; ".join(texts)


def _own(member: Member) -> tuple[str, str]:
    """What its group says of it; nothing where that is as it should be."""
    state = one_line(member.lifecycle)
    if state.startswith("Pending"):
        return glyphs.COMING, state
    if member.health != "Healthy":
        return glyphs.FAILED, f"{state}, {one_line(member.health)}"
    return (glyphs.DARK, "") if state == "InService" else (glyphs.LEAVING, state)


def _seen_in(
    member: Member, observation: Observation, wanted: Sequence[Balancer]
) -> list[tuple[str, str, str]]:
    """What each load balancer says of it: mark, words, the load balancer's name."""
    found = []
    for each in wanted:
        target = observation.targets.get(each.identifier, {}).get(member.id)
        if each.identifier not in observation.targets:
            found.append((glyphs.UNKNOWN, f"{each.name} could not be read", each.name))
        elif target:
            found.append((mark_of(target), _told(target, each.name), each.name))
        elif member.lifecycle == "InService":
            found.append((glyphs.COMING, f"not a target of {each.name}", each.name))
    wanting = {each.identifier for each in wanted}
    for identifier, targets in observation.targets.items():
        if identifier not in wanting and member.id in targets:
            name = named(identifier)
            found.append((glyphs.LEAVING, _told(targets[member.id], name), name))
    return found


def mark_of(target: Target) -> str:
    """Return the icon of a target's state."""
    draining = _DEREGISTERING in target.description
    if draining or target.state in _LEAVING:
        return glyphs.LEAVING
    if target.state in _FINE:
        return glyphs.DONE
    if target.state in _COMING or any(words in target.description for words in _NOT_YET):
        return glyphs.COMING
    return glyphs.FAILED


def state_of(target: Target) -> str:
    """Return a target's state in a word; `draining` where a classic load balancer hides that."""
    return "draining" if mark_of(target) == glyphs.LEAVING else one_line(target.state)


def _told(target: Target, name: str) -> str:
    said = ": ".join(
        one_line(word).rstrip(".")
        for word in (target.reason, target.description)
        if word and word != "N/A"
    )
    return f"{state_of(target)} in {name}" + (f": {said}" if said else "")


def tally(group: ObservedGroup) -> str:
    """Return the members by Auto Scaling's states, such as `2 InService, 1 Pending`."""
    states = Counter(
        one_line(each.lifecycle) + ("" if each.health == "Healthy" else f" {one_line(each.health)}")
        for each in group.members
    )
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return counted or "no members"


def targets_of(group: ObservedGroup, observation: Observation, identifier: str) -> str:
    """Return how many members a load balancer lists in which state, empty where it lists none."""
    targets = observation.targets.get(identifier, {})
    states = Counter(
        state_of(targets[each.id]) if each.id in targets else "not listed" for each in group.members
    )
    if identifier not in group.attached and set(states) == {"not listed"}:
        return ""
    return ", ".join(f"{count} {state}" for state, count in states.most_common())
