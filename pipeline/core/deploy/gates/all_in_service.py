"""The gate of `launch`: every member of green has booted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy import polling
from pipeline.core.deploy.gates.base import Gate, SizeTarget
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.health import assessment
from pipeline.core.health.verdict import Verdict
from pipeline.core.state.deployment import Policy


@dataclass(frozen=True, slots=True)
class AllInService(Gate):
    """Every member of the group is InService on the group's launch template version."""

    release: str
    reads_targets: ClassVar[bool] = False

    @property
    def releases(self) -> frozenset[str]:
        """The one release."""
        return frozenset({self.release})

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether every member is InService."""
        return assessment.all_in_service(wait.expected(self.release), wait.history)

    def describe(self, policy: Policy) -> str:
        """Name the release."""
        return f"all of {self.release} InService"

    def activities(self, wait: Wait) -> frozenset[str]:
        """Read the activities while launches may fail."""
        return wait.activities_of(self.release)

    def interval(self, wait: Wait) -> float:
        """Observe every other second until the first member is InService, then every second."""
        group = wait.observed(self.release)
        arriving = group is not None and any(m.lifecycle == "InService" for m in group.members)
        busy = polling.QUICK if arriving else polling.STEADY
        return polling.interval(wait.elapsed, wait.forecast, busy=busy)

    def size_target(self, wait: Wait) -> SizeTarget | None:
        """Require one member: a schedule may scale green to zero before it is proven."""
        return SizeTarget(release=self.release, least=1)
