"""The lease as a person sees it who waits for it: who holds it, and taking it away.

Apart from the verbs that take it: they do not know a broken one from one that expired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipeline.app.application import Application
from pipeline.app.session import EnvironmentSession
from pipeline.core.errors import RefusedError
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True)
class LeaseStatus:
    """An environment's document at a moment; `ended`: why its lease binds nobody any more."""

    environment: Environment
    ended: str
    now: datetime


def standing(app: Application, environment: str) -> LeaseStatus:
    """Return who holds an environment; reads the store, and asks nothing of AWS besides."""
    app.settings.environment(environment)
    session = EnvironmentSession(app=app, environment=environment)
    document, ended = session.standing()
    return LeaseStatus(environment=document, ended=ended, now=session.now())


def break_lease(
    app: Application, environment: str, ask: Callable[[LeaseStatus], bool]
) -> LeaseStatus | None:
    """Take the lease away from the run that holds it, if `ask` says yes; None where it does not.

    Raises RefusedError where nobody holds it, or another run does once the answer is there.
    """
    found = standing(app, environment)
    lease = found.environment.lease
    if lease is None or found.ended:
        raise _refused(found)
    with app.interrupts.heard():
        if not ask(found):
            return None
    session = EnvironmentSession(app=app, environment=environment)
    document = session.break_lease(lease.epoch)
    broken = document.lease.broken if document.lease else ""
    return LeaseStatus(environment=document, ended=f"{broken} broke it", now=session.now())


def _refused(found: LeaseStatus) -> RefusedError:
    name = found.environment.environment
    what = f"it has ended: {found.ended}; the next run takes it over"
    if found.environment.lease is None:
        what = "nobody holds it: there is nothing to break"
    return RefusedError(f"the lease on {name}", what, f"ami-pipeline status -e {name}")
