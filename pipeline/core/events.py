"""Events that a bake or a deployment reports and the interface shows.

The core never prints. There is one type for each fact that a person or a log needs. Text is masked
before it gets here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.core.health.observation import Observation
from pipeline.core.probe.tally import Answers, ProbeTotals
from pipeline.core.state.deployment import Deployment, PhaseRun


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A step or a finding that has no event type of its own."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStarted:
    """Packer started to build an image of this name; its complete output goes to `log`."""

    name: str
    log: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class StepBegan:
    """A build of the template began a step."""

    build: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildEnded:
    """Packer ended after `seconds`; `how` is its own result, before the image is verified."""

    seconds: float
    how: Literal["succeeded", "failed", "timed out", "was stopped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentBegan:
    """A deployment was recorded and begins; `phases` are the names of its phases."""

    deployment: Deployment
    phases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseBegan:
    """A phase began; `limit` is the longest it may wait, in seconds."""

    name: str
    limit: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One observation in a phase; `waiting` is what the gate still needs, empty if it passed."""

    phase: str
    waiting: str
    observation: Observation


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeCounted:
    """The probe's requests so far, and the answers of this run by version and status."""

    totals: ProbeTotals
    answers: tuple[Answers, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseEnded:
    """A phase ended; `run` has its real seconds and why it failed, if it did."""

    run: PhaseRun


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackBegan:
    """The way back begins because of `reason`; `phases` are the names of its phases."""

    reason: str
    phases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentEnded:
    """The deployment ended with `deployment.outcome`."""

    deployment: Deployment


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolEnded:
    """A run of Terraform ended just now, after real `seconds`; `command` is such as `plan`."""

    tool: str
    command: str
    seconds: float
    code: int


Event = (
    Message
    | ToolEnded
    | BuildStarted
    | StepBegan
    | BuildEnded
    | DeploymentBegan
    | PhaseBegan
    | Watched
    | ProbeCounted
    | PhaseEnded
    | RollbackBegan
    | DeploymentEnded
)
Report = Callable[[Event], None]
