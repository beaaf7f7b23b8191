"""Recover: finish or undo an interrupted deployment, as the state of AWS allows."""

from __future__ import annotations

from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted, finish
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment


def recover(app: Application, environment: str) -> Deployment:
    """Finish or undo the deployment in flight; raises RefusedError if there is none."""
    options = SessionOptions(command="recover", interrupted=Interrupted.LEAVE)
    session = EnvironmentSession.begin(app, environment, options, require_in_flight)
    with session.lease() as leased:
        require_in_flight(session.reader, leased.document())
        return finish(leased)


def require_in_flight(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError if no deployment is in flight."""
    if document.deployment is None:
        raise nothing_in_flight("recover", reader.environment)


def nothing_in_flight(command: str, environment: str) -> RefusedError:
    """Return the refusal of a command that needs an interrupted deployment."""
    what = "no deployment is in flight: there is nothing to finish or undo"
    return RefusedError(f"{command} {environment}", what, commands.status(environment))
