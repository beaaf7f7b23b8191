"""Writes of a deployment: the environment's document, the record, the journal, its files.

Fulfils `core.ports.Ledger` on a store, under a lease that is held. An intent is in the
store before the deed, and the store is asked for the lease just before it; a result is
written whoever holds the lease by then, for it is a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Literal

from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.deployments import Deployments, entry_key, file_key, record_key
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.serialization import plain
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.journal import Entry

_ATTEMPTS = 20


class StoreLedger:
    """The ledger of one deployment; `now` returns the time, UTC, ISO 8601.

    A deployment that is gone on with keeps its id: its journal is continued.
    """

    def __init__(
        self, store: Store, held: HeldLease, deployment: str, now: Callable[[], str]
    ) -> None:
        self._store = store
        self._held = held
        self._deployment = deployment
        self._now = now
        self._next = 1

    @property
    def deployment(self) -> str:
        """The deployment's id."""
        return self._deployment

    @property
    def epoch(self) -> int:
        """The number of the lease it is written under."""
        return self._held.epoch

    def fence(self) -> None:
        """Raise LeaseHeldError where the lease is ours no more: before each deed, also the next."""
        self._held.fence()

    def read(self) -> Environment:
        """Return the document as last read or written."""
        return self._held.read()

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        """Write what `change` makes of the document; raises LeaseHeldError once the lease is lost.

        `change` may be called more than once.
        """
        return self._held.update(change)

    def intend(self, step: str, **facts: Any) -> None:
        """Append an intent, durable before this returns; raises LeaseHeldError like `update`."""
        self._held.confirm()
        self._append("intent", step, facts)

    def done(self, step: str, **facts: Any) -> None:
        """Append a result, whatever became of the lease."""
        self._append("result", step, facts)

    def record(self, deployment: Deployment) -> None:
        """Write the deployment's record as it stands; raises LeaseHeldError like `update`."""
        self._held.confirm()
        key = record_key(deployment.id)
        for _ in range(_ATTEMPTS):
            before = self._store.read(key)
            version = before.version if before else None
            try:
                self._store.write(key, seal(deployment, previous=version or ""), expected=version)
            except StaleError:
                continue
            return
        raise self._contended(key)

    def keep(self, name: str, text: str) -> str:
        """Keep a file of the deployment; return where a person finds it.

        A file of this name that says something else is left as it is: the new one gets a number.
        """
        data = text.encode("utf-8", "backslashreplace")
        for number in range(1, _ATTEMPTS):
            key = file_key(self._deployment, _numbered(name, number))
            try:
                self._store.write(key, data, expected=None)
            except StaleError:
                standing = self._store.read(key)
                if standing is None or standing.data != data:
                    continue
            return self._store.where(key)
        raise self._contended(file_key(self._deployment, name))

    def _append(
        self, kind: Literal["intent", "result"], step: str, facts: Mapping[str, Any]
    ) -> None:
        """Write the next entry.

        A number that is taken is one of an earlier run, or of a write whose answer got lost.
        """
        for _ in range(_ATTEMPTS):
            entry = Entry(
                n=self._next,
                at=self._now(),
                kind=kind,
                step=step,
                epoch=self._held.epoch,
                facts={name: _fact(value) for name, value in facts.items()},
            )
            key = entry_key(self._deployment, entry.n)
            try:
                self._store.write(key, seal(entry), expected=None)
            except StaleError:
                self._next = Deployments(self._store).last_number(self._deployment) + 1
                continue
            self._next += 1
            return
        raise self._contended(key)

    def _contended(self, key: str) -> RefusedError:
        return RefusedError(
            f"[state] {self._store.where(key)}",
            "another run writes it too",
            f"ami-pipeline status -e {self.read().environment}",
        )


def _fact(value: object) -> Any:
    """Return a fact as JSON says it; in a journal an odd one is better told as text than not."""
    if isinstance(value, PurePath):
        return str(value)
    try:
        return plain(value)
    except TypeError:
        return str(value)


def _numbered(name: str, number: int) -> str:
    """Return `evidence-2.txt` for the second file named `evidence.txt`."""
    if number == 1:
        return name
    path = PurePath(name)
    return f"{path.stem}-{number}{path.suffix}"
