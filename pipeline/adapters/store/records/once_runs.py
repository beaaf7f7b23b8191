"""Keep the hooks with `once` that began, one document for each hook and image.

`hooks/<environment>/<image>-<digest>.json`. Apart from the environment's document, so that it
survives a document that is lost, and because only this proves that a program ran.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.adapters.store.records.environments import newer_error
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.hooks.hook import OnceRun


class OnceRuns:
    """The hooks with `once` of one environment; methods raise RefusedError for a damaged file."""

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._environment = environment
        self._folder = f"hooks/{environment}/"

    def find(self, run: OnceRun) -> OnceRun | None:
        """Return what is recorded of the same hook and image, None if it never began."""
        found = self._read(self._key(run))
        return found[0] if found else None

    def all(self) -> tuple[OnceRun, ...]:
        """Return every hook that began, oldest first."""
        found = (self._read(key) for key in self._store.keys(self._folder))
        return tuple(sorted((each[0] for each in found if each), key=lambda run: run.began))

    def begin(self, run: OnceRun) -> None:
        """Record that a hook begins; only one that failed before is replaced.

        Raises RefusedError if another run recorded it meanwhile.
        """
        found = self._read(self._key(run))
        if found and (found[0].is_done or found[0].is_unknown):
            raise self._contended(run)
        self._write(run, found[1] if found else None)

    def end(self, run: OnceRun, *, ended: str, code: int) -> None:
        """Record how a hook ended."""
        found = self._read(self._key(run))
        self._write(replace(run, ended=ended, code=code), found[1] if found else None)

    def forget(self, run: OnceRun) -> None:
        """Delete the record of a hook, so that it runs again."""
        if found := self._read(self._key(run)):
            try:
                self._store.delete(self._key(run), expected=found[1])
            except StaleError as error:
                raise self._contended(run) from error

    def _key(self, run: OnceRun) -> str:
        return f"{self._folder}{run.name}.json"

    def _read(self, key: str) -> tuple[OnceRun, str] | None:
        document = self._store.read(key)
        if document is None:
            return None
        where = self._store.where(key)
        try:
            return unseal(OnceRun, document.data), document.version
        except NewerError as error:
            raise newer_error(where, error) from error
        except DamagedError as error:
            raise RefusedError(
                f"[state] {where}",
                f"is damaged, so it is unknown whether a hook ran: {error}",
                f"find out whether it ran, then move {where} out of the store",
            ) from error

    def _write(self, run: OnceRun, version: str | None) -> None:
        try:
            self._store.write(self._key(run), seal(run, previous=version or ""), expected=version)
        except StaleError as error:
            found = self._read(self._key(run))
            if found and found[0] == run:
                return  # the response of an earlier attempt was lost
            raise self._contended(run) from error

    def _contended(self, run: OnceRun) -> RefusedError:
        where = self._store.where(self._key(run))
        return RefusedError(
            f"[state] {where}", "another run writes it", commands.state_hooks(self._environment)
        )
