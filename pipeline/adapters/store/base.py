"""Where documents live: small JSON files in a directory or under an S3 prefix.

A document is written with the version it was read at; a write on a version that
is no longer the current one is refused, so two runs can never overwrite each
other unseen. The directory does it with a file lock and an atomic rename, S3 with
conditional writes (`If-Match`, `If-None-Match`; S3 User Guide, "conditional
writes"). What the documents mean is known elsewhere (`records.py`).
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
    """The document was written by someone else since it was read."""


class Store(Protocol):
    """Documents by key; keys are relative paths with `/`."""

    def read(self, key: str) -> Document | None:
        """Return the document, or None where there is none."""

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        """Write over version `expected` (None: the document must be new); return the new version.

        Raises StaleError where the document is at another version.
        """

    def delete(self, key: str, *, expected: str | None = None) -> None:
        """Delete the document, at this version only if one is given; gone already is no error.

        Raises StaleError where the document is at another version.
        """

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        """Return the keys below a prefix that ends in `/`, sorted; not `deep`: in this folder only.

        The empty prefix is the whole store.
        """

    def versions(self, key: str) -> tuple[Version, ...]:
        """Return what the document said before, newest first, as far as the store kept it."""

    def where(self, key: str) -> str:
        """Return where a person finds the document: a path, or an S3 address."""

    def now(self) -> datetime:
        """Return the time by the clock that all who share the store go by."""
