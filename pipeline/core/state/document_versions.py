"""Choose and prepare an earlier version of an environment's document to restore.

The restored document has the releases, the serving release and the deployment of that version. It
has no lease and a higher epoch, so that no earlier holder can mistake the lease for its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentVersion:
    """One version of a document; `problem` says why it is not intact, empty if it is.

    `text` is its content as JSON, or the file as it is if it cannot be parsed; `environment` is
    None then. `when` is None if unknown. `newer` means that a newer program wrote it.
    """

    text: str
    environment: Environment | None = None
    problem: str = ""
    newer: bool = False
    when: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentVersions:
    """All versions of an environment's document: the current one, and earlier ones, newest first.

    `version` is the store's version of the current one, None if there is none.
    """

    environment: str
    where: str
    current: DocumentVersion | None
    version: str | None
    earlier: tuple[DocumentVersion, ...]

    @property
    def newest_intact(self) -> int:
        """Return the number of the newest intact earlier version, 0 if there is none."""
        intact = (number for number, each in enumerate(self.earlier, 1) if not each.problem)
        return next(intact, 0)

    @property
    def newest_record(self) -> int:
        """Return the number of the newest earlier version that records anything, 0 for none."""
        found = (
            number
            for number, each in enumerate(self.earlier, 1)
            if each.environment and not each.problem and not each.environment.is_empty
        )
        return next(found, 0)

    @property
    def damaged(self) -> bool:
        """Return True if the current document is damaged or missing."""
        return bool(self.current.problem) if self.current else bool(self.earlier)


@dataclass(frozen=True, kw_only=True, slots=True)
class Restoration:
    """A version to restore: its number, the document made of it, and the difference."""

    versions: DocumentVersions
    number: int
    document: Environment
    difference: tuple[str, ...]


def choose_version(versions: DocumentVersions, number: int | None) -> int:
    """Return the number of the version to restore; raise RefusedError if there is none.

    Without a number, it is the newest intact one, if the current document is damaged.
    """
    show = commands.state_show(versions.environment)
    where = f"[state] {versions.where}"
    if versions.current and versions.current.newer:
        raise RefusedError(where, versions.current.problem, commands.UPGRADE)
    if number is None and versions.current and not versions.current.problem:
        what = "is intact: there is nothing to restore"
        raise RefusedError(where, what, f"to restore an earlier version, add its number: {show}")
    if not versions.earlier:
        raise RefusedError(
            where, "the store has no earlier version of it", _without_versions_remedy(versions)
        )
    if number is None and not versions.newest_intact:
        what = f"none of its {len(versions.earlier)} earlier versions is intact"
        raise RefusedError(where, what, show)
    if number is not None and number > len(versions.earlier):
        what = f"has no version {number}, only 1 to {len(versions.earlier)}"
        raise RefusedError(where, what, show)
    found = number or versions.newest_intact
    if problem := versions.earlier[found - 1].problem:
        raise RefusedError(where, f"version {found} {problem}", show)
    return found


def restored_document(versions: DocumentVersions, number: int) -> Environment:
    """Return the document to write: that of the version, without a lease, with a new epoch."""
    environment = versions.earlier[number - 1].environment
    assert environment is not None  # noqa: S101 - `choose_version` returns only intact ones
    documents = [each.environment for each in (versions.current, *versions.earlier) if each]
    known = [each for each in documents if each]
    return replace(
        environment,
        lease=None,
        epoch=max(each.epoch for each in known) + 1,
        broken=max(each.broken for each in known),
        next=max(each.next for each in known),
        # Terraform's state is not restored: its newest program is the one that reads it.
        program=next((each.program for each in known if each.program), ""),
    )


def difference(before: str, after: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of a unified diff of two texts."""
    old, new = before.splitlines(), after.splitlines()
    return tuple(difflib.unified_diff(old, new, names[0], names[1], lineterm="", n=2))


def _without_versions_remedy(versions: DocumentVersions) -> str:
    if not versions.where.startswith("s3://"):
        return "restore it from a backup of the directory"
    bucket = versions.where.removeprefix("s3://").partition("/")[0]
    options = {"bucket": bucket, "versioning-configuration": "Status=Enabled"}
    return "restore it from a backup; to keep versions from now on: " + commands.aws(
        "s3api", "put-bucket-versioning", options
    )
