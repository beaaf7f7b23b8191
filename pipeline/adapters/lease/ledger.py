"""Write a deployment: the environment's document, its record, its journal, its files.

Implements `core.deploy.ports.Ledger` on a store, with a lease. An intent is in the store before
its action, and the lease is confirmed just before. A result is a fact, so it is written even
without the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Literal

from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import seal
from pipeline.adapters.store.records.deployments import Deployments, entry_key, file_key, record_key
from pipeline.adapters.store.records.once_runs import OnceRuns
from pipeline.adapters.store.serialization import to_json
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.hooks.hook import OnceRun
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.journal import Entry

_ATTEMPTS = 20


class StoreLedger:
    """The ledger of one deployment; `now` returns the time, UTC, ISO 8601.

    A resumed deployment keeps its id and continues its journal.
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
        """The epoch of the lease."""
        return self._held.epoch

    def fence(self) -> None:
        """Raise LeaseHeldError if this run has lost its lease; called before each action."""
        self._held.fence()

    def read(self) -> Environment:
        """Return the document as last read or written."""
        return self._held.read()

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        """Write the document that `change` returns; raises LeaseHeldError if the lease is lost.

        `change` may be called more than once.
        """
        return self._held.update(change)

    def intend(self, step: str, **facts: Any) -> None:
        """Append an intent and store it durably; raises LeaseHeldError like `update`."""
        self._held.confirm()
        self._append("intent", step, facts)

    def done(self, step: str, **facts: Any) -> None:
        """Append a result, with or without the lease."""
        self._append("result", step, facts)

    def record(self, deployment: Deployment) -> None:
        """Write the deployment's record; raises LeaseHeldError like `update`."""
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

    def find_once(self, run: OnceRun) -> OnceRun | None:
        """Return what is recorded of the same hook and image in this environment."""
        return self._once.find(run)

    def begin_once(self, run: OnceRun) -> None:
        """Record that a hook begins; raises LeaseHeldError like `update`."""
        self._held.confirm()
        self._once.begin(run)

    def end_once(self, run: OnceRun, code: int) -> None:
        """Record how a hook ended, with or without the lease."""
        self._once.end(run, ended=self._now(), code=code)

    @property
    def _once(self) -> OnceRuns:
        return OnceRuns(self._store, self.read().environment)

    def keep(self, name: str, text: str) -> str:
        """Store a file of the deployment; return its path or URL.

        An existing file with other contents stays: the new one gets a number.
        """
        data = text.encode("utf-8", "backslashreplace")
        for number in range(1, _ATTEMPTS):
            key = file_key(self._deployment, _numbered(name, number))
            try:
                self._store.write(key, data, expected=None)
            except StaleError:
                existing = self._store.read(key)
                if existing is None or existing.data != data:
                    continue
            return self._store.where(key)
        raise self._contended(file_key(self._deployment, name))

    def _append(
        self, kind: Literal["intent", "result"], step: str, facts: Mapping[str, Any]
    ) -> None:
        """Write the next entry.

        A number may be taken by an earlier run, or by a write whose response was lost.
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
            "another run is writing it",
            commands.status(self.read().environment),
        )


def _fact(value: object) -> Any:
    """Return a fact as JSON data; a value without a JSON form becomes text."""
    if isinstance(value, PurePath):
        return str(value)
    try:
        return to_json(value)
    except TypeError:
        return str(value)


def _numbered(name: str, number: int) -> str:
    """Return `evidence-2.txt` for the second file named `evidence.txt`."""
    if number == 1:
        return name
    path = PurePath(name)
    return f"{path.stem}-{number}{path.suffix}"
