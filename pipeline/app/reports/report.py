"""Read everything that the store has about one deployment, for `report`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.deployments import Deployments
from pipeline.adapters.store.records.timelines import Timelines
from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment
from pipeline.core.timeline.record import DeploymentRecord, shortened

KEPT = 100
"""Reports that stay on this machine."""


def report(app: Application, deployment: str, environment: str) -> DeploymentRecord:
    """Return a deployment by its id, or the newest one; of any environment if that is empty.

    Raises RefusedError if there is none, and ConfigurationError for an unknown environment.
    """
    if environment:
        app.settings.environment(environment)
    store = app.store(Clients(app.settings.region), environment)
    found = _find(app, Deployments(store), deployment, environment)
    if found.environment in app.settings.environments:
        found = _current(app, found)
    return read_record(store, found)


def _find(app: Application, deployments: Deployments, name: str, environment: str) -> Deployment:
    if not name:
        newest = deployments.history(environment, 1, app.tell_damaged)
        if newest:
            return newest[0]
        first = f"there is one after: {commands.promote(environment or 'staging')}"
        raise RefusedError("report", "there are no deployments yet", first)
    found = deployments.one(name)
    if found is None or environment not in {"", found.environment}:
        where = f" of {environment}" if environment else ""
        listed = commands.history(environment) if environment else commands.report()
        raise RefusedError(f"report {name}", f"there is no such deployment{where}", listed)
    return found


def _current(app: Application, found: Deployment) -> Deployment:
    """Return a deployment that runs as the environment's document has it: with its phases."""
    if found.ended:
        return found
    in_flight = EnvironmentReader(app=app, environment=found.environment).document().deployment
    return in_flight if in_flight and in_flight.id == found.id else found


def read_record(store: Store, deployment: Deployment) -> DeploymentRecord:
    """Return everything that a store has about a deployment."""
    deployments = Deployments(store)
    names = [_file_name(deployment.outcome.evidence)] if deployment.outcome else []
    names += [_file_name(deployment.probe.file)] if deployment.probe else []
    texts = [(name, deployments.text(deployment.id, name)) for name in names if name]
    return DeploymentRecord(
        deployment=deployment,
        timeline=Timelines(store).read(deployment.id),
        journal=deployments.journal(deployment.id),
        texts=tuple((name, shortened(text)) for name, text in texts if text),
    )


def _file_name(where: str) -> str:
    """Return the name of a file of a deployment by its path or URL, empty for a sentence."""
    name = where.rpartition("/")[2]
    return name if name.endswith(".txt") and " " not in name else ""


def save(path: Path, html: str) -> None:
    """Write a report; raises RefusedError if the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, html.encode("utf-8", "backslashreplace"), mode=0o644)
    except OSError as error:
        remedy = "name a file in a folder that you may write"
        raise RefusedError(f"report {path}", error.strerror or str(error), remedy) from error


def save_automatically(app: Application, deployment: Deployment, html: str) -> Path:
    """Write the report of a deployment to this machine's folder, which keeps the newest ones."""
    path = app.reports / f"{deployment.environment}-{deployment.id}.html"
    save(path, html)
    for old in sorted(path.parent.glob("*.html"), key=_changed)[:-KEPT]:
        with suppress(OSError):  # of another user, or a folder; the new report is written
            old.unlink()
    return path


def _changed(path: Path) -> float:
    """Return when a file changed; another run may have deleted it meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
