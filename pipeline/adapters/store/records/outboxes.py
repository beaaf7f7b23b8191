"""Keep the outbox of each environment, `notifications/<environment>.json`."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.adapters.store.records.environments import newer_error
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.notifications.outbox import Outbox

_ATTEMPTS = 10


class Outboxes:
    """The outbox of one environment; methods raise RefusedError if the store does not answer."""

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._environment = environment
        self._key = f"notifications/{environment}.json"

    def read(self) -> Outbox:
        """Return the outbox; a damaged one counts as empty, so that people are told of more."""
        return self._read()[0]

    def update(self, change: Callable[[Outbox], Outbox]) -> Outbox:
        """Write the outbox that `change` returns, and return it; `change` may be called again."""
        for _ in range(_ATTEMPTS):
            found, version = self._read()
            changed = change(found)
            if changed == found:
                return found
            try:
                data = seal(changed, previous=version or "")
                self._store.write(self._key, data, expected=version)
            except StaleError:
                continue
            return changed
        where, remedy = self._store.where(self._key), commands.status(self._environment)
        raise RefusedError(f"[state] {where}", "several runs are writing it", remedy)

    def _read(self) -> tuple[Outbox, str | None]:
        document = self._store.read(self._key)
        if document is None:
            return Outbox(), None
        try:
            return unseal(Outbox, document.data), document.version
        except NewerError as error:
            raise newer_error(self._store.where(self._key), error) from error
        except DamagedError:
            return Outbox(), document.version
