"""The alarms of CloudWatch as a signal."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.deploy.ports import Alarms
from pipeline.core.deploy.signals.base import Moment, Signal
from pipeline.core.health.verdict import Failed, Healthy, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmSignal(Signal):
    """The policy's alarms: none of them may fire."""

    alarms: Alarms
    always: bool = False

    def judge(self, moment: Moment) -> Verdict:
        """Fail with one line for each alarm that is firing."""
        names = moment.policy.alarms
        firing = self.alarms.ringing(names) if names else ()
        return Failed(reason="; ".join(firing)) if firing else Healthy()
