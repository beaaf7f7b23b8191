"""Show the versions of an environment's document, and restore one of them."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.adapters.store.document_versions import Archive
from pipeline.app.application import Application
from pipeline.app.environment import EnvironmentReader
from pipeline.app.lease import EnvironmentLease
from pipeline.core.state.document_versions import DocumentVersions, Restoration


def document_versions(app: Application, environment: str) -> DocumentVersions:
    """Return every version of an environment's document; reads only the store."""
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    return _archive(reader).versions(reader.key)


def restore(
    app: Application, environment: str, number: int | None, confirm: Callable[[Restoration], bool]
) -> Restoration | None:
    """Restore a version after a confirmation; return None if that is a no.

    It takes no lease, because the lease is a field of the document. Instead it replaces exactly
    the version that it compared, and raises the epoch, so that no paused run continues after it.
    Raises RefusedError if there is nothing to restore or the document changed meanwhile, and
    LeaseHeldError if a run holds the lease.
    """
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    found = _archive(reader).restoration(reader.key, number)
    _require_no_holder(reader, found.versions)
    with app.interrupts.heard():
        if not confirm(found):
            return None
    _archive(reader).restore(found)
    return found


def _require_no_holder(reader: EnvironmentReader, copies: DocumentVersions) -> None:
    """Raise LeaseHeldError if the newest readable version names a valid lease."""
    versions = (copies.current, *copies.earlier)
    newest = next((each.environment for each in versions if each and each.environment), None)
    if newest:
        EnvironmentLease(reader=reader).require_over(newest)


def _archive(reader: EnvironmentReader) -> Archive:
    return Archive(environments=reader.documents)
