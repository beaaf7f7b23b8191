"""Read the deployments in the store: a record of each, its journal and its files.

`deployments/<id>.json` is the record: request and outcome. `deployments/<id>/000001.json` and the
following are the journal, one document for each entry, written once. Reading needs no lease;
`lease/ledger.py` writes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

from pipeline.adapters.store.base import Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, unseal
from pipeline.adapters.store.records.environments import newer_error
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.journal import Entry

_FOLDER = "deployments/"
_TIME = "%Y%m%dT%H%M%SZ"
_ENTRY = re.compile(r"\d{6,}\.json")

Content = TypeVar("Content")


def new_deployment_id(now: str) -> str:
    """Return a unique id that sorts by time, for example `20261121T145233Z-4f2a`.

    `now` is UTC, ISO 8601.
    """
    moment = datetime.fromisoformat(now).astimezone(UTC)
    return f"{moment:{_TIME}}-{secrets.token_hex(2)}"


def record_key(deployment: str) -> str:
    """Return the key of a deployment's record."""
    return f"{_FOLDER}{deployment}.json"


def file_key(deployment: str, name: str) -> str:
    """Return the key of a file of a deployment."""
    return f"{_FOLDER}{deployment}/{name}"


def entry_key(deployment: str, number: int) -> str:
    """Return the key of an entry of a deployment's journal."""
    return file_key(deployment, f"{number:06}.json")


Damage = Callable[[RefusedError], object]
"""Takes the error of a damaged record, which is left out then."""


def _raise(error: RefusedError) -> NoReturn:
    raise error


class Deployments:
    """The deployments of a store; methods raise RefusedError for a damaged document.

    A command that only shows passes `damaged`, and gets all other records.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def history(
        self, environment: str, limit: int, damaged: Damage = _raise
    ) -> tuple[Deployment, ...]:
        """Return up to `limit` deployments of an environment, newest first; empty: of each one."""
        found: list[Deployment] = []
        for key in reversed(self._store.keys(_FOLDER, deep=False)):
            if len(found) == limit:
                break
            deployment = self._record(key, damaged)
            if deployment and environment in {"", deployment.environment}:
                found.append(deployment)
        return tuple(found)

    def since(self, moment: datetime, damaged: Damage = _raise) -> tuple[Deployment, ...]:
        """Return the deployments of all environments that began at a time or later, newest first.

        Only their records are read: an id begins with the time.
        """
        first = record_key(f"{moment.astimezone(UTC):{_TIME}}")
        keys = (key for key in self._store.keys(_FOLDER, deep=False) if key >= first)
        found = (self._record(key, damaged) for key in sorted(keys, reverse=True))
        return tuple(each for each in found if each)

    def one(self, deployment: str) -> Deployment | None:
        """Return a deployment by its id, or None."""
        return self._read(Deployment, record_key(deployment))

    def journal(self, deployment: str, *, after: int = 0) -> tuple[Entry, ...]:
        """Return the journal of a deployment behind an entry's number, first entry first."""
        prefix, last = file_key(deployment, ""), entry_key(deployment, after)
        found = (key for key in self._store.keys(prefix) if _is_entry(key, prefix))
        keys = (key for key in found if (len(key), key) > (len(last), last))
        return tuple(entry for key in keys if (entry := self._read(Entry, key)))

    def text(self, deployment: str, name: str) -> str:
        """Return a file of a deployment, such as its evidence; empty if there is none."""
        document = self._store.read(file_key(deployment, name))
        return document.data.decode("utf-8", "replace") if document else ""

    def last_number(self, deployment: str) -> int:
        """Return the number of the journal's last entry, 0 if it is empty."""
        prefix = file_key(deployment, "")
        names = (key.removeprefix(prefix) for key in self._store.keys(prefix))
        return max((int(name[:-5]) for name in names if _ENTRY.fullmatch(name)), default=0)

    def _record(self, key: str, damaged: Damage) -> Deployment | None:
        """Return a record; `damaged` gets the error of one that cannot be read."""
        try:
            return self._read(Deployment, key)
        except RefusedError as error:
            damaged(error)
            return None

    def _read(self, kind: type[Content], key: str) -> Content | None:
        document = self._store.read(key)
        if document is None:
            return None
        where = self._store.where(key)
        try:
            return unseal(kind, document.data)
        except NewerError as error:
            raise newer_error(where, error) from error
        except DamagedError as error:
            raise RefusedError(
                f"[state] {where}",
                f"is damaged: {error}",
                f"move {where} out of the store; the environment's document records what serves",
            ) from error


def _is_entry(key: str, prefix: str) -> bool:
    return bool(_ENTRY.fullmatch(key.removeprefix(prefix)))
