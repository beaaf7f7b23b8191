"""Deployments and notifications for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.core.notifications.notification import Notification
from pipeline.core.notifications.of_deployment import began, ended
from pipeline.core.pausing.pause import Actor, PausePolicy
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, Runner

RUN = "https://github.com/example/web/actions/runs/7"
NOW = datetime(2026, 11, 21, 15, 45, tzinfo=UTC)
DEPLOYMENT = Deployment(
    id="20261121T154224Z-4f2a",
    kind=Kind.PROMOTE,
    environment="production",
    green="r000125",
    blue="r000124",
    began="2026-11-21T15:42:24+00:00",
    by=Runner(user="ann", host="ci-7", pid=1, run=RUN),
    actor=Actor(system="GitHub Actions", name="ann"),
    image="ami-2",
    version="1.5.0",
)


def over(
    result: Result, kind: Kind = Kind.PROMOTE, *, reason: str = "", phase: str = "", **more: str
) -> Deployment:
    """Return the deployment as it ended two minutes later."""
    outcome = Outcome(result=result, phase=phase, reason=reason, **more)  # type: ignore[arg-type]
    ended_at = (datetime.fromisoformat(DEPLOYMENT.began) + timedelta(minutes=2)).isoformat()
    proves = "r000123" if kind is Kind.DRILL else ""
    return replace(DEPLOYMENT, kind=kind, outcome=outcome, ended=ended_at, proves=proves)


def paused() -> Deployment:
    """Return the deployment while it waits for a person."""
    pause = PausePolicy().begin("drain", "2026-11-21T15:44:24+00:00")
    return replace(over(Result.PAUSED, phase="drain"), ended="", pauses=(pause,))


def a_beginning(commit: str = "") -> Notification:
    """Return that the deployment began."""
    made = began("web", DEPLOYMENT, commit)
    assert made is not None
    return made


def an_end(deployment: Deployment | None = None, commit: str = "") -> Notification:
    """Return how the deployment ended, by default promoted."""
    made = ended("web", deployment or over(Result.PROMOTED), commit)
    assert made is not None
    return made
