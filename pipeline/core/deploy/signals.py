"""Signals: what decides a deployment besides the health of its groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pipeline.core.deploy.ports import Alarms
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


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmSignal:
    """The policy's alarms: none of them may fire."""

    alarms: Alarms
    always: bool = False

    def judge(self, moment: Moment) -> Verdict:
        """Fail with one line for each alarm that is firing."""
        names = moment.policy.alarms
        firing = self.alarms.ringing(names) if names else ()
        return Failed(reason="; ".join(firing)) if firing else Healthy()


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
