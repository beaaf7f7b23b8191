"""Read what a rollback to a warm group undoes: what the promotion of the serving release brought.

It is apart from `reports/changes.py` because a rollback reads neither images nor git: a person
waits for its first call to AWS.
"""

from __future__ import annotations

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.changes.compare import reverse
from pipeline.core.changes.model import Changes
from pipeline.core.errors import PipelineError
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment


def undone(
    reader: EnvironmentReader, document: Environment, deployment: Deployment
) -> Changes | None:
    """Return the recorded changes of the serving release in reverse, None if they are not known.

    They are if it replaced the release that the deployment leads to.
    """
    serving = document.releases.get(deployment.blue)
    made_by = serving.release.facts.get("deployment", "") if serving else ""
    if not made_by:
        return None
    try:
        promotion = reader.deployments.one(made_by)
    except PipelineError:
        return None
    if promotion is None or promotion.blue != deployment.green or promotion.changes is None:
        return None
    return reverse(promotion.changes)
