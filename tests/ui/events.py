"""Build the events of a promotion that fails in attach and is rolled back."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Event,
    Message,
    PhaseBegan,
    PhaseEnded,
    RollbackBegan,
    Watched,
)
from pipeline.core.health.observation import Observation
from pipeline.core.state.deployment import Deployment, PhaseRun
from tests.ui.status_examples import RUNS, a_deployment, in_flight, rolled_back

REASON = "i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks"
WAITING = "1 of 3 members of r000125 healthy in web-elb"
NAMES = tuple(run.name for run in RUNS)


def began() -> DeploymentBegan:
    running = in_flight().environment.deployment
    assert running is not None
    return DeploymentBegan(deployment=running, phases=NAMES)


def watched(waiting: str, observation: Observation | None = None) -> Watched:
    return Watched(
        phase="attach", waiting=waiting, observation=observation or in_flight().observation
    )


def up_to_attach() -> tuple[Event, ...]:
    return (
        began(),
        PhaseBegan(name="launch", limit=900.0),
        PhaseEnded(run=RUNS[0]),
        PhaseBegan(name="verify", limit=300.0),
        PhaseEnded(run=RUNS[1]),
        PhaseBegan(name="attach", limit=900.0),
        watched(WAITING),
    )


def rollback_events(deployment: Deployment | None = None) -> tuple[Event, ...]:
    runs = [
        PhaseRun(name=name, seconds=seconds)
        for name, seconds in (("reattach", 1.1), ("detach", 20.0), ("delete", 11.0))
    ]
    phases = [
        event
        for run in runs
        for event in (PhaseBegan(name=run.name, limit=900.0), PhaseEnded(run=run))
    ]
    return (
        PhaseEnded(run=replace(RUNS[2], seconds=91.0, fault=REASON)),
        RollbackBegan(reason=f"attach: {REASON}", phases=tuple(run.name for run in runs)),
        *phases,
        DeploymentEnded(deployment=deployment or rolled_back()),
    )


def promoted() -> tuple[Event, ...]:
    return (
        DeploymentBegan(deployment=a_deployment(ended="", outcome=None), phases=NAMES),
        *(
            event
            for run in RUNS
            for event in (PhaseBegan(name=run.name, limit=900.0), PhaseEnded(run=run))
        ),
        DeploymentEnded(deployment=a_deployment()),
    )


SIGNAL = Message(text="interrupted: rolling back; interrupt again to stop waiting")
