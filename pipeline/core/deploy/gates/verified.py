"""The gate of `verify`: the hooks before green's traffic pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy.gates.base import Gate
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.health.verdict import Healthy, Verdict
from pipeline.core.hooks.hook import Point
from pipeline.core.state.deployment import Policy


@dataclass(frozen=True, slots=True)
class Verified(Gate):
    """The environment's hooks before green's traffic exit with 0."""

    release: str
    observes: ClassVar[bool] = False
    reads_targets: ClassVar[bool] = False

    @property
    def releases(self) -> frozenset[str]:
        """The one release."""
        return frozenset({self.release})

    def judge(self, wait: Wait) -> Verdict:
        """Return Healthy: a failed hook raises earlier, at the entry of the phase."""
        return Healthy()

    def describe(self, policy: Policy) -> str:
        """Tell whether there are hooks."""
        checks = any(hook.at is Point.BEFORE_TRAFFIC for hook in policy.hooks)
        return f"hooks pass for {self.release}" if checks else "no hooks"
