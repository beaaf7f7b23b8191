"""Recover: finish or undo an interrupted deployment, as the state of AWS allows.

It also removes the groups that a finished deployment left for a later command.
"""

from __future__ import annotations

from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted, finish
from pipeline.app.environment.leased import LeasedEnvironment, retire_overdue
from pipeline.app.environment.paused import is_over
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment


def recover_expired(app: Application, environment: str) -> Deployment | None:
    """End a pause whose time is over as it says; None if there is none."""
    return recover(app, environment) if _is_expired(app, environment) else None


def recover(app: Application, environment: str) -> Deployment:
    """Finish or undo the deployment in flight, or do the removal that is pending.

    Raises RefusedError if there is neither, or if the removal must wait.
    """
    options = SessionOptions(command="recover", interrupted=Interrupted.LEAVE)
    session = EnvironmentSession.begin(app, environment, options, require_in_flight)
    with session.lease() as leased:
        if leased.finished:
            return leased.finished  # The time of its pause was over.
        document = leased.document()
        require_in_flight(session.reader, document)
        if document.deployment is None:
            return _remove(leased)
        done = finish(leased)
        if leased.document().deployment is None:
            retire_overdue(leased)  # what a deployment before that one left
        return done


def _remove(leased: LeasedEnvironment) -> Deployment:
    """Do the removal that is pending; raises RefusedError if a group may be the way out."""
    if done := retire_overdue(leased):
        return done
    document = leased.document()
    what = f"the removal of {', '.join(document.unremoved)} waits until a release serves"
    name = document.environment
    raise RefusedError(f"recover {name}", what, commands.status(name))


def _is_expired(app: Application, environment: str) -> bool:
    reader = EnvironmentReader(app=app, environment=environment)
    reader.require_known()
    deployment = reader.document().deployment
    pause = deployment.pause if deployment else None
    return pause is not None and is_over(reader, pause)


def require_in_flight(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError if no deployment is in flight, and no removal is pending."""
    if document.deployment is None and not document.unremoved:
        raise nothing_in_flight("recover", reader.environment)


def nothing_in_flight(command: str, environment: str) -> RefusedError:
    """Return the refusal of a command that needs an interrupted deployment."""
    what = "no deployment is in flight: there is nothing to finish or undo"
    return RefusedError(f"{command} {environment}", what, commands.status(environment))
