"""Show who holds the lease on an environment, and break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipeline.app.application import Application
from pipeline.app.environment.lease import EnvironmentLease
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True)
class LeaseStatus:
    """An environment's document at one moment; `ended` says why its lease has ended, if it has."""

    environment: Environment
    ended: str
    now: datetime


def lease_status(app: Application, environment: str) -> LeaseStatus:
    """Return who holds the lease on an environment; reads only the store."""
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    document, ended = EnvironmentLease(reader=reader).read()
    return LeaseStatus(environment=document, ended=ended, now=reader.now())


def break_lease(
    app: Application, environment: str, confirm: Callable[[LeaseStatus], bool]
) -> LeaseStatus | None:
    """End the lease of another run after a confirmation; return None if that is a no.

    Raises RefusedError if no run holds the lease, or if another run took it meanwhile.
    """
    found = lease_status(app, environment)
    lease = found.environment.lease
    if lease is None or found.ended:
        raise _refused(found)
    with app.interrupts.heard():
        if not confirm(found):
            return None
    reader = EnvironmentReader(app=app, environment=environment)
    document = EnvironmentLease(reader=reader).break_(lease.epoch)
    broken = document.lease.broken if document.lease else ""
    return LeaseStatus(environment=document, ended=f"{broken} broke it", now=reader.now())


def _refused(found: LeaseStatus) -> RefusedError:
    name = found.environment.environment
    what = f"it has ended: {found.ended}; the next run takes it over"
    if found.environment.lease is None:
        what = "no run holds it: there is nothing to break"
    return RefusedError(f"the lease on {name}", what, commands.status(name))
