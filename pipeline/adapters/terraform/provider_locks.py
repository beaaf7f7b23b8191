"""Keep the dependency lock file of an environment in the store, one for each program.

It is a document of its own (ADR 0037): the environment's document is rewritten every few seconds
by the lease, and a lock file with several providers is larger than that document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.adapters.store.records.environments import newer_error
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.provider_lock import ProviderLock

_FOLDER = "providers/"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedLock:
    """A lock as the store has it; `version` is None if there is none."""

    lock: ProviderLock | None
    version: str | None


@dataclass(frozen=True, kw_only=True)
class ProviderLocks:
    """The recorded locks of one environment; methods raise RefusedError for a damaged one."""

    store: Store
    environment: str

    def read(self, program: str) -> RecordedLock:
        """Return the lock of a program, `terraform` or `tofu`."""
        key = self._key(program)
        document = self.store.read(key)
        if document is None:
            return RecordedLock(lock=None, version=None)
        return RecordedLock(lock=self._parse(key, document.data), version=document.version)

    def programs(self) -> tuple[str, ...]:
        """Return the programs that have a lock."""
        name = re.compile(re.escape(_FOLDER + self.environment) + r"\.(\w+)\.json")
        keys = self.store.keys(_FOLDER, deep=False)
        return tuple(found[1] for key in keys if (found := name.fullmatch(key)))

    def write(self, program: str, lock: ProviderLock, expected: str | None) -> RecordedLock:
        """Replace the lock at the version that was read; raises RefusedError if it has changed."""
        key = self._key(program)
        try:
            data = seal(lock, previous=expected or "")
            version = self.store.write(key, data, expected=expected)
        except StaleError as error:
            raise RefusedError(
                f"[state] {self.store.where(key)}",
                "another run has recorded other provider versions meanwhile",
                f"show them, then run the command again: {commands.providers(self.environment)}",
            ) from error
        return RecordedLock(lock=lock, version=version)

    def _parse(self, key: str, data: bytes) -> ProviderLock:
        where = self.store.where(key)
        try:
            return unseal(ProviderLock, data)
        except NewerError as error:
            raise newer_error(where, error) from error
        except DamagedError as error:
            raise RefusedError(
                f"[state] {where}",
                f"is damaged: {error}",
                f"move {where} out of the store; the next promotion records its provider versions",
            ) from error

    def _key(self, program: str) -> str:
        return f"{_FOLDER}{self.environment}.{program}.json"
