"""What a gate is: the condition that ends a phase, and everything that others ask about it.

The deployer, the observer and `--plan` use these methods and never a gate's type. The defaults
are those of a gate that reads groups and load balancers every second and does nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy import polling
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.deploy.polling import Forecast, Timings
from pipeline.core.freshness import Write
from pipeline.core.health.observation import Observation
from pipeline.core.health.verdict import Verdict
from pipeline.core.state.deployment import Policy


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeTarget:
    """The size that a release's group must reach before the gate can pass."""

    release: str
    least: int


class Gate(ABC):
    """The condition that ends a phase."""

    __slots__ = ()

    observes: ClassVar[bool] = True
    """Whether observations decide; otherwise the hooks of the phase do."""
    reads_targets: ClassVar[bool] = True
    """Whether the load balancers must be read."""
    reads_signals: ClassVar[bool] = False
    """Whether signals such as alarms may end the phase."""
    trusts_past: ClassVar[bool] = False
    """Whether the release served so recently that it may get its traffic back unseen."""
    needs_delays: ClassVar[bool] = False
    """Whether the delays of the load balancers say how long the wait may last."""
    is_later: ClassVar[bool] = False
    """Whether a later command does what the phase wants; the phase only records that."""
    measures_ready: ClassVar[bool] = False
    """Whether passing it tells how long green took from its launch until it was healthy."""

    @property
    @abstractmethod
    def releases(self) -> frozenset[str]:
        """The releases whose groups must be read."""

    @abstractmethod
    def judge(self, wait: Wait) -> Verdict:
        """Judge the observations and readings so far; a pure function."""

    @abstractmethod
    def describe(self, policy: Policy) -> str:
        """Return the condition for `--plan`, with the environment's numbers."""

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """The writes to releases' groups that an observation must show before it can be proof."""
        return {}

    @property
    def proven_to_serve(self) -> frozenset[str]:
        """The releases that serve if the gate passes: a detachment contradicts it."""
        found = self.contradicting.items()
        return frozenset(release for release, writes in found if Write.DETACH in writes)

    def proofs(self, policy: Policy) -> int:
        """Return how many observations in a row must show those writes."""
        return 1

    @property
    def follows(self) -> str:
        """The release whose members' health is followed during the wait, empty for none."""
        return ""

    def activities(self, wait: Wait) -> frozenset[str]:
        """Return the releases whose scaling activities the next observation must read."""
        return frozenset()

    def accepts_earlier(self, policy: Policy) -> bool:
        """Return True if an observation from before the phase may end it."""
        return False

    def forecast(self, timings: Timings) -> Forecast:
        """Return when the wait is likely to end."""
        return Forecast()

    def rest(self, forecast: Forecast) -> float:
        """Return the seconds before the first observation."""
        return 0.0

    def interval(self, wait: Wait) -> float:
        """Return the seconds from the latest observation to the next."""
        return polling.interval(wait.elapsed, wait.forecast)

    def listens(self, wait: Wait) -> bool:
        """Return True if reading the load balancers alone is enough until they show news."""
        return False

    def is_news(self, wait: Wait, observation: Observation) -> bool:
        """Return True if this observation of the load balancers alone is a reason to read all."""
        return True

    def reduction(self, wait: Wait) -> SizeTarget | None:
        """Return a smaller size that a group gets now, if there is one."""
        return None

    def size_target(self, wait: Wait) -> SizeTarget | None:
        """Return the size that a group must reach first, if there is one."""
        return None
