"""The gate of `verify`: the verify hooks pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy.gates.base import Actions, Gate
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.health.verdict import Healthy, Verdict
from pipeline.core.state.deployment import Deployment, Policy


@dataclass(frozen=True, slots=True)
class Verified(Gate):
    """The environment's verify hooks exit with 0."""

    release: str
    observes: ClassVar[bool] = False
    reads_targets: ClassVar[bool] = False

    @property
    def releases(self) -> frozenset[str]:
        """The one release."""
        return frozenset({self.release})

    def enter(self, actions: Actions, deployment: Deployment) -> None:
        """Run the hooks: a hook that fails ends the phase."""
        actions.verify(deployment)

    def judge(self, wait: Wait) -> Verdict:
        """Return Healthy: a failed hook raises earlier."""
        return Healthy()

    def describe(self, policy: Policy) -> str:
        """Tell whether there are hooks."""
        return f"verify hooks pass for {self.release}" if policy.verify else "no verify hooks"
