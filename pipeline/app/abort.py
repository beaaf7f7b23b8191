"""Abort: undo a paused or interrupted deployment, or delete the groups that --keep-failed kept."""

from __future__ import annotations

from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted, finish
from pipeline.app.environment.leased import delete_groups
from pipeline.app.environment.paused import abort_paused
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.recover import nothing_in_flight
from pipeline.core import commands
from pipeline.core.deploy.recovery import failed_releases
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.state.environment import Environment


def abort(app: Application, environment: str, reason: str = "") -> Deployment:
    """Undo the deployment in flight, or delete the failed groups that were kept.

    `reason` is recorded with the end of a pause, else as the reason of the deployment. Raises
    RefusedError if there is neither, or if it is too late to undo the deployment.
    """
    options = SessionOptions(command="abort", interrupted=Interrupted.LEAVE, ends_pause=True)
    session = EnvironmentSession.begin(app, environment, options, require_abortable)
    with session.lease() as leased:
        document = leased.document()
        require_abortable(session.reader, document)
        if document.deployment and document.deployment.pause:
            return abort_paused(leased, reason)
        if document.deployment:
            require_before_retirement(document)
            return finish(leased, back=True, why=reason)
        kept = failed_releases(document)
        return delete_groups(leased, Kind.ABORT, green=kept[0], gone=kept, why=reason)


def require_abortable(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError if no deployment is in flight and no failed group was kept."""
    if document.deployment is None and not failed_releases(document):
        raise nothing_in_flight("abort", reader.environment)


def require_before_retirement(document: Environment) -> None:
    """Raise RefusedError if green serves and blue is being deleted, or all groups are."""
    dead = document.deployment
    if dead and dead.kind is Kind.DESTROY:
        name, what = document.environment, "too late to undo: the groups are being deleted"
        raise RefusedError(f"abort {name}", what, commands.recover(name))
    if dead and not dead.warm and document.serving == dead.green:
        name = document.environment
        retired = f"{dead.blue} is being deleted" if dead.blue else "old groups are being deleted"
        what = f"too late to undo: {dead.green} serves and {retired}"
        finish_it, go_back = commands.recover(name), commands.rollback(name)
        raise RefusedError(f"abort {name}", what, f"{finish_it}; or go back: {go_back}")
