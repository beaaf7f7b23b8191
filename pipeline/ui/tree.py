"""The environment as a tree: load balancers, releases, members by how they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.state import release as releases
from pipeline.core.state.environment import NEXT, ReleaseRecord
from pipeline.core.state.report import seconds_between
from pipeline.core.state.status import Status, taking_over
from pipeline.ui import glyphs
from pipeline.ui.members import IMAGE, RELEASE, VERSION, MemberStatus, standings, state_of
from pipeline.ui.text import age, duration, one_line, table, wrapped

SHOWN = 6
"""Ids of members that stand alike; a document holds them all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A release with a group, or a group that the document does not know."""

    icon: str
    name: str
    role: str
    version: str = ""
    image: str = ""
    size: str = ""
    members: tuple[MemberStatus, ...] = ()
    note: str = ""


def tree(status: Status, now: datetime, width: int) -> list[str]:
    """Return the lines of the tree, none wider than `width` but for words that cannot break."""
    branches = [[line] for line in _balancers(status)]
    found = nodes(status, now)
    heads = table([_head(node) for node in found]) if found else []
    branches += [[head, *_members(node, width)] for head, node in zip(heads, found, strict=True)]
    lines = [one_line(status.environment.environment)]
    for index, branch in enumerate(branches):
        last = index == len(branches) - 1
        begin, beside = (glyphs.LAST, glyphs.BELOW) if last else (glyphs.BRANCH, glyphs.BESIDE)
        lines += [begin + branch[0], *(beside + line for line in branch[1:])]
    return lines


def _balancers(status: Status) -> list[str]:
    kinds = {"elb": "classic", "elbv2": "target group"}
    rows = [
        (one_line(each.name), kinds[each.kind], _targets(status, each)) for each in status.balancers
    ]
    return table(rows) if rows else []


def _targets(status: Status, balancer: Balancer) -> str:
    targets = status.observation.targets.get(balancer.identifier)
    if targets is None:
        return "could not be read"
    ours = {each.id for group in status.observation.groups.values() for each in group.members}
    states = Counter(state_of(each) for each in targets.values())
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    foreign = sorted(targets.keys() - ours)
    strange = f"; in no group shown here: {_ids(foreign)}" if foreign else ""
    return (counted or "no targets") + strange


def nodes(status: Status, now: datetime) -> list[Node]:
    """Return the serving release, the others newest first, then the groups nobody knows."""
    environment = status.environment
    order = sorted(environment.releases, reverse=True)
    order.sort(key=lambda name: name != environment.serving)
    known = {name: group_name(status, name) for name in order}
    strange = sorted(status.observation.groups.keys() - set(known.values()))
    return [
        *(_known(status, environment.releases[name], now) for name in order),
        *(_stranger(status, status.observation.groups[name]) for name in strange),
    ]


def group_name(status: Status, name: str) -> str:
    """Return the name of a release's group."""
    environment = status.environment
    return releases.group_name(environment.app, environment.environment, name)


def wanted(status: Status, release: str, group: ObservedGroup) -> tuple[Balancer, ...]:
    """Return where its members should be targets: everywhere for the one that serves."""
    if release == (taking_over(status) or status.environment.serving):
        return status.balancers
    return tuple(each for each in status.balancers if each.identifier in group.attached)


def _known(status: Status, kept: ReleaseRecord, now: datetime) -> Node:
    name = kept.release.name
    group = status.observation.groups.get(group_name(status, name))
    about = Node(
        icon=glyphs.FAILED,
        name=name,
        role=role(status, kept, now),
        version=one_line(kept.version, 24),
        image=kept.release.ami_id,
    )
    if group is None and status.observation.unreadable:
        return replace(about, icon=glyphs.UNKNOWN, note="its group was not seen, see above")
    if group is None and not kept.made and name != status.environment.serving:
        return replace(about, icon=glyphs.DARK, note="its group is not made yet")
    if group is None:
        return replace(about, note="it has no group in AWS")
    members = standings(group, status.observation, wanted(status, name, group))
    return replace(about, icon=_icon(group, members), size=_size(group), members=members)


def _stranger(status: Status, group: ObservedGroup) -> Node:
    release = group.tags.get(RELEASE, "")
    version = group.tags.get(VERSION, "") or status.versions.get(release, "")
    return Node(
        icon=glyphs.UNKNOWN,
        name=one_line(group.name),
        role=_strange_role(status, release),
        version=one_line(version, 24),
        image=one_line(group.tags.get(IMAGE, "")),
        size=_size(group),
        members=standings(group, status.observation, wanted(status, release, group)),
    )


def _strange_role(status: Status, release: str) -> str:
    deployment = status.environment.deployment
    if deployment and release and release == deployment.green:
        return f"green of the {deployment.kind} in flight"
    return "not in the document"


def role(status: Status, kept: ReleaseRecord, now: datetime) -> str:
    """Return what a release is there for."""
    environment, name = status.environment, kept.release.name
    deployment, over = environment.deployment, taking_over(status)
    if name == environment.serving and not over:
        return "serving"
    if deployment and over and name == deployment.blue:
        return f"blue of the {deployment.kind} in flight"
    if deployment and name == deployment.green:
        return f"green of the {deployment.kind} in flight"
    if kept.failed:
        return "failed, left dark"
    if kept.warm_until == NEXT:
        return "warm until the next promotion"
    return _warm(kept.warm_until, now) if kept.warm_until else "dark"


def _warm(until: str, now: datetime) -> str:
    left = seconds_between(now.isoformat(), until)
    if left is None:
        return "warm"
    if left == 0:
        return "warm, its time is over"
    return f"warm for {duration(left)} more"


def _icon(group: ObservedGroup, members: Sequence[MemberStatus]) -> str:
    if group.status:
        return glyphs.LEAVING
    short = len(group.members) < group.desired
    return members[0].mark if members and not short else glyphs.COMING if short else glyphs.DARK


def _size(group: ObservedGroup) -> str:
    size = f"{len(group.members)} of {group.desired}"
    return f"{size}, {one_line(group.status)}" if group.status else size


def _head(node: Node) -> tuple[str, ...]:
    return f"{node.icon} {node.name}", node.role, node.version, node.image, node.size


def _members(node: Node, width: int) -> list[str]:
    lines: list[str] = []
    texts = [f"{each.mark} {len(each.ids)} {each.text} ({_ids(each.ids)})" for each in node.members]
    texts += [node.note] if node.note else []
    for index, text in enumerate(texts):
        last = index == len(texts) - 1
        begin, beside = (glyphs.LAST, glyphs.BELOW) if last else (glyphs.BRANCH, glyphs.BESIDE)
        first, *rest = wrapped(text, width - len(glyphs.BESIDE) - len(begin) - 2, 0).split("\n")
        lines += [begin + first, *(f"{beside}  {line}" for line in rest)]
    return lines


def _ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(one_line(each) for each in ids[:SHOWN]) + more


def since(kept: ReleaseRecord, now: datetime) -> str:
    """Return how long it has been what it is, empty where nobody wrote that down."""
    return f"for {age(kept.since, now)}" if kept.since else ""
