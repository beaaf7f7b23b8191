"""Read the deployments of an environment for `history`."""

from __future__ import annotations

from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.state.deployment import Deployment


def history(app: Application, environment: str, limit: int) -> tuple[Deployment, ...]:
    """Return the newest deployments of an environment, newest first."""
    app.settings.environment(environment)
    reader = EnvironmentReader(app=app, environment=environment)
    return reader.deployments.history(environment, limit)
