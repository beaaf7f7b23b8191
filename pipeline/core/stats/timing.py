"""Find the moments of a recorded deployment: when a release had traffic, and all of it.

A record has the duration of each phase and its end, so the moments are counted back from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pipeline.core.state.deployment import Deployment, PhaseRun, Result, result_of
from pipeline.core.state.report import seconds_between, serves
from pipeline.core.validation.phases import BACK, DELETES, DETACHED, RESTORES, family, traits_of

_AFTER_TRAFFIC = frozenset({"observe", "retire", "delete", "detach"})
"""The phases after the one in which a release got all of the traffic."""


def with_traffic(deployment: Deployment) -> tuple[PhaseRun, ...]:
    """Return the phases on the way forward in which green had traffic.

    Behind pairs it has none in *attach*, and a release without a healthy member never has any.
    """
    if deployment.outcome and deployment.outcome.unserved:
        return ()
    without = DETACHED | BACK | DELETES
    runs = (run for run in deployment.phases if not traits_of(run.name) & without)
    return tuple(run for run in runs if not (run.name == "attach" and deployment.target_groups))


def is_delivered(deployment: Deployment) -> bool:
    """Return True if the release that is to serve does, whatever became of the old group."""
    is_over = result_of(deployment) in {Result.PROMOTED, Result.NEEDS_ATTENTION}
    return is_over and bool(deployment.green) and serves(deployment) == deployment.green


def in_service(deployment: Deployment) -> datetime | None:
    """Return when the release that is to serve had all the traffic; None if it never had."""
    if not is_delivered(deployment):
        return None
    return _before_the_rest(deployment, deployment.phases)


def restored(rollback: Deployment) -> datetime | None:
    """Return when a rollback had given the traffic back; None if it never did."""
    runs = rollback.phases
    places = [place for place, run in enumerate(runs) if RESTORES in traits_of(run.name)]
    if not is_delivered(rollback) or not places:
        return in_service(rollback)
    return _minus(rollback, runs[places[-1] + 1 :])


def restoring(failed: Deployment) -> float | None:
    """Return how long a deployment that rolled back had traffic on its release, in seconds.

    From the beginning of the first phase with traffic to the end of the one that restored blue;
    None if there was none, or if blue was not restored.
    """
    first, runs = with_traffic(failed), failed.phases
    places = [place for place, run in enumerate(runs) if RESTORES in traits_of(run.name)]
    if not first or not places or runs[places[-1]].fault:
        return None
    return _seconds(failed, runs[runs.index(first[0]) : places[-1] + 1])


def _before_the_rest(deployment: Deployment, runs: Sequence[PhaseRun]) -> datetime:
    count = 0
    while count < len(runs) and family(runs[-1 - count].name) in _AFTER_TRAFFIC:
        count += 1
    return _minus(deployment, runs[len(runs) - count :])


def _minus(deployment: Deployment, rest: Sequence[PhaseRun]) -> datetime:
    """Return the end of a deployment without the last phases."""
    return datetime.fromisoformat(deployment.ended) - timedelta(seconds=_seconds(deployment, rest))


def _seconds(deployment: Deployment, runs: Iterable[PhaseRun]) -> float:
    """Return how long phases took, with the pauses before them."""
    found = tuple(runs)
    names = {run.name for run in found}
    pauses = (each for each in deployment.pauses if each.before in names)
    waited = sum(seconds_between(each.since, each.ended) or 0.0 for each in pauses)
    return sum(run.seconds for run in found) + waited
