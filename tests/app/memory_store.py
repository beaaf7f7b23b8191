"""A store in memory, with the clock that a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline.adapters.store.base import Document, StaleError
from pipeline.adapters.store.versions import Version


class MemoryStore:
    """Implements `Store`."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.time = datetime(2026, 11, 27, 12, tzinfo=UTC)  # a Friday
        self._writes = 0

    def read(self, key: str) -> Document | None:
        return self.documents.get(key)

    def write(self, key: str, data: bytes, *, expected: str | None) -> str:
        found = self.documents.get(key)
        if (found.version if found else None) != expected:
            raise StaleError
        self._writes += 1
        self.documents[key] = Document(data=data, version=str(self._writes))
        return str(self._writes)

    def delete(self, key: str, *, expected: str | None = None) -> None:
        found = self.documents.get(key)
        if expected and (found.version if found else None) != expected:
            raise StaleError
        self.documents.pop(key, None)

    def keys(self, prefix: str, *, deep: bool = True) -> tuple[str, ...]:
        found = (key for key in self.documents if key.startswith(prefix))
        return tuple(sorted(key for key in found if deep or "/" not in key[len(prefix) :]))

    def versions(self, key: str) -> tuple[Version, ...]:  # noqa: ARG002 - it keeps none
        return ()

    def where(self, key: str) -> str:
        return f"memory/{key}"

    def now(self) -> datetime:
        return self.time

    def wait(self, **passed: float) -> None:
        self.time += timedelta(**passed)
