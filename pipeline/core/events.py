"""What happened, as values: the bake reports these, the interface draws them.

The core never prints. One event type per fact that a person or a log wants to
see; text is already masked when it gets here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.core.health.observation import Observation
from pipeline.core.state.deployment import Deployment, PhaseRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something was done or found that is worth a line of its own."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStarted:
    """Packer was started on an image of this name; its full output goes to `log`."""

    name: str
    log: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBegan:
    """One build of the template said what it does next."""

    build: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildEnded:
    """Packer ended after `seconds`; that it `succeeded` is its own opinion, not yet ours."""

    seconds: float
    how: Literal["succeeded", "failed", "timed out", "was stopped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentBegan:
    """A deployment was recorded and begins; `phases` are the names of those to come."""

    deployment: Deployment
    phases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseBegan:
    """A phase began; `limit` is the longest it may wait, in seconds."""

    name: str
    limit: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One look in a phase: what was seen, and what is waited for, if anything."""

    phase: str
    waiting: str
    observation: Observation


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseEnded:
    """A phase ended after real seconds; `run.fault` says what went wrong, if anything."""

    run: PhaseRun


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackBegan:
    """What was done is being undone because of `reason`; `phases` are those to come."""

    reason: str
    phases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentEnded:
    """The deployment is over; `deployment.outcome` says how."""

    deployment: Deployment


Event = (
    Message
    | BuildStarted
    | StepBegan
    | BuildEnded
    | DeploymentBegan
    | PhaseBegan
    | Watched
    | PhaseEnded
    | RollbackBegan
    | DeploymentEnded
)
Report = Callable[[Event], None]
