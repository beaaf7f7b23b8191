"""Define a signal: something besides health that may end a deployment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pipeline.core.deploy.phase import Phase
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Deployment, Policy


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a signal is asked: after an observation of a phase that waits.

    `began` and `at` are the times of the phase's first and latest observation, in seconds of the
    cloud's clock. `over` says that nothing else keeps the phase from ending.
    """

    deployment: Deployment
    phase: str
    policy: Policy
    began: float
    at: float
    over: bool


class Signal(Protocol):
    """Something besides health that may end a deployment: alarms, a probe, an analysis."""

    @property
    def always(self) -> bool:
        """Whether it is asked in every phase while green may have traffic, not only in pauses."""

    def judge(self, moment: Moment) -> Verdict:
        """Return Failed to roll back, Progressing while it needs more time, otherwise Healthy."""

    def begin(self, phase: Phase, deployment: Deployment) -> Deployment:  # noqa: ARG002 - a default
        """Take notice of a phase that begins; return the deployment with what is to be recorded."""
        return deployment

    def finish(self) -> None:
        """Take notice that the gate of the phase has passed; raises FailedError if it must fail."""
        return

    def end(self, deployment: Deployment) -> Deployment:
        """Stop; return the deployment with what is to be recorded. Called again, does nothing."""
        return deployment


def combined(verdict: Verdict, signals: Iterable[Signal], moment: Moment) -> Verdict:
    """Return the gate's verdict unless a signal has failed or needs more time.

    Every signal is asked: each of them may count what it sees.
    """
    if isinstance(verdict, Failed):
        return verdict
    judged = [signal.judge(moment) for signal in signals]
    failures = [each.reason for each in judged if isinstance(each, Failed)]
    if failures:
        return Failed(reason="; ".join(failures))
    waits = (each for each in judged if isinstance(each, Progressing))
    return next(waits, verdict) if isinstance(verdict, Healthy) else verdict
