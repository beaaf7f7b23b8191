"""Keep the freezes that people made, one document for each environment.

`freezes/<environment>.json`. Apart from the environment's document: a person freezes without the
lease while a deployment runs, and `state restore` does not bring a lifted freeze back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.adapters.store.records.environments import newer_error
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.freezing.freeze import MOST, Freeze, FreezeRecord

_ATTEMPTS = 5


class Freezes:
    """The freezes by hand of one environment; methods raise RefusedError for a damaged document."""

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._environment = environment
        self._key = f"freezes/{environment}.json"

    def read(self) -> FreezeRecord:
        """Return the freezes that are not over, by the store's clock."""
        return self._read()[0].at(self._store.now())

    def add(self, freeze: Freeze) -> FreezeRecord:
        """Add a freeze; return the record with it."""

        def with_it(record: FreezeRecord) -> FreezeRecord:
            if freeze in record.freezes:
                return record  # the response of an earlier attempt was lost
            if len(record.freezes) >= MOST:
                what = f"{self._environment} has {MOST} freezes already"
                raise RefusedError(self._where, what, commands.unfreeze(self._environment))
            return replace(record, freezes=(*record.freezes, freeze))

        return self._change(with_it)

    def lift(self) -> tuple[Freeze, ...]:
        """Lift the freezes that are not over; return those that were lifted."""
        lifted: list[Freeze] = []

        def without(record: FreezeRecord) -> FreezeRecord:
            lifted[:] = [*lifted, *(each for each in record.freezes if each not in lifted)]
            return FreezeRecord()

        self._change(without)
        return tuple(lifted)

    @property
    def _where(self) -> str:
        return f"[state] {self._store.where(self._key)}"

    def _change(self, change: Callable[[FreezeRecord], FreezeRecord]) -> FreezeRecord:
        """Write what `change` makes of the record, over exactly the version that was read."""
        for _ in range(_ATTEMPTS):
            found, version = self._read()
            record = found.at(self._store.now())
            changed = change(record)
            if changed == found:
                return changed
            data = seal(changed, previous=version or "")
            try:
                self._store.write(self._key, data, expected=version)
            except StaleError:
                continue
            return changed
        what = "other runs keep writing it"
        raise RefusedError(self._where, what, commands.status(self._environment))

    def _read(self) -> tuple[FreezeRecord, str | None]:
        document = self._store.read(self._key)
        if document is None:
            return FreezeRecord(), None
        where = self._store.where(self._key)
        try:
            return unseal(FreezeRecord, document.data), document.version
        except NewerError as error:
            raise newer_error(where, error) from error
        except DamagedError as error:
            what = f"is damaged, so it is unknown whether {self._environment} is frozen: {error}"
            raise RefusedError(self._where, what, f"move {where} out of the store") from error
