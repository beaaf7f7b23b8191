"""The gates of `drain` and `detach`: a group has left the load balancers, or has stopped.

`Leaving` and `Stopping` pass as soon as traffic and new work go elsewhere: a later command waits
for the rest before it deletes the groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from pipeline.core.deploy import polling
from pipeline.core.deploy.gates.base import Gate
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.deploy.polling import Forecast, Timings
from pipeline.core.freshness import ABSENT, Write
from pipeline.core.health import assessment
from pipeline.core.health.verdict import Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Policy
from pipeline.core.times import format_duration


@dataclass(frozen=True, slots=True, init=False)
class Drained(Gate):
    """No member of the groups is a target any longer."""

    names: tuple[str, ...]
    needs_delays: ClassVar[bool] = True

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)

    @property
    def releases(self) -> frozenset[str]:
        """The releases of the groups."""
        return frozenset(self.names)

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """A group that was just attached may still be shown as detached."""
        return dict.fromkeys(self.names, ABSENT)

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every member has left every load balancer."""
        judged = (assessment.drained(wait.expected(each), wait.history) for each in self.names)
        return next((each for each in judged if not isinstance(each, Healthy)), Healthy())

    def describe(self, policy: Policy) -> str:
        """Name the releases, and how long the load balancers take."""
        seconds = policy.delays.drain
        time = f" in {format_duration(seconds)}" if seconds else ""
        return f"{' '.join(self.names)} drained{time}"

    def forecast(self, timings: Timings) -> Forecast:
        """Expect the end after the longest deregistration delay."""
        return Forecast(quiet=timings.drain)

    def activities(self, wait: Wait) -> frozenset[str]:
        """Read those of the groups once, at the expected end, if no phase waits after it.

        The size that the other group gets depends on them.
        """
        policy, forecast = wait.policy, wait.forecast
        ends = policy.delays.drain and forecast.quiet <= polling.QUICK and not wait.observations
        return self.releases if ends and not policy.observe else frozenset()

    def rest(self, forecast: Forecast) -> float:
        """Rest until the end may come."""
        return polling.rest(forecast)

    def interval(self, wait: Wait) -> float:
        """Observe every other second if the delay is unknown."""
        busy = polling.QUICK if wait.forecast.quiet else polling.STEADY
        return polling.interval(wait.elapsed, wait.forecast, busy=busy)


@dataclass(frozen=True, slots=True, init=False)
class Stopped(Drained):
    """The groups have no members any longer, not even one that a termination hook holds.

    A group that also leaves load balancers for good has drained there, too.
    """

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every group is empty."""
        judged = (assessment.stopped(wait.group(each), wait.history) for each in self.names)
        runs = next((each for each in judged if not isinstance(each, Healthy)), None)
        return runs or Drained.judge(self, wait)

    def describe(self, policy: Policy) -> str:
        """Name the releases, and how long a termination hook may hold an instance."""
        seconds = policy.delays.drain
        held = f", hook up to {format_duration(seconds)}" if seconds else ""
        return f"{' '.join(self.names)} stopped{held}"

    def forecast(self, timings: Timings) -> Forecast:
        """Expect no time: a hook ends as soon as the work has."""
        return Forecast()

    def interval(self, wait: Wait) -> float:
        """Observe every other second."""
        return polling.interval(wait.elapsed, wait.forecast, busy=polling.STEADY)


@dataclass(frozen=True, slots=True, init=False)
class Leaving(Drained):
    """No member of the groups gets new requests any longer; requests in flight may last.

    It also reads the activities: the size that the other group gets depends on them.
    """

    needs_delays: ClassVar[bool] = False

    def activities(self, wait: Wait) -> frozenset[str]:
        """Read those of the groups."""
        return self.releases

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every member drains or has left."""
        judged = (assessment.leaving(wait.expected(each), wait.history) for each in self.names)
        return next((each for each in judged if not isinstance(each, Healthy)), Healthy())

    def describe(self, policy: Policy) -> str:
        """Name the releases."""
        return f"{' '.join(self.names)} gets no new requests"

    def forecast(self, timings: Timings) -> Forecast:
        """Expect the end at once."""
        return Forecast()

    def interval(self, wait: Wait) -> float:
        """Observe each second."""
        return polling.QUICK


@dataclass(frozen=True, slots=True, init=False)
class Stopping(Leaving):
    """The groups launch no members any longer, and those that they have end their work."""

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every member leaves its group, and the load balancers."""
        judged = (assessment.stopping(wait.group(each), wait.history) for each in self.names)
        runs = next((each for each in judged if not isinstance(each, Healthy)), None)
        return runs or Leaving.judge(self, wait)

    def describe(self, policy: Policy) -> str:
        """Name the releases."""
        return f"{' '.join(self.names)} starts no new work"


@dataclass(frozen=True, slots=True)
class InFlightEnded(Gate):
    """A release that gets no new requests has had as long as draining takes to end the others.

    Its members stay registered, so no load balancer shows them as draining: the deregistration
    delay is what the service's owner set as the longest request (Application Load Balancers,
    "Deregistration delay"; for network load balancers, of a connection).
    """

    release: str
    needs_delays: ClassVar[bool] = True

    @property
    def releases(self) -> frozenset[str]:
        """The one release."""
        return frozenset({self.release})

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether the time is over."""
        left = wait.policy.delays.drain - wait.elapsed
        if left <= 0:
            return Healthy()
        return Progressing(reason=f"requests in flight have {format_duration(ceil(left))} left")

    def describe(self, policy: Policy) -> str:
        """Name the release and the time."""
        seconds = policy.delays.drain
        time = f" in {format_duration(seconds)}" if seconds else ""
        return f"requests to {self.release} end{time}"

    def forecast(self, timings: Timings) -> Forecast:
        """Expect the end after the longest deregistration delay."""
        return Forecast(quiet=timings.drain)
