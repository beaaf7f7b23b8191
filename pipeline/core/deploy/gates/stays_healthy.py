"""The gate of `soak` and `observe`: green stays healthy for a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy import polling
from pipeline.core.deploy.gates.base import Gate, SizeTarget
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.deploy.polling import Forecast
from pipeline.core.freshness import PRESENT, Write
from pipeline.core.health import assessment
from pipeline.core.health.observation import Observation
from pipeline.core.health.unrecoverable import current
from pipeline.core.health.verdict import Failed, Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Policy
from pipeline.core.state.strategy import Step
from pipeline.core.times import format_duration


@dataclass(frozen=True, slots=True)
class StaysHealthy(Gate):
    """Every member stays healthy for `soak` or `observe` of the policy.

    A schedule or a person may set the group's desired capacity to 0: it was proven before.
    The soak lasts at least as long as the slow start of a target group: until then, the members
    receive less than their share, and blue must not be drained.
    `least` names the release whose live size the group must have, too, or the part of it that a
    `step` of a canary gives. The time begins once the group has reached it.
    """

    release: str
    pause: str
    least: str = ""
    step: Step | None = None
    reads_signals: ClassVar[bool] = True

    @property
    def releases(self) -> frozenset[str]:
        """The one release."""
        return frozenset({self.release})

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """A group that was just detached may still be shown as healthy."""
        return {self.release: PRESENT}

    @property
    def follows(self) -> str:
        """The release."""
        return self.release

    def judge(self, wait: Wait) -> Verdict:
        """Fail on a member that stays unhealthy; pass after the time without a break.

        One unhealthy observation starts the time again and is no failure yet.
        """
        if failure := wait.health.persistent_failure:
            return Failed(reason=f"a member became unhealthy while it served: {failure}")
        least = wait.size_to_reach(self.release, self.least, self.step)
        expected = wait.expected(self.release, least=least, may_be_empty=True)
        verdict = assessment.all_healthy(expected, wait.history, in_a_row=1)
        if not isinstance(verdict, Healthy):
            return verdict
        healthy_for = wait.latest.at - self._since(wait)
        length = wait.policy.pause(self.pause)
        if healthy_for >= length:
            return verdict
        so_far = format_duration(round(healthy_for))
        return Progressing(reason=f"healthy for {so_far} of {format_duration(length)}")

    def describe(self, policy: Policy) -> str:
        """Name the length of the time."""
        length = policy.pause(self.pause)
        why = " (slow start)" if self.pause == "soak" and length > policy.soak else ""
        if self.pause not in {"soak", "observe"} and not length:
            return f"{self.release} healthy"
        part = f" with {self.step.describe()}" if self.step else ""
        return f"{self.release}{part} healthy for {format_duration(length)}{why}"

    def activities(self, wait: Wait) -> frozenset[str]:
        """Read the activities: members may be lost."""
        return wait.activities_of(self.release)

    def accepts_earlier(self, policy: Policy) -> bool:
        """Return True if the time is zero: the last observation of the previous wait is enough."""
        return not policy.pause(self.pause)

    def interval(self, wait: Wait) -> float:
        """Observe rarely until the time is over."""
        end = self._since(wait) + wait.policy.pause(self.pause)
        forecast = Forecast(quiet=end - wait.began)
        return polling.interval(wait.elapsed, forecast, quiet=polling.CALM)

    def size_target(self, wait: Wait) -> SizeTarget | None:
        """Grow green with blue, so that it does not take over with less than serves now."""
        if not self.least:
            return None
        return SizeTarget(
            release=self.release, least=wait.size_to_reach(self.release, self.least, self.step)
        )

    def _since(self, wait: Wait) -> float:
        """Return when the time began: green was as large as it must be, and healthy since."""
        reached = (each.at for each in wait.observations if self._is_large_enough(wait, each))
        return max(wait.health.healthy_since, next(reached, wait.latest.at))

    def _is_large_enough(self, wait: Wait, observation: Observation) -> bool:
        if not self.least or self.release in wait.document.adopted:
            return True
        green = observation.groups.get(wait.group(self.release))
        blue = observation.groups.get(wait.group(self.least))
        whole = blue.desired if blue else 0
        least = self.step.size(whole) if self.step else whole
        return green is not None and len(current(green)) >= least
