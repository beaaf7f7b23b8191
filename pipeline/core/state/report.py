"""Derive facts from a finished deployment: the serving release, its duration, the CI outputs.

Separate from `ui`, because the adapter that writes the files of a CI system needs the same facts.
"""

from __future__ import annotations

from datetime import datetime

from pipeline.core.image import Image
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.validation.phases import ALONE, BACK, DELETES, RESTORES, traits_of


def serves(deployment: Deployment) -> str | None:
    """Return the release that serves afterwards, empty for none, None if unknown."""
    outcome = deployment.outcome
    if outcome is None:
        return None
    if deployment.kind is Kind.DRILL:
        return deployment.blue
    match outcome.result:
        case Result.PROMOTED:
            return deployment.green
        case Result.PROVEN | Result.REFUSED | Result.ROLLED_BACK:
            return deployment.blue
        case Result.PAUSED:
            alone = ALONE in traits_of(deployment.phase)
            return deployment.green if alone and deployment.blue else deployment.blue
        case Result.NEEDS_ATTENTION:
            return _serves_after_failure(deployment)


def _serves_after_failure(deployment: Deployment) -> str | None:
    """Return the release that serves by the last failed phase, None if that is uncertain."""
    if deployment.kind is Kind.RETIRE:
        return deployment.green
    failed = next((run.name for run in reversed(deployment.phases) if run.fault), "")
    traits, restored = traits_of(failed), deployment.green if deployment.warm else deployment.blue
    if DELETES in traits and BACK not in traits:
        return deployment.green
    if BACK in traits and RESTORES not in traits and restored:
        # Workers that must not overlap stop before the old ones start again.
        done = any(RESTORES in traits_of(run.name) for run in deployment.phases)
        return restored if done or not deployment.worker else None
    alone = any(ALONE in traits_of(run.name) for run in deployment.phases)
    if deployment.blue and failed and not alone:
        return deployment.blue  # it only leaves the load balancers when green serves alone
    return "" if DELETES in traits else None


def took(deployment: Deployment) -> float | None:
    """Return the seconds of a deployment without its pauses, None while it is not over."""
    seconds = seconds_between(deployment.began, deployment.ended)
    if seconds is None:
        return None
    pauses = (seconds_between(each.since, each.ended) or 0.0 for each in deployment.pauses)
    return max(seconds - sum(pauses), 0.0)


def seconds_between(began: str, ended: str) -> float | None:
    """Return the seconds between two ISO 8601 times, None if one is missing or invalid."""
    try:
        passed = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    except (ValueError, TypeError):  # TypeError if only one has a zone
        return None
    return max(passed.total_seconds(), 0.0)


def unchanged_outputs(release: str, image: Image) -> dict[str, str]:
    """Return the keys of `outputs` for an image that is already serving."""
    return {
        "outcome": "unchanged",
        "release": release,
        "ami_id": image.id,
        "version": image.version,
        "previous": release,
        "serving": release,
    }


def outputs(deployment: Deployment) -> dict[str, str]:
    """Return the outputs for the later steps of a CI job; values may be empty, never missing.

    `release` and `ami_id` are the target of the deployment, `previous` is the release that served
    before, `serving` the one that serves now, empty if there is none or it is unknown.
    """
    return {
        "outcome": str(deployment.outcome.result) if deployment.outcome else "",
        "release": deployment.green,
        "ami_id": deployment.image,
        "version": deployment.version,
        "previous": deployment.blue,
        "serving": serves(deployment) or "",
    }
