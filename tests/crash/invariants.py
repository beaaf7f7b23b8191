"""What has to be so, whatever died when: as functions of what was seen, each a list of sentences.

No sentence means that all is well. The load's own record, which is not seen here, judges whether
a request was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.crash.command_runner import Typed
    from tests.crash.seen import Seen

MEMBERS = 2
"""What serves before each run, and so what must serve at every moment of it."""
DONE, REFUSED, PUT_BACK, NEEDS_ATTENTION, LOST = 0, 3, 4, 5, 6


def frozen(before: Seen, now: Seen) -> list[str]:
    """Judge the world in which a run just died."""
    return [*serves(now), *keeps_last_good(before, now), *knows_all(now), *one_writer(before, now)]


def serves(now: Seen) -> list[str]:
    """Somebody serves, with no less than before, behind every load balancer."""
    if now.capacity() < MEMBERS:
        found = {name: sorted(each) for name, each in now.healthy.items()}
        return [f"healthy members: {found}, attached: {now.attached}"]
    return []


def keeps_last_good(before: Seen, now: Seen) -> list[str]:
    """What the document says serves has its group, template and image."""
    serving = now.serving
    found = []
    if serving not in {before.serving, *now.releases}:
        found.append(f"the document says {serving!r} serves, and does not know it")
    if serving not in now.groups or now.groups[serving].get("Status"):
        found.append(f"{serving} serves by the document and its group is gone")
    if serving not in now.templates:
        found.append(f"{serving} serves by the document and its launch template is gone")
    image = now.releases.get(serving, {}).get("release", {}).get("ami_id")
    if image not in now.images:
        found.append(f"{serving} serves by the document and its image {image} is gone")
    return found


def orphans(now: Seen) -> list[str]:
    """Return what exists at this moment beside what serves: it is for the next command."""
    return sorted((set(now.groups) | set(now.templates)) - {now.serving})


def knows_all(now: Seen) -> list[str]:
    """Nothing exists that the document does not know."""
    strangers = (set(now.groups) | set(now.templates)) - set(now.releases)
    return [f"the document knows nothing of {sorted(strangers)}"] if strangers else []


def one_writer(before: Seen, now: Seen) -> list[str]:
    """The epoch only grows."""
    if now.document["epoch"] < before.document["epoch"]:
        return [f"the epoch fell to {now.document['epoch']}"]
    return []


def never_less(
    before: Mapping[str, frozenset[str]], told: Iterable[tuple[str, str, str]]
) -> list[str]:
    """Behind every load balancer, at no instant fewer healthy members than are to serve.

    `told` are the changes of a member's health, in their order: load balancer, member, state.
    """
    healthy = {name: set(members) for name, members in before.items()}
    found = []
    for balancer, member, state in told:
        if balancer not in healthy:
            continue
        if state == "healthy":
            healthy[balancer].add(member)
        else:
            healthy[balancer].discard(member)
            if len(healthy[balancer]) < MEMBERS:
                left = sorted(healthy[balancer])
                found.append(f"{balancer} had {left} once {member} was {state}")
    return found


def one_writer_each(leases: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each epoch is one process's: nobody else ever wrote under it."""
    writers: dict[int, set[str]] = {}
    for lease in leases:
        writers.setdefault(lease["epoch"], set()).add(f"{lease['owner']} {lease['process']}")
    return [f"epoch {epoch} had {sorted(each)}" for epoch, each in writers.items() if len(each) > 1]


def ended(
    words: tuple[str, ...], typed: Typed, before: Seen, now: Seen, *, in_flight: bool = False
) -> list[str]:
    """Judge the world after a command that ended by itself."""
    found = [*serves(now), *keeps_last_good(before, now), *declared(now, idle=is_idle(typed))]
    found += as_asked(words, typed, now, in_flight=in_flight)
    return found


def survived(words: tuple[str, ...], typed: Typed, before: Seen, now: Seen) -> list[str]:
    """Judge a command that something went wrong for: it says how it ended, and that is true."""
    told = f"{' '.join(words)} ended with {typed.code}"
    if typed.code not in {DONE, REFUSED, PUT_BACK, NEEDS_ATTENTION, LOST}:
        return [f"{told}: {typed.err[-1000:]}"]
    if typed.code == DONE:
        return as_asked(words, typed, now, in_flight=True)
    if typed.code == PUT_BACK and now.serving != before.serving and words[0] == "promote":
        return [f"{told} and {now.serving} serves"]
    return []


def is_idle(typed: Typed) -> bool:
    """Tell whether a command found nothing to do, and so took no lease."""
    outcome = typed.document.get("outcome") if typed.out.strip() else None
    return typed.code == REFUSED or outcome == "unchanged"


def declared(now: Seen, *, idle: bool) -> list[str]:
    """Nothing is on the way; what there is, is what the document says, and the rest is gone.

    The lease of a dead run binds nobody, so a command that had nothing to do left it.
    """
    unfinished = {name: now.document[name] for name in ("deployment", "lease")}
    found = [
        f"the document still has a {name}: {_brief(each)}"
        for name, each in unfinished.items()
        if each is not None and not (name == "lease" and idle)
    ]
    names = set(now.releases)
    for what, there in (("groups", set(now.groups)), ("launch templates", set(now.templates))):
        if there != names:
            found.append(f"{what} are {sorted(there)}, releases {sorted(names)}")
    attached = {name for name, sources in now.attached.items() if sources}
    if attached != {now.serving}:
        found.append(f"{sorted(attached)} are attached, {now.serving} serves")
    failed = [name for name, kept in now.releases.items() if kept["failed"]]
    if failed:
        found.append(f"{failed} were left as failed")
    return found


def as_asked(words: tuple[str, ...], typed: Typed, now: Seen, *, in_flight: bool) -> list[str]:
    """Exit code 0 only where the world is as asked; another only where it says why."""
    verb, told = words[0], f"{' '.join(words)} ended with {typed.code}"
    image = now.releases.get(now.serving, {}).get("release", {}).get("ami_id")
    if verb == "promote":
        if typed.code != DONE:
            return [told]
        return [] if image == words[-1] else [f"{told} and {image} serves"]
    if verb == "recover":
        return [] if typed.code == (DONE if in_flight else REFUSED) else [told]
    if typed.code not in {DONE, REFUSED}:
        return [told]
    if verb == "rollback" and typed.code == DONE and "--to" in words:
        return [] if image == words[-1] else [f"{told} and {image} serves"]
    return []


def _brief(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: document.get(name) for name in ("id", "kind", "phase", "epoch") if name in document
    }
