"""The gate of `attach`: every member of green is healthy in every load balancer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy import polling
from pipeline.core.deploy.gates.base import Gate, SizeTarget
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.deploy.polling import Forecast, Timings
from pipeline.core.freshness import PRESENT, Write
from pipeline.core.health import assessment
from pipeline.core.health.observation import Observation
from pipeline.core.health.verdict import Verdict
from pipeline.core.state.deployment import Policy
from pipeline.core.state.strategy import Step


@dataclass(frozen=True, slots=True)
class AllHealthy(Gate):
    """Every member is healthy in every load balancer, several checks in a row.

    `least` names the release whose live size the group must have first, or the part of it that the
    first `step` of a canary gives.
    """

    release: str
    least: str = ""
    step: Step | None = None
    measures_ready: ClassVar[bool] = True

    @property
    def releases(self) -> frozenset[str]:
        """The release, and the one that gives the size."""
        return frozenset({self.release, self.least} - {""})

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """A group that was just detached may still be shown as healthy."""
        return {self.release: PRESENT}

    def proofs(self, policy: Policy) -> int:
        """Return the number of checks."""
        return policy.healthy_checks

    @property
    def follows(self) -> str:
        """The release."""
        return self.release

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every member is healthy, and there are enough of them."""
        least = wait.size_to_reach(self.release, self.least, self.step)
        expected = wait.expected(self.release, least=least)
        in_a_row = wait.policy.healthy_checks
        return assessment.all_healthy(expected, wait.history, in_a_row=in_a_row)

    def describe(self, policy: Policy) -> str:
        """Name the number of checks."""
        return f"{self.release} healthy {policy.healthy_checks} times in a row"

    def activities(self, wait: Wait) -> frozenset[str]:
        """Read the activities: members may be lost."""
        return wait.activities_of(self.release)

    def forecast(self, timings: Timings) -> Forecast:
        """Expect green to take as long as the previous release did."""
        if timings.ready is None or timings.since_launch is None:
            return Forecast()
        return polling.forecast_like(timings.ready, passed=timings.since_launch)

    def rest(self, forecast: Forecast) -> float:
        """Rest until the end may come; blue serves meanwhile."""
        return polling.rest(forecast, 2 * polling.IDLE)

    def interval(self, wait: Wait) -> float:
        """Observe every second once one member is healthy: the others soon are."""
        if wait.serves(self.release):
            return polling.QUICK
        busy = polling.uncertain_interval(wait.elapsed, wait.forecast)
        return polling.interval(wait.elapsed, wait.forecast, busy=busy)

    def listens(self, wait: Wait) -> bool:
        """Return True before the first member is healthy, unless that is due now."""
        uncertain = polling.is_uncertain(wait.elapsed, wait.forecast)
        return bool(wait.place.balancers) and uncertain and not wait.serves(self.release)

    def is_news(self, wait: Wait, observation: Observation) -> bool:
        """Return True once a load balancer shows a healthy member."""
        return wait.serves(self.release, observation)

    def size_target(self, wait: Wait) -> SizeTarget | None:
        """Grow green with blue, so that it does not take over with less than serves now.

        It takes one member to prove the release, even if blue is scaled to zero.
        """
        least = max(1, wait.size_to_reach(self.release, self.least, self.step))
        return SizeTarget(release=self.release, least=least)
