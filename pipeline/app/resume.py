"""Resume: continue a paused deployment, as the state of AWS allows."""

from __future__ import annotations

from pipeline.app.application import Application
from pipeline.app.environment.freezes import FreezeGate
from pipeline.app.environment.interrupted import Interrupted
from pipeline.app.environment.paused import is_over, resume_paused
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.pausing.pause import OnTimeout
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment


def resume(
    app: Application, environment: str, reason: str = "", *, override_freeze: bool = False
) -> Deployment:
    """Continue the paused deployment; return it as it ended, or as it paused again.

    Raises RefusedError if none is paused, its time is over, the environment is frozen, this person
    must not approve it, or it cannot continue; KeyboardInterrupt for a signal before its next
    phase. It stays paused then.
    """
    again = commands.despite_freeze(commands.resume(environment), "--reason")
    gate = FreezeGate(again=again, overrides=override_freeze)
    options = SessionOptions(
        command="resume", interrupted=Interrupted.LEAVE, ends_pause=True, freeze=gate
    )
    session = EnvironmentSession.begin(app, environment, options, require_resumable)
    with session.lease() as leased:
        require_resumable(session.reader, leased.document())
        return resume_paused(leased, reason, gate.override(session.reader))


def require_resumable(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError if no deployment is paused, or if its time to be resumed is over."""
    name, deployment = reader.environment, document.deployment
    where = f"resume {name}"
    if deployment is None:
        what = "no deployment is in flight: there is nothing to resume"
        raise RefusedError(where, what, commands.status(name))
    pause = deployment.pause
    if pause is None:
        what = f"{deployment.kind} {deployment.id} is not paused, it was interrupted"
        raise RefusedError(where, what, commands.recover(name))
    if is_over(reader, pause) and pause.on_timeout is OnTimeout.ABORT:
        what = f"the time of the pause before {pause.before} was over at {pause.until}"
        raise RefusedError(where, what, commands.abort(name))
