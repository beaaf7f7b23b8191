"""Compute the four DORA figures of an environment from its deployments.

Pure: `docs/guide/stats.md` defines each figure, and the tests hold the definitions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.report import seconds_between
from pipeline.core.stats.timing import (
    in_service,
    is_delivered,
    restored,
    restoring,
    with_traffic,
)

_PROMOTES: Final = frozenset({Kind.PROMOTE, Kind.REBUILD})
_WEEK: Final = timedelta(days=7)
_MOST: Final = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How long something took: how often it was measured, and the seconds.

    `median` is that of all, and nine of ten are at most `most`; None without any.
    """

    count: int = 0
    median: float | None = None
    most: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """The figures of one environment between two times (UTC, ISO 8601).

    `deployments` put a release into service, `per_week` of them. `lead` is from each new commit to
    its service, `bake` from the bake, of deployments whose new commits are not known. `failed` of
    the `counted` deployments, which had traffic, were rolled back. `without_traffic` failed before
    that. `restore` is how long the failed ones had traffic.
    """

    environment: str
    since: str
    until: str
    deployments: int = 0
    per_week: float = 0.0
    lead: Spread = Spread()
    bake: Spread = Spread()
    counted: int = 0
    failed: int = 0
    without_traffic: int = 0
    restore: Spread = Spread()

    @property
    def failure_rate(self) -> float | None:
        """The share of the counted deployments that failed, None without any."""
        return self.failed / self.counted if self.counted else None


def figures_of(
    environment: str, history: Iterable[Deployment], since: datetime, until: datetime
) -> Figures:
    """Return the figures of an environment in a period.

    `history` may be longer than the period: a rollback in it may end an earlier promotion.
    """
    own = [each for each in history if each.environment == environment and each.ended]
    ended = sorted(own, key=lambda each: datetime.fromisoformat(each.ended))
    tried = [each for each in ended if each.kind in _PROMOTES and _is_in(each, since, until)]
    promoted = [each for each in tried if is_delivered(each)]
    undone = {bad.id for bad, _ in _undone(ended)}
    failures = [each for each in tried if _rolled_back(each)]
    failed = sum(bool(with_traffic(each)) for each in failures)
    weeks = (until - since) / _WEEK
    return Figures(
        environment=environment,
        since=since.isoformat(timespec="seconds"),
        until=until.isoformat(timespec="seconds"),
        deployments=len(promoted),
        per_week=len(promoted) / weeks if weeks else 0.0,
        lead=_spread(seconds for each in promoted for seconds in _lead_times(each)),
        bake=_spread(seconds for each in promoted for seconds in _since_bake(each)),
        counted=len(promoted) + failed,
        failed=failed + sum(each.id in undone for each in promoted),
        without_traffic=len(failures) - failed,
        restore=_spread(_restore_times(ended, since, until)),
    )


def _is_in(deployment: Deployment, since: datetime, until: datetime) -> bool:
    return since <= datetime.fromisoformat(deployment.ended) <= until


def _rolled_back(deployment: Deployment) -> bool:
    """Return True if the deployment failed by itself; a person's signal says nothing about it."""
    outcome = deployment.outcome
    bad = {Result.ROLLED_BACK, Result.NEEDS_ATTENTION}
    ended_badly = outcome is not None and outcome.result in bad and not outcome.interrupted
    return ended_badly and not is_delivered(deployment)


def _undone(ended: Sequence[Deployment]) -> Iterator[tuple[Deployment, Deployment]]:
    """Yield each promotion that a later rollback replaced, with that rollback."""
    serving: dict[str, Deployment] = {}
    for each in ended:
        if not is_delivered(each):
            continue
        if each.kind in _PROMOTES:
            serving[each.green] = each
        elif each.kind is Kind.ROLLBACK and each.blue in serving:
            yield serving.pop(each.blue), each


def _lead_times(deployment: Deployment) -> Iterator[float]:
    """Yield the seconds from each new commit until it was in service."""
    at = in_service(deployment)
    for commit in deployment.changes.commits.added if deployment.changes else ():
        if (seconds := _between(commit.date, at)) is not None:
            yield seconds


def _since_bake(deployment: Deployment) -> Iterator[float]:
    """Yield the seconds from the bake until the service, if no new commit is known.

    An image that served already brings nothing new.
    """
    changes = deployment.changes
    if changes is None or any(_lead_times(deployment)):
        return
    image = changes.image
    is_same = image.before and image.after and not image.differs
    created = image.after.created if image.after and not is_same else ""
    if (seconds := _between(created, in_service(deployment))) is not None:
        yield seconds


def _restore_times(
    ended: Sequence[Deployment], since: datetime, until: datetime
) -> Iterator[float]:
    """Yield how long each failed release had traffic; the period is that of the restoration."""
    failures = (each for each in ended if each.kind in _PROMOTES and _rolled_back(each))
    times = (restoring(each) for each in failures if _is_in(each, since, until))
    yield from (seconds for seconds in times if seconds is not None)
    for bad, back in _undone(ended):
        first, last = in_service(bad), restored(back)
        if first and last and _is_in(back, since, until):
            yield max((last - first).total_seconds(), 0.0)


def _between(began: str, ended: datetime | None) -> float | None:
    return seconds_between(began, ended.isoformat()) if began and ended else None


def _spread(found: Iterable[float]) -> Spread:
    ordered = sorted(found)
    if not ordered:
        return Spread()
    rank = math.ceil(len(ordered) * _MOST)
    return Spread(count=len(ordered), median=median(ordered), most=ordered[rank - 1])
