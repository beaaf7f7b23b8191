"""What a deployment that is over says of the world: who serves, how long it took, CI's outputs.

Apart from `deployment`, which records, and from `ui`, which words it: the adapter that writes
a CI system's files needs the same answers and may not know the interface.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Result
from pipeline.core.validation.phases import ALONE, BACK, DELETES, RESTORES, traits_of


def serves(deployment: Deployment) -> str | None:
    """Return the release that serves afterwards, empty for none, None where nobody can know."""
    outcome = deployment.outcome
    if outcome is None:
        return None
    match outcome.result:
        case Result.PROMOTED:
            return deployment.green
        case Result.REFUSED | Result.ROLLED_BACK:
            return deployment.blue
        case Result.NEEDS_ATTENTION:
            return _stranded(deployment)


def _stranded(deployment: Deployment) -> str | None:
    """What a phase wanted is sure only of what the phases before it have reached."""
    failed = next((run.name for run in reversed(deployment.phases) if run.fault), "")
    traits, restored = traits_of(failed), deployment.green if deployment.warm else deployment.blue
    if DELETES in traits and BACK not in traits:
        return deployment.green
    if BACK in traits and RESTORES not in traits and restored:
        return restored
    alone = any(ALONE in traits_of(run.name) for run in deployment.phases)
    if deployment.blue and failed and not alone:
        return deployment.blue  # it only leaves the load balancers when green serves alone
    return "" if DELETES in traits else None


def took(deployment: Deployment) -> float | None:
    """Return the seconds from its beginning to its end, None while it runs."""
    return seconds_between(deployment.began, deployment.ended)


def seconds_between(began: str, ended: str) -> float | None:
    """Return the seconds between two ISO 8601 times, None where one is missing or none."""
    try:
        passed = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    except (ValueError, TypeError):  # TypeError where only one has a zone
        return None
    return max(passed.total_seconds(), 0.0)


def unchanged_outputs(release: str, image: Image) -> dict[str, str]:
    """Return the same keys as `outputs` for an image that serves already."""
    return {
        "outcome": "unchanged",
        "release": release,
        "ami_id": image.id,
        "version": image.version,
        "previous": release,
        "serving": release,
    }


def outputs(deployment: Deployment) -> dict[str, str]:
    """Return what a CI system's later steps may want; values are empty, never missing.

    `release` and `ami_id` are those that were to serve, `previous` the release that served
    before, `serving` the one that serves now, empty where there is none or nobody can know.
    """
    return {
        "outcome": str(deployment.outcome.result) if deployment.outcome else "",
        "release": deployment.green,
        "ami_id": deployment.image,
        "version": deployment.version,
        "previous": deployment.blue,
        "serving": serves(deployment) or "",
    }
