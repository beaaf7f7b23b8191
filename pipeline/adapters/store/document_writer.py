"""The one writer of an environment's document.

Every change is a read, a change, and a write over exactly the version that was read
(compare-and-swap). A lease that is held writes this way (`HeldLease.update`, which the ledger of a
deployment uses), and so do `lock break` and `state restore`. A test holds that no other module
saves a document.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.adapters.store.records.environments import Environments, Versioned
from pipeline.core.state.environment import Environment


def accept_any(_document: Environment) -> None:
    """Accept every document."""


class DocumentWriter:
    """The document of one environment, at the version that this process last read or wrote."""

    def __init__(self, environments: Environments, found: Versioned) -> None:
        self._environments = environments
        self._found = found
        self._certain = True  # that `found` is what the store holds

    @property
    def known(self) -> Environment:
        """The document as last read or written; the store is not read."""
        return self._found.environment

    def doubt(self) -> None:
        """Have the next read ask the store."""
        self._certain = False

    def read(self, accept: Callable[[Environment], None] = accept_any) -> Environment:
        """Return the document; read the store if the last write may or may not have succeeded.

        `accept` raises for a document that was read and that the caller must not go on with.
        """
        if not self._certain:
            found = self._environments.load(self._found.environment)
            accept(found.environment)
            self._found, self._certain = found, True
        return self._found.environment

    def write(self, document: Environment) -> Environment:
        """Write the document over the known version; raises StaleError if the store has another.

        After any exception the next read asks the store: a signal or a lost connection can hide
        that the write succeeded.
        """
        self._certain = False
        version = self._environments.save(document, self._found.version)
        self._found, self._certain = Versioned(environment=document, version=version), True
        return document
