"""Read the deployments of an environment for `history`."""

from __future__ import annotations

from pipeline.adapters.store.records.deployments import Damage
from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.state.deployment import Deployment


def history(
    app: Application, environment: str, limit: int, damaged: Damage
) -> tuple[Deployment, ...]:
    """Return the newest deployments of an environment, newest first; `damaged` as for `Damage`."""
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    return reader.deployments.history(environment, limit, damaged)
