"""The gate of a batch: blue has shrunk, and green has grown into the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy.gates.base import Gate, SizeTarget
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.freshness import PRESENT, Write
from pipeline.core.health import assessment
from pipeline.core.health.members import healthy_members
from pipeline.core.health.verdict import Progressing, Verdict
from pipeline.core.state.deployment import Policy
from pipeline.core.state.strategy import Batches


@dataclass(frozen=True, slots=True)
class Batch(Gate):
    """Blue has as many members as the batch leaves it, and green is healthy with its own.

    Blue shrinks once both have enough healthy members without the ones that leave. Green grows once
    those are gone, drained as Auto Scaling does before it terminates an instance (Auto Scaling User
    Guide, "Elastic Load Balancing": it waits for the deregistration delay).
    """

    green: str
    blue: str
    number: int
    batches: Batches
    reads_signals: ClassVar[bool] = True

    @property
    def releases(self) -> frozenset[str]:
        """Both releases."""
        return frozenset({self.green, self.blue})

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """A group that was just detached may still be shown as healthy."""
        return {self.green: PRESENT}

    def proofs(self, policy: Policy) -> int:
        """Return the number of checks."""
        return policy.healthy_checks

    @property
    def follows(self) -> str:
        """The release that grows."""
        return self.green

    def judge(self, wait: Wait) -> Verdict:
        """Judge whether blue has shrunk, then whether green is healthy with its new size."""
        blue, most = wait.observed(self.blue), self._most(wait)
        if blue and max(blue.desired, len(blue.members)) > most:
            left = f"{len(blue.members)} members of {blue.name} are left"
            return Progressing(reason=f"{left}, the batch leaves it {most}")
        expected = wait.expected(self.green, least=self._least(wait))
        in_a_row = wait.policy.healthy_checks
        return assessment.all_healthy(expected, wait.history, in_a_row=in_a_row)

    def describe(self, policy: Policy) -> str:
        """Name the share that green has at the end."""
        percent = self.batches.green(self.number).percent
        return f"{self.green} healthy with {percent} % of the members"

    def activities(self, wait: Wait) -> frozenset[str]:
        """Read the activities: members may be lost."""
        return wait.activities_of(self.green)

    def reduction(self, wait: Wait) -> SizeTarget | None:
        """Return blue's new size once enough members are healthy without those that leave."""
        blue, most = wait.observed(self.blue), self._most(wait)
        if blue is None or wait.latest.unreadable or blue.desired <= most:
            return None
        whole = self._whole(wait)
        if self._healthy(wait) + most < self.batches.least(whole):
            return None
        return SizeTarget(release=self.blue, least=most)

    def size_target(self, wait: Wait) -> SizeTarget | None:
        """Return green's new size once the members of blue that leave are gone."""
        blue = wait.observed(self.blue)
        if blue and len(blue.members) > self._most(wait):
            return None
        return SizeTarget(release=self.green, least=self._least(wait))

    def _healthy(self, wait: Wait) -> int:
        group = wait.observed(self.green)
        if group is None:
            return 0
        balancers = wait.place.balancers_of(self.green)
        return len(healthy_members(group, balancers, wait.latest))

    def _whole(self, wait: Wait) -> int:
        """Return blue's own size: as it was before the first reduction."""
        record = wait.document.releases.get(self.blue)
        stopped = record.stopped if record else None
        before = stopped.desired if stopped else None
        return wait.live_size(self.blue) if before is None else before

    def _most(self, wait: Wait) -> int:
        return self.batches.blue(self.number, self._whole(wait))

    def _least(self, wait: Wait) -> int:
        return self.batches.green(self.number).size(self._whole(wait))
