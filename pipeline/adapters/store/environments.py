"""The document of an environment in the store: `environments/<environment>.json`.

It is read whole and written over exactly the version that was read. A document that is
damaged, newer than this version, or somebody else's is refused and never written over:
it may be all that knows which group serves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.adapters.store.base import Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.core.errors import RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Versioned:
    """A document and the version it stands at; None where it was never written."""

    environment: Environment
    version: str | None


class Environments:
    """The documents of all environments of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(self, app: str, environment: str, account: str, region: str) -> Environment:
        """Return an environment's document, or a fresh one where there is none; writes nothing.

        `account` may be empty where it is not known: it is not compared then. Raises
        RefusedError for a document that must not be relied on.
        """
        wanted = Environment(app=app, environment=environment, account=account, region=region)
        return self.load(wanted).environment

    def load(self, wanted: Environment) -> Versioned:
        """Return the document of this app, environment, account and region with its version."""
        key = _key(wanted)
        document = self.store.read(key)
        if document is None:
            return Versioned(environment=wanted, version=None)
        whose = self.parse(wanted, document.data)
        return Versioned(environment=whose, version=document.version)

    def key(self, wanted: Environment) -> str:
        """Return where the document is kept."""
        return _key(wanted)

    def parse(self, wanted: Environment, data: bytes) -> Environment:
        """Return what a document's bytes say; raises RefusedError where it is not to be relied on.

        What is wrong with it reads behind its name: `is damaged: it is empty`.
        """
        found = self._parse(wanted, data)
        self._require_same(_key(wanted), wanted, found)
        return replace(found, account=found.account or wanted.account)

    def save(self, environment: Environment, version: str | None) -> str:
        """Write the document over the version it was read at; return the new version.

        Raises StaleError where the document is at another version.
        """
        data = seal(environment, previous=version or "")
        return self.store.write(_key(environment), data, expected=version)

    def _parse(self, wanted: Environment, data: bytes) -> Environment:
        where = self.store.where(_key(wanted))
        try:
            found = unseal(Environment, data)
            _require_sense(found)
        except DamagedError as error:
            raise _damaged(where, wanted.environment, error) from error
        except NewerError as error:
            raise newer(where, error) from error
        return found

    def _require_same(self, key: str, wanted: Environment, found: Environment) -> None:
        """Refuse somebody else's document; an account that is not known is not compared."""
        for name, remedy in _REMEDIES.items():
            ours, theirs = getattr(wanted, name), getattr(found, name)
            if ours != theirs and not (name == "account" and "" in {ours, theirs}):
                raise RefusedError(
                    f"[state] {self.store.where(key)}",
                    f"is the document of {name} {theirs}, not of {ours}",
                    remedy.format(ours=ours, theirs=theirs),
                )


_REMEDIES = {
    "app": "correct app in pipeline.toml, or give each app a [state] url of its own",
    "environment": "put the document of {ours} back: ami-pipeline state restore -e {ours}",
    "account": "take the credentials of account {theirs}, or give each account a [state] url "
    "of its own; check: aws sts get-caller-identity",
    "region": "set region to {theirs} in pipeline.toml, or give each region a [state] url "
    "of its own",
}


def newer(where: str, error: NewerError) -> RefusedError:
    """Return the refusal of a document that a newer version wrote."""
    return RefusedError(
        f"[state] {where}",
        f"a newer ami-pipeline wrote it: {error}",
        "run the version that wrote it, or a later one: pip install --upgrade ami-pipeline",
    )


def _key(environment: Environment) -> str:
    return f"environments/{environment.environment}.json"


def _require_sense(found: Environment) -> None:
    """Refuse what no version ever wrote, whatever its checksum says."""
    if any(name != kept.release.name for name, kept in found.releases.items()):
        raise DamagedError("a release stands under another's name")
    if found.lease and found.lease.epoch != found.epoch:
        raise DamagedError("its lease is of another epoch than the document")
    if found.lease and not all(map(_is_time, (found.lease.since, found.lease.expires))):
        raise DamagedError("its lease has no times")


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _damaged(where: str, environment: str, error: DamagedError) -> RefusedError:
    """Return the refusal of a document that is not as it was written."""
    remedy = (
        f"see what stood before it: ami-pipeline state show -e {environment}; and put it back: "
    )
    restore = f"ami-pipeline state restore -e {environment}"
    return RefusedError(f"[state] {where}", f"is damaged: {error}", remedy + restore)
