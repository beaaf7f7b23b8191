"""Render an environment as a tree: its load balancers, its releases, their members by status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.state.environment import NEXT, ReleaseRecord
from pipeline.core.state.ownership import other_owner
from pipeline.core.state.report import seconds_between
from pipeline.core.state.status import Status, taking_over
from pipeline.core.times import format_duration
from pipeline.ui import icons
from pipeline.ui.member_status import (
    IMAGE,
    RELEASE,
    VERSION,
    MemberStatus,
    member_statuses,
    state_of,
)
from pipeline.ui.text import age, one_line, table, wrapped

MOST_IDS = 6
"""How many ids of members with the same status are shown; the JSON document has all."""


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
    """Return the lines of the tree, at most `width` wide unless a word is longer."""
    branches = [[line] for line in _balancers(status)]
    found = nodes(status, now)
    heads = table([_head(node) for node in found]) if found else []
    branches += [[head, *_members(node, width)] for head, node in zip(heads, found, strict=True)]
    lines = [one_line(status.environment.environment)]
    for index, branch in enumerate(branches):
        last = index == len(branches) - 1
        begin, beside = (icons.LAST, icons.BELOW) if last else (icons.BRANCH, icons.BESIDE)
        lines += [begin + branch[0], *(beside + line for line in branch[1:])]
    return lines


def _balancers(status: Status) -> list[str]:
    kinds = {"elb": "classic", "elbv2": "target group"}
    rows = [
        (one_line(each.name), kinds[each.kind], _targets(status, each))
        for each in status.all_balancers
    ]
    rows += [(one_line(each.name), kinds[each.kind], "does not exist") for each in status.absent]
    return table(rows) if rows else []


def _targets(status: Status, balancer: Balancer) -> str:
    targets = status.observation.targets.get(balancer.identifier)
    if targets is None:
        return "unreadable"
    known = {each.id for group in status.observation.groups.values() for each in group.members}
    states = Counter(state_of(each) for each in targets.values())
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    foreign = sorted(targets.keys() - known)
    others = f"; not in a group below: {_ids(foreign)}" if foreign else ""
    share = status.share(balancer)
    part = "" if share is None else f", {share} % of requests"
    return (counted or "no targets") + part + others


def nodes(status: Status, now: datetime) -> list[Node]:
    """Return the serving release, the others newest first, then the unknown groups."""
    environment = status.environment
    order = sorted(environment.releases, reverse=True)
    order.sort(key=lambda name: name != environment.serving)
    known = {name: environment.group(name) for name in order}
    unknown = sorted(status.observation.groups.keys() - set(known.values()))
    return [
        *(_known(status, environment.releases[name], now) for name in order),
        *(_unknown(status, status.observation.groups[name]) for name in unknown),
    ]


def wanted(status: Status, release: str, group: ObservedGroup) -> tuple[Balancer, ...]:
    """Return the load balancers in which its members should be targets."""
    if release == (taking_over(status) or status.environment.serving):
        return status.balancers_of(release)
    return tuple(each for each in status.all_balancers if each.identifier in group.attached)


def _statuses(status: Status, release: str, group: ObservedGroup) -> tuple[MemberStatus, ...]:
    balancers = wanted(status, release, group)
    return member_statuses(group, status.observation, balancers, worker=status.is_worker)


def _known(status: Status, record: ReleaseRecord, now: datetime) -> Node:
    name = record.release.name
    group = status.observation.groups.get(status.environment.group(name))
    about = Node(
        icon=icons.FAILED,
        name=name,
        role=role(status, record, now),
        version=one_line(record.version, 24),
        image=record.release.ami_id,
    )
    if group is None and status.observation.unreadable:
        return replace(about, icon=icons.UNKNOWN, note="its group is unreadable, see above")
    if group is None and not record.made and name != status.environment.serving:
        return replace(about, icon=icons.DETACHED, note="its group is not created yet")
    if group is None:
        return replace(about, note="its group does not exist")
    members = _statuses(status, name, group)
    return replace(about, icon=_icon(group, members), size=_size(group), members=members)


def _unknown(status: Status, group: ObservedGroup) -> Node:
    release = group.tags.get(RELEASE, "")
    version = group.tags.get(VERSION, "") or status.versions.get(release, "")
    return Node(
        icon=icons.UNKNOWN,
        name=one_line(group.name),
        role=_unknown_role(status, group, release),
        version=one_line(version, 24),
        image=one_line(group.tags.get(IMAGE, "")),
        size=_size(group),
        members=_statuses(status, release, group),
    )


def _unknown_role(status: Status, group: ObservedGroup, release: str) -> str:
    deployment = status.environment.deployment
    if deployment and release and release == deployment.green:
        return f"green of the {deployment.kind} in flight"
    return _owner(status, group)


def _owner(status: Status, group: ObservedGroup) -> str:
    """Return to whom a group belongs that the document does not know, by its tags."""
    if not group.tags.get(RELEASE):
        return "not managed by ami-pipeline"
    owner = other_owner(status.environment, group.tags)
    return one_line(f"of {owner}") if owner else "not in the document"


def role(status: Status, record: ReleaseRecord, now: datetime) -> str:
    """Return the role of a release."""
    environment, name = status.environment, record.release.name
    deployment, successor = environment.deployment, taking_over(status)
    group = one_line(record.adopted.name) if record.adopted else ""
    if name == environment.serving and not successor:
        return f"serving, adopted {group}" if group else "serving"
    if deployment and successor and name == deployment.blue:
        return f"blue of the {deployment.kind} in flight"
    if deployment and name == deployment.green:
        return f"green of the {deployment.kind} in flight"
    return _detached(record, now)


def _detached(record: ReleaseRecord, now: datetime) -> str:
    if record.removal:
        return "removal pending"
    if record.failed:
        return "failed, kept for debugging"
    if record.adopted:
        return f"adopted {one_line(record.adopted.name)}, detached"
    if record.warm_until == NEXT:
        return "warm until the next promotion"
    return _warm(record.warm_until, now) if record.warm_until else "detached"


def _warm(until: str, now: datetime) -> str:
    left = seconds_between(now.isoformat(), until)
    if left is None:
        return "warm"
    if left == 0:
        return "warm, expired"
    return f"warm for {format_duration(left)} more"


def _icon(group: ObservedGroup, members: Sequence[MemberStatus]) -> str:
    if group.status:
        return icons.STOPPING
    short = len(group.members) < group.desired
    return members[0].icon if members and not short else icons.STARTING if short else icons.DETACHED


def _size(group: ObservedGroup) -> str:
    size = f"{len(group.members)} of {group.desired}"
    return f"{size}, {one_line(group.status)}" if group.status else size


def _head(node: Node) -> tuple[str, ...]:
    return f"{node.icon} {node.name}", node.role, node.version, node.image, node.size


def _members(node: Node, width: int) -> list[str]:
    lines: list[str] = []
    texts = [f"{each.icon} {len(each.ids)} {each.text} ({_ids(each.ids)})" for each in node.members]
    texts += [node.note] if node.note else []
    for index, text in enumerate(texts):
        last = index == len(texts) - 1
        begin, beside = (icons.LAST, icons.BELOW) if last else (icons.BRANCH, icons.BESIDE)
        first, *rest = wrapped(text, width - len(icons.BESIDE) - len(begin) - 2, 0).split("\n")
        lines += [begin + first, *(f"{beside}  {line}" for line in rest)]
    return lines


def _ids(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
    return ", ".join(one_line(each) for each in ids[:MOST_IDS]) + more


def since(record: ReleaseRecord, now: datetime) -> str:
    """Return for how long it has served, empty if unknown."""
    return f"for {age(record.since, now)}" if record.since else ""
