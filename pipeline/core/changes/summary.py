"""Say in one line what a release brings: for notifications, the history and outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.core.changes.model import (
    Changes,
    CommitChange,
    ImageChange,
    PackageChanges,
    PackageUpdate,
    SizeChange,
)

_KERNEL = re.compile(r"kernel(?:-default|-core|-uek)?(?:\d[\d.]*)?|linux-image-[a-z][a-z0-9-]*")
"""The packages that are the kernel: of RPM systems, and Debian's and Ubuntu's meta packages."""
_NAMED = 3
"""How many inputs and packages a summary names at most."""


def summary(changes: Changes) -> str:
    """Return what differs, in one line; empty if nothing is known to differ.

    Texts of users are as they are: the caller escapes them.
    """
    return ", ".join(_parts(changes))


def brought(changes: Changes) -> str:
    """Return what an image brings, in one line: also that its packages are unknown, and why."""
    unknown = changes.packages.unknown
    parts = [*_parts(changes), *([f"unknown packages ({unknown})"] if unknown else [])]
    if not unknown and not changes.packages.total:
        parts.append("no changed package")
    return ", ".join(parts)


def _parts(changes: Changes) -> Iterator[str]:
    yield from _commits(changes.commits)
    yield from _source(changes.source)
    yield from _packages(changes.packages)
    names = [each.name for each in changes.inputs.changed]
    if names:
        shown = ", ".join(names[:_NAMED]) if len(names) <= _NAMED else f"{names[0]}, ..."
        yield f"{_count(len(names), 'input')} ({shown})"
    yield from _size(changes.size)


def _commits(commits: CommitChange) -> Iterator[str]:
    more = 0 if commits.added and commits.removed else commits.more
    if commits.added:
        yield _count(len(commits.added) + more, "commit")
    if commits.removed:
        yield f"{_count(len(commits.removed) + more, 'commit')} less"
    differ = commits.before and commits.after and commits.before != commits.after
    if differ and not (commits.added or commits.removed):
        yield f"commit {commits.before[:7]} -> {commits.after[:7]}"
    if commits.dirty:
        yield "uncommitted changes"


def _source(source: ImageChange) -> Iterator[str]:
    if not source.differs or source.before is None or source.after is None:
        return
    dates = source.before.created[:10], source.after.created[:10]
    if all(dates) and dates[0] != dates[1]:
        yield f"source image of {dates[0]} -> {dates[1]}"
    else:
        yield f"source image {source.before.id} -> {source.after.id}"


def _packages(packages: PackageChanges) -> Iterator[str]:
    if not packages.total:
        return
    kernel = kernel_update(packages)
    text = _count(packages.total, "package")
    yield f"{text}, kernel {kernel}" if kernel else text


def kernel_update(packages: PackageChanges) -> str:
    """Return the versions of the kernel if they differ: `6.1.112 -> 6.1.115`, otherwise empty."""
    updates = (*packages.upgraded, *packages.downgraded)
    found = next((each for each in updates if _KERNEL.fullmatch(each.name)), None)
    return versions(found) if found else ""


def versions(update: PackageUpdate) -> str:
    """Return both versions, without epoch and release if the rest differs."""
    short = tuple(_upstream(each) for each in (update.before, update.after))
    whole = (update.before, update.after)
    return " -> ".join(short if short[0] != short[1] else whole)


def _upstream(version: str) -> str:
    """Return a version without its epoch and its release: `1:6.1.112-1` is `6.1.112`."""
    return version.rpartition(":")[2].partition("-")[0]


def _size(size: SizeChange) -> Iterator[str]:
    before, after = size.before, size.after
    if before and after and before.desired != after.desired:
        yield f"{before.desired} -> {_count(after.desired, 'instance')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
