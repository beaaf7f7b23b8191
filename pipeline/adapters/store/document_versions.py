"""List the versions of an environment's document, check each, and restore one.

`environments.py` rejects a damaged document; this module reads it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.document_writer import DocumentWriter
from pipeline.adapters.store.envelope import NewerError
from pipeline.adapters.store.records.environments import Environments, Versioned
from pipeline.adapters.store.serialization import to_json
from pipeline.core import commands
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
    """The versions of all environments' documents in a store."""

    environments: Environments

    def versions(self, wanted: Environment) -> DocumentVersions:
        """Return the current and the earlier versions, each with its problem, if any."""
        store, key = self.environments.store, self.environments.key(wanted)
        current = store.read(key)
        data = current.data if current else None
        earlier = [each for each in store.versions(key) if each.data != data]
        return DocumentVersions(
            environment=wanted.environment,
            where=store.where(key),
            current=self._check(wanted, current.data) if current else None,
            version=current.version if current else None,
            earlier=tuple(self._check(wanted, each.data, each.when) for each in earlier),
        )

    def restoration(self, wanted: Environment, number: int | None) -> Restoration:
        """Return what restoring a version changes; raises RefusedError if it cannot be restored."""
        found = self.versions(wanted)
        number = choose_version(found, number)
        document = restored_document(found, number)
        before = found.current.text if found.current else ""
        names = ("current", f"version {number}, restored")
        lines = difference(before, shown(document), names)
        return Restoration(versions=found, number=number, document=document, difference=lines)

    def restore(self, restoration: Restoration) -> None:
        """Replace the version that was shown; raises RefusedError if it has changed since."""
        try:
            found = Versioned(
                environment=restoration.document, version=restoration.versions.version
            )
            DocumentWriter(self.environments, found).write(restoration.document)
        except StaleError as error:
            name = restoration.document.environment
            raise RefusedError(
                f"[state] {restoration.versions.where}",
                "has changed meanwhile; nothing was restored",
                commands.state_show(name),
            ) from error

    def _check(
        self, wanted: Environment, data: bytes, when: datetime | None = None
    ) -> DocumentVersion:
        try:
            found = self.environments.parse(wanted, data)
        except RefusedError as error:
            newer = isinstance(error.__cause__, NewerError)
            return DocumentVersion(text=_readable(data), problem=error.what, newer=newer, when=when)
        return DocumentVersion(text=shown(found), environment=found, when=when)


def shown(environment: Environment) -> str:
    """Return a document's content as JSON with sorted keys."""
    return json.dumps(to_json(environment), indent=2, sort_keys=True)


def _readable(data: bytes) -> str:
    """Return the content of a damaged document as JSON, or its bytes as text."""
    try:
        body: Any = json.loads(data)
        content = body["content"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return data.decode("utf-8", "backslashreplace")
    return json.dumps(content, indent=2, sort_keys=True)
