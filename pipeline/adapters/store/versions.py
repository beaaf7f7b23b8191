"""What a document said before: the versions that S3 keeps, and those that a directory does.

Apart from the store's own reading and writing, which knows the version that stands and no other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import call

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEPT = 10
"""Versions of a document that are kept in a directory, and looked at in S3."""
FOLDER = ".versions"
ALWAYS_REWRITTEN = "environments/"
"""The documents of which a directory keeps versions: the others are written once, or can be made
anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """What a document said from a time on, UTC."""

    when: datetime
    data: bytes


def keep(folder: Path, key: str, data: bytes) -> None:
    """Keep what a document of a directory says, if that is not what was kept last; raises nothing.

    A copy, not a second name for the file: who spoils that one in its place spoils no copy. It is
    not synced, for those before it are on the disk; and one that cannot be made is no reason not
    to write the document.
    """
    if not key.startswith(ALWAYS_REWRITTEN):
        return
    place = folder / FOLDER / key
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        older = sorted(place.iterdir())
        if older and older[-1].read_bytes() == data:
            return
        path = place / f"{time.time_ns():020}.json"
        path.touch(mode=0o600)
        path.write_bytes(data)
        for old in older[: 1 - KEPT]:
            old.unlink(missing_ok=True)


def kept(folder: Path, key: str) -> tuple[Version, ...]:
    """Return what a directory kept of a document, newest first."""
    place = folder / FOLDER / key
    names = sorted(place.iterdir(), reverse=True) if place.is_dir() else []
    return tuple(_version(each) for each in names)


def _version(path: Path) -> Version:
    when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Version(when=when, data=path.read_bytes())


def kept_by_s3(s3: S3Client, at: Mapping[str, Any]) -> tuple[Version, ...]:
    """Return the newest versions of an object but the one that stands, newest first.

    None where the bucket's versioning was never turned on. S3 lists a key's versions newest
    first (S3 API Reference, ListObjectVersions).
    """
    where: dict[str, Any] = dict(at)
    key = where.pop("Key")
    listed = call(s3.list_object_versions, **where, Prefix=key, MaxKeys=10 * KEPT)
    versions = [each for each in listed.get("Versions", []) if each["Key"] == key]
    earlier = [each for each in versions if not each["IsLatest"]]
    found = []
    for each in earlier[:KEPT]:
        answer = call(s3.get_object, **at, VersionId=each["VersionId"])
        when = each["LastModified"].astimezone(UTC)
        found.append(Version(when=when, data=answer["Body"].read()))
    return tuple(found)
