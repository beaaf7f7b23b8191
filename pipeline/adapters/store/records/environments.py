"""Read and write the document of an environment: `environments/<environment>.json`.

A write replaces exactly the version that was read. A document that is damaged, written by a newer
version, or of another app or account is rejected and never overwritten: it may be the only record
of the serving group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.adapters.store.base import Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Versioned:
    """A document and its version; None if it was never written."""

    environment: Environment
    version: str | None


class Environments:
    """The documents of all environments of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(self, app: str, environment: str, account: str, region: str) -> Environment:
        """Return an environment's document, or a new one if there is none; writes nothing.

        An empty `account` is unknown and is not compared. Raises RefusedError for a document that
        is damaged, newer, or of another app, account or region.
        """
        wanted = Environment(app=app, environment=environment, account=account, region=region)
        return self.load(wanted).environment

    def load(self, wanted: Environment) -> Versioned:
        """Return the document of this app, environment, account and region with its version."""
        key = _key(wanted)
        document = self.store.read(key)
        if document is None:
            return Versioned(environment=wanted, version=None)
        found = self.parse(wanted, document.data)
        return Versioned(environment=found, version=document.version)

    def key(self, wanted: Environment) -> str:
        """Return the key of the document."""
        return _key(wanted)

    def where(self, wanted: Environment) -> str:
        """Return the place of the document, for a message."""
        return self.store.where(_key(wanted))

    def parse(self, wanted: Environment, data: bytes) -> Environment:
        """Return the document in these bytes; raises RefusedError if it cannot be used.

        The error's `what` follows the document's name: `is damaged: it is empty`.
        """
        found = self._parse(wanted, data)
        self._require_same(_key(wanted), wanted, found)
        return replace(found, account=found.account or wanted.account)

    def save(self, environment: Environment, version: str | None) -> str:
        """Replace the version that was read; return the new version.

        Raises StaleError if the document has another version.
        """
        data = seal(environment, previous=version or "")
        return self.store.write(_key(environment), data, expected=version)

    def _parse(self, wanted: Environment, data: bytes) -> Environment:
        where = self.store.where(_key(wanted))
        try:
            found = unseal(Environment, data)
            _require_consistent(found)
        except DamagedError as error:
            raise _damaged(where, wanted.environment, error) from error
        except NewerError as error:
            raise newer_error(where, error) from error
        return found

    def _require_same(self, key: str, wanted: Environment, found: Environment) -> None:
        """Raise RefusedError for a document of another app, environment, account or region.

        An unknown account is not compared.
        """
        for name, remedy in _REMEDIES.items():
            expected, actual = getattr(wanted, name), getattr(found, name)
            if expected != actual and not (name == "account" and "" in {expected, actual}):
                raise RefusedError(
                    f"[state] {self.store.where(key)}",
                    f"is the document of {name} {actual}, not of {expected}",
                    remedy(expected, actual),
                )


_REMEDIES: Mapping[str, Callable[[str, str], str]] = {
    "app": lambda _expected, _actual: (
        "fix app in pipeline.toml, or give each app a [state] url of its own"
    ),
    "environment": lambda expected, _actual: (
        f"restore the document of {expected}: {commands.state_restore(expected)}"
    ),
    "account": lambda _expected, actual: (
        f"use credentials of account {actual}, or give each account a [state] url of its own; "
        f"check: {commands.WHO_AM_I}"
    ),
    "region": lambda _expected, actual: (
        f"set region to {actual} in pipeline.toml, or give each region a [state] url of its own"
    ),
}


def newer_error(where: str, error: NewerError) -> RefusedError:
    """Return the error about a document that a newer version wrote."""
    return RefusedError(
        f"[state] {where}",
        f"a newer ami-pipeline wrote it: {error}",
        f"install the version that wrote it, or a later one: {commands.UPGRADE}",
    )


def _key(environment: Environment) -> str:
    return f"environments/{environment.environment}.json"


def _require_consistent(found: Environment) -> None:
    """Raise DamagedError for contents that no version writes, whatever the checksum is."""
    if any(name != kept.release.name for name, kept in found.releases.items()):
        raise DamagedError("a release is stored under the name of another")
    if found.lease and found.lease.epoch != found.epoch:
        raise DamagedError("its lease has another epoch than the document")
    if found.lease and not all(map(_is_time, (found.lease.since, found.lease.expires))):
        raise DamagedError("its lease has no times")


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _damaged(where: str, environment: str, error: DamagedError) -> RefusedError:
    """Return the error about a document that is not as it was written."""
    remedy = (
        f"list its earlier versions: {commands.state_show(environment)}; "
        f"restore one: {commands.state_restore(environment)}"
    )
    return RefusedError(f"[state] {where}", f"is damaged: {error}", remedy)
