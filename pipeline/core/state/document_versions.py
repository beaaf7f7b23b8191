"""Putting back an earlier version of an environment's document: which one, and as what.

What it says of the releases, of what serves and of what is in flight comes back as it was. The
lease does not, and the epoch goes on, so that no run that held a lease can mistake it for its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core.errors import RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """What a document said from a time on; `wrong` tells why it is not to be relied on.

    `text` is what a person reads of it: its content as JSON, or the file as it is. `environment`
    is None where the content could not be read; `when` where nobody knows. `newer`: nothing is
    wrong but that this version cannot read it.
    """

    text: str
    environment: Environment | None = None
    wrong: str = ""
    newer: bool = False
    when: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Copies:
    """All copies of an environment's document: the one that stands, and earlier ones, newest first.

    `version` is that of the one that stands, None without one.
    """

    environment: str
    where: str
    current: Copy | None
    version: str | None
    earlier: tuple[Copy, ...]

    @property
    def good(self) -> int:
        """The number of the newest earlier copy that is whole and ours, 0 where there is none."""
        whole = (number for number, each in enumerate(self.earlier, 1) if not each.wrong)
        return next(whole, 0)

    @property
    def damaged(self) -> bool:
        """Whether the document that stands is not to be relied on, or gone."""
        return bool(self.current.wrong) if self.current else bool(self.earlier)


@dataclass(frozen=True, kw_only=True, slots=True)
class Restoration:
    """What restoring comes to: the copy's number, the document made of it, and the difference."""

    copies: Copies
    number: int
    document: Environment
    difference: tuple[str, ...]


def chosen(copies: Copies, number: int | None) -> int:
    """Return the number of the copy to put back; raises RefusedError where there is none.

    Without a number it is the newest that is whole, and only where what stands is not.
    """
    observation = f"ami-pipeline state show -e {copies.environment}"
    where = f"[state] {copies.where}"
    if copies.current and copies.current.newer:
        run = "run the version that wrote it, or a later one: pip install --upgrade ami-pipeline"
        raise RefusedError(where, copies.current.wrong, run)
    if number is None and copies.current and not copies.current.wrong:
        what = "is whole: there is nothing to restore"
        raise RefusedError(where, what, f"to put back an earlier version, name it: {observation}")
    if not copies.earlier:
        raise RefusedError(where, "no earlier version of it was kept", _nothing_kept(copies))
    if number is None and not copies.good:
        what = f"of {len(copies.earlier)} earlier versions none is whole"
        raise RefusedError(where, what, observation)
    if number is not None and number > len(copies.earlier):
        what = f"there is no version {number}: {len(copies.earlier)} were kept"
        raise RefusedError(where, what, observation)
    found = number or copies.good
    if wrong := copies.earlier[found - 1].wrong:
        raise RefusedError(where, f"version {found} {wrong}", observation)
    return found


def restored(copies: Copies, number: int) -> Environment:
    """Return the document to write: the copy's, under no lease, of an epoch that none ever had."""
    environment = copies.earlier[number - 1].environment
    assert environment is not None  # noqa: S101 - `chosen` gives no other
    every = [each.environment for each in (copies.current, *copies.earlier) if each]
    known = [each for each in every if each]
    return replace(
        environment,
        lease=None,
        epoch=max(each.epoch for each in known) + 1,
        broken=max(each.broken for each in known),
        next=max(each.next for each in known),
    )


def difference(before: str, after: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a unified diff of two texts."""
    old, new = before.splitlines(), after.splitlines()
    return tuple(difflib.unified_diff(old, new, names[0], names[1], lineterm="", n=2))


def _nothing_kept(copies: Copies) -> str:
    if not copies.where.startswith("s3://"):
        return "put it back from a backup of the directory"
    bucket = copies.where.removeprefix("s3://").partition("/")[0]
    return (
        "put it back from a backup; and for the next time: aws s3api put-bucket-versioning "
        f"--bucket {bucket} --versioning-configuration Status=Enabled"
    )
