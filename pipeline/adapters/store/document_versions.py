"""The copies of an environment's document that a store holds, judged, and put back.

Apart from `environments.py`, which takes a document as it must be or refuses it: here one looks
at what is damaged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.document_writer import DocumentWriter
from pipeline.adapters.store.envelope import NewerError
from pipeline.adapters.store.environments import Environments, Versioned
from pipeline.adapters.store.serialization import plain
from pipeline.adapters.store.versions import Version
from pipeline.core.errors import RefusedError
from pipeline.core.state.document_versions import (
    DocumentVersion,
    DocumentVersions,
    Restoration,
    choose_version,
    difference,
    restored_document,
)
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Every copy there is of the documents of a store."""

    environments: Environments

    def copies(self, wanted: Environment) -> DocumentVersions:
        """Return what stands and what stood, each with what is wrong with it."""
        store, key = self.environments.store, self.environments.key(wanted)
        standing = store.read(key)
        now = standing.data if standing else None
        earlier = [each for each in store.versions(key) if each.data != now]
        return DocumentVersions(
            environment=wanted.environment,
            where=store.where(key),
            current=self._judged(wanted, standing.data) if standing else None,
            version=standing.version if standing else None,
            earlier=tuple(self._dated(wanted, each) for each in earlier),
        )

    def restoration(self, wanted: Environment, number: int | None) -> Restoration:
        """Return what putting back a copy comes to; raises RefusedError where it cannot be."""
        copies = self.copies(wanted)
        number = choose_version(copies, number)
        document = restored_document(copies, number)
        before = copies.current.text if copies.current else ""
        names = ("as it stands", f"version {number}, restored")
        lines = difference(before, shown(document), names)
        return Restoration(versions=copies, number=number, document=document, difference=lines)

    def restore(self, restoration: Restoration) -> None:
        """Write it over what stood when it was looked at; raises RefusedError if that changed."""
        try:
            found = Versioned(
                environment=restoration.document, version=restoration.versions.version
            )
            DocumentWriter(self.environments, found).write(restoration.document)
        except StaleError as error:
            name = restoration.document.environment
            raise RefusedError(
                f"[state] {restoration.versions.where}",
                "was written meanwhile: nothing was restored",
                f"ami-pipeline state show -e {name}",
            ) from error

    def _dated(self, wanted: Environment, version: Version) -> DocumentVersion:
        return self._judged(wanted, version.data, version)

    def _judged(
        self, wanted: Environment, data: bytes, version: Version | None = None
    ) -> DocumentVersion:
        when = version.when if version else None
        try:
            found = self.environments.parse(wanted, data)
        except RefusedError as error:
            newer = isinstance(error.__cause__, NewerError)
            return DocumentVersion(text=_readable(data), problem=error.what, newer=newer, when=when)
        return DocumentVersion(text=shown(found), environment=found, when=when)


def shown(environment: Environment) -> str:
    """Return a document's content as JSON with its keys in order."""
    return json.dumps(plain(environment), indent=2, sort_keys=True)


def _readable(data: bytes) -> str:
    """Return the content of what was a document as JSON, or what there is as text."""
    try:
        body: Any = json.loads(data)
        content = body["content"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return data.decode("utf-8", "backslashreplace")
    return json.dumps(content, indent=2, sort_keys=True)
