"""An environment's document as it stands and as it stood, and putting back what was whole."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.app.application import Application
from pipeline.app.session import EnvironmentSession
from pipeline.core.state.document_versions import DocumentVersions, Restoration


def copies(app: Application, environment: str) -> DocumentVersions:
    """Return every copy of an environment's document; reads the store, and nothing besides."""
    app.settings.environment(environment)
    return EnvironmentSession(app=app, environment=environment).copies()


def restore(
    app: Application, environment: str, number: int | None, ask: Callable[[Restoration], bool]
) -> Restoration | None:
    """Put back a copy if `ask` says yes; None where it does not.

    It takes no lease, for the lease is in the document: it writes over exactly what it looked at,
    and an epoch that is higher than any there was, so that no run that is paused goes on after it.
    Raises RefusedError where nothing is to be put back, or what stands was written meanwhile, and
    LeaseHeldError where a run holds the environment.
    """
    app.settings.environment(environment)
    session = EnvironmentSession(app=app, environment=environment)
    found = session.restoration(number)
    with app.interrupts.heard():
        if not ask(found):
            return None
    session.archive.restore(found)
    return found
