"""Keep and read the earlier versions of a document, in a directory and in S3.

The store itself reads and writes only the current version.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.retry import call, download

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEPT = 10
"""Versions of a document that are kept in a directory, and read from S3."""
FOLDER = ".versions"
ALWAYS_REWRITTEN = "environments/"
"""The documents whose versions a directory keeps; others are written once or can be recreated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """The bytes of a document since `when`, UTC."""

    when: datetime
    data: bytes


def save_version(folder: Path, key: str, data: bytes) -> None:
    """Keep a copy of a document in a directory unless the newest copy is equal; raises nothing.

    A copy and not a hard link, so that damage to the document leaves its versions intact. The
    copy is not synced: earlier ones are on the disk. A failed copy must not stop the write.
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


def read_versions(folder: Path, key: str) -> tuple[Version, ...]:
    """Return the versions of a document in a directory, newest first."""
    place = folder / FOLDER / key
    names = sorted(place.iterdir(), reverse=True) if place.is_dir() else []
    return tuple(_version(each) for each in names)


def _version(path: Path) -> Version:
    when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Version(when=when, data=path.read_bytes())


def read_s3_versions(s3: S3Client, at: Mapping[str, Any]) -> tuple[Version, ...]:
    """Return up to `KEPT` earlier versions of an object, newest first.

    There are none if the bucket's versioning was never enabled. S3 lists the versions of a key
    newest first (S3 API Reference, ListObjectVersions).
    """
    where: dict[str, Any] = dict(at)
    key = where.pop("Key")
    listed = call(s3.list_object_versions, **where, Prefix=key, MaxKeys=10 * KEPT)
    versions = [each for each in listed.get("Versions", []) if each["Key"] == key]
    earlier = [each for each in versions if not each["IsLatest"]]
    found = []
    for each in earlier[:KEPT]:
        _, data = download(s3.get_object, **at, VersionId=each["VersionId"])
        when = each["LastModified"].astimezone(UTC)
        found.append(Version(when=when, data=data))
    return tuple(found)
