"""The interface of a store: small JSON documents by key, with compare-and-swap.

A write names the version that was read and fails if the document has another version, so two runs
cannot overwrite each other's changes. `directory.py` uses a file lock and an atomic rename, `s3.py`
conditional writes (`If-Match`, `If-None-Match`; S3 User Guide, "conditional writes"). The contents
are defined in `environments.py`, `deployments.py` and `image_records.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pipeline.adapters.store.versions import Version


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document's bytes and the version they were read at."""

    data: bytes
    version: str


class StaleError(Exception):
    """The document has changed since it was read."""


class Store(Protocol):
    """Documents by key; keys are relative paths with `/`."""

    def read(self, key: str) -> Document | None:
        """Return the document, or None if it does not exist."""

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Replace version `expected` (None: the document must be new); return the new version.

        Raises StaleError if the document has another version.
        """

    def delete(self, key: str, *, expected: str | None = None) -> None:
        """Delete the document, only at this version if one is given; a missing one is no error.

        Raises StaleError if the document has another version.
        """

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        """Return the keys below a prefix that ends in `/`, sorted; without `deep`, of one folder.

        The empty prefix is the whole store.
        """

    def versions(self, key: str) -> tuple[Version, ...]:
        """Return the earlier versions of the document that the store keeps, newest first."""

    def where(self, key: str) -> str:
        """Return the document's path or S3 URL, for messages."""

    def now(self) -> datetime:
        """Return the time by the clock that all users of the store share."""
