"""The invariants of the crash suite: functions of snapshots that return violations as sentences.

An empty list means no violation. Lost requests are counted by the load generator, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.crash import pairs
from tests.crash.pairs import Shift

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.crash.command_runner import CompletedCommand
    from tests.crash.snapshot import Snapshot

MEMBERS = 2
"""The members that serve before each run, and so at every moment of it."""
DONE, REFUSED, ROLLED_BACK, NEEDS_ATTENTION, LOST = 0, 3, 4, 5, 6
PAUSED = 7
SIZES = ("MinSize", "MaxSize", "DesiredCapacity")
NONE: Mapping[str, int] = {}


def when_killed(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the violations at the moment a command was killed."""
    return [
        *serves(after),
        *keeps_last_good(before, after),
        *knows_all(after),
        *one_writer(before, after),
    ]


def serves(after: Snapshot) -> list[str]:
    """Every load balancer has at least as many healthy members as before."""
    if after.capacity() < MEMBERS:
        found = {name: sorted(each) for name, each in after.healthy.items()}
        return [f"healthy members: {found}, attached: {after.attached}"]
    return []


def keeps_last_good(before: Snapshot, after: Snapshot) -> list[str]:
    """The serving release of the document has its group, launch template and image."""
    serving = after.serving
    found = []
    if serving not in {before.serving, *after.releases}:
        found.append(f"the document says {serving!r} serves, but does not know it")
    if serving not in after.groups or after.groups[serving].get("Status"):
        found.append(f"{serving} serves according to the document, but its group does not exist")
    if serving not in after.templates:
        found.append(
            f"{serving} serves according to the document, but its launch template does not exist"
        )
    image = after.releases.get(serving, {}).get("release", {}).get("ami_id")
    if image not in after.images:
        found.append(
            f"{serving} serves according to the document, but its image {image} does not exist"
        )
    return found


def orphans(after: Snapshot) -> list[str]:
    """Return what exists beside the serving release; the next command has to clean it up."""
    return sorted((set(after.groups) | set(after.templates)) - {after.serving})


def pending(content: Mapping[str, Any]) -> list[str]:
    """Return the releases whose removal a document leaves to a later command."""
    return pairs.unremoved(content["releases"] if content else {})


def knows_all(after: Snapshot) -> list[str]:
    """The document knows every group and launch template."""
    unknown = (set(after.groups) | set(after.templates)) - set(after.releases)
    return [f"the document does not know {sorted(unknown)}"] if unknown else []


def one_writer(before: Snapshot, after: Snapshot) -> list[str]:
    """The epoch never decreases."""
    if after.document["epoch"] < before.document["epoch"]:
        return [f"the epoch fell to {after.document['epoch']}"]
    return []


def never_less(
    before: Mapping[str, frozenset[str]],
    changes: Iterable[tuple[str, str, str] | Shift],
    weights: Mapping[str, int] = NONE,
) -> list[str]:
    """No load balancer ever has fewer healthy members than are to serve.

    `changes` are new weights, and changes of a member's health in order: load balancer or target
    group, member, state. A target group whose weight is 0 needs no members.
    """
    healthy = {name: set(members) for name, members in before.items()}
    shares, found = dict(weights), []
    for each in changes:
        if isinstance(each, Shift):
            shares |= each.weights
            names, reason = list(each.weights), f"the weights were {dict(each.weights)}"
        else:
            balancer, member, state = each
            if balancer not in healthy:
                continue
            (healthy[balancer].add if state == "healthy" else healthy[balancer].discard)(member)
            names, reason = [balancer] * (state != "healthy"), f"{member} was {state}"
        found += [
            f"{name} had {sorted(healthy[name])} once {reason}"
            for name in names
            if shares.get(name, 1) and len(healthy[name]) < MEMBERS
        ]
    return found


def one_writer_each(leases: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each epoch belongs to one process: no other process ever wrote under it."""
    writers: dict[int, set[str]] = {}
    for lease in leases:
        writers.setdefault(lease["epoch"], set()).add(f"{lease['owner']} {lease['process']}")
    return [f"epoch {epoch} had {sorted(each)}" for epoch, each in writers.items() if len(each) > 1]


def finish(
    words: tuple[str, ...],
    result: CompletedCommand,
    before: Snapshot,
    after: Snapshot,
    *,
    in_flight: bool = False,
) -> list[str]:
    """Return the violations after a command that ended by itself."""
    found = [
        *serves(after),
        *keeps_last_good(before, after),
        *declared(after, idle=is_idle(result)),
    ]
    found += matches_request(words, result, after, in_flight=in_flight)
    found += [*pairs.ended(after), *same_size(before, after)]
    if words == ("abort",) and result.code == DONE and after.serving != before.serving:
        found.append(f"abort ended with {result.code}, but {after.serving} serves")
    return found


def survived(
    words: tuple[str, ...], result: CompletedCommand, before: Snapshot, after: Snapshot
) -> list[str]:
    """Return the violations after a command with an injected fault: its exit code must be true."""
    summary = f"{' '.join(words)} ended with {result.code}"
    if result.code not in {DONE, REFUSED, ROLLED_BACK, NEEDS_ATTENTION, LOST, PAUSED}:
        return [f"{summary}: {result.err[-1000:]}"]
    if result.code == DONE:
        return matches_request(words, result, after, in_flight=True)
    if result.code == ROLLED_BACK and after.serving != before.serving and words[0] == "promote":
        return [f"{summary}, but {after.serving} serves"]
    return []


def same_size(before: Snapshot, after: Snapshot) -> list[str]:
    """The release that served before has its sizes again, if it serves still."""
    name = before.serving
    if name != after.serving or not {name} <= before.groups.keys() & after.groups.keys():
        return []
    then, now = ({key: each.groups[name].get(key) for key in SIZES} for each in (before, after))
    return [] if then == now else [f"{name} had the sizes {then}, and now has {now}"]


def is_idle(result: CompletedCommand) -> bool:
    """Return True if a command had nothing to do, and so took no lease."""
    outcome = result.document.get("outcome") if result.out.strip() else None
    return result.code == REFUSED or outcome == "unchanged"


def declared(after: Snapshot, *, idle: bool) -> list[str]:
    """No deployment is in flight, and exactly what the document declares exists.

    A killed run's lease expires by itself, so a command that had nothing to do leaves it.
    """
    unfinished = {name: after.document[name] for name in ("deployment", "lease")}
    found = [
        f"the document still has a {name}: {_brief(each)}"
        for name, each in unfinished.items()
        if each is not None and not (name == "lease" and idle)
    ]
    names = set(after.releases)
    for what, existing in (
        ("groups", set(after.groups)),
        ("launch templates", set(after.templates)),
    ):
        if existing != names:
            found.append(f"{what} are {sorted(existing)}, releases {sorted(names)}")
    attached = {name for name, sources in after.attached.items() if sources}
    idle_side = pairs.waiting(after)
    if attached - set(idle_side) != {after.serving}:
        found.append(f"{sorted(attached)} are attached, {after.serving} serves")
    failed = [name for name, kept in after.releases.items() if kept["failed"]]
    if failed:
        found.append(f"{failed} are still marked as failed")
    return found


def matches_request(
    words: tuple[str, ...], result: CompletedCommand, after: Snapshot, *, in_flight: bool
) -> list[str]:
    """Exit code 0 means that the request is fulfilled; other codes only appear where they are
    allowed.
    """
    verb, summary = words[0], f"{' '.join(words)} ended with {result.code}"
    image = after.releases.get(after.serving, {}).get("release", {}).get("ami_id")
    if verb == "promote":
        if result.code != DONE:
            return [summary]
        return [] if image == words[-1] else [f"{summary}, but {image} serves"]
    if verb == "recover":
        return [] if result.code == (DONE if in_flight else REFUSED) else [summary]
    if result.code not in {DONE, REFUSED}:
        return [summary]
    if verb == "rollback" and result.code == DONE and "--to" in words:
        return [] if image == words[-1] else [f"{summary}, but {image} serves"]
    return []


def _brief(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: document.get(name) for name in ("id", "kind", "phase", "epoch") if name in document
    }
