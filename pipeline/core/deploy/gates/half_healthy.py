"""The gate of `reattach` for a blue that served all along: half of it is healthy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipeline.core.deploy.gates.base import Gate, SizeTarget
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.freshness import PRESENT, Write
from pipeline.core.health import members
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.health.verdict import Healthy, Progressing, Verdict
from pipeline.core.state.deployment import Policy


@dataclass(frozen=True, slots=True)
class HalfHealthy(Gate):
    """At least half of the members are healthy in every load balancer, or none of `other`'s is.

    One unhealthy member of blue is no reason to keep a green that failed (spinnaker/deck#4144).
    An unhealthy blue is no reason to keep an `other` without traffic: otherwise a promotion
    that could not fix the service would have no way back. If `other` serves and blue shrank
    meanwhile, blue grows to the live size of `other` first; the gate waits for that during half
    of the phase's time (flagger#869). A blue that was scaled to zero at the beginning stays so. One
    that batches reduced must be `whole` again, within the same half of the time.
    """

    release: str
    other: str = ""
    whole: bool = False
    trusts_past: ClassVar[bool] = True

    @property
    def releases(self) -> frozenset[str]:
        """The one release."""
        return frozenset({self.release})

    @property
    def contradicting(self) -> Mapping[str, tuple[Write, ...]]:
        """A detached group may still be shown as healthy, an attached `other` as detached."""
        return {self.release: PRESENT, self.other: (Write.ATTACH,)}

    def judge(self, wait: Wait) -> Verdict:
        """Judge by half of the members, and by the size of `other` while blue is smaller."""
        empty = self.release in wait.empty_before
        expected = wait.expected(self.release, may_be_empty=empty)
        other = wait.group(self.other) if self.other else ""
        verdict = members.half_healthy(expected, wait.latest, other)
        least = self._least(wait)
        if not isinstance(verdict, Healthy) or not least or wait.latest.unreadable:
            return verdict
        group = wait.observed(self.release)
        found = members.healthy_members(group, expected.balancers, wait.latest) if group else ()
        healthy = len(found)
        late = wait.elapsed >= wait.limit / 2
        if late or healthy >= least - self._unhealthy_at_first(wait):
            return verdict
        return Progressing(
            reason=f"{healthy} of {least} members of {expected.group} are healthy: "
            f"it needs as many as {other} has before {other} is detached"
        )

    def describe(self, policy: Policy) -> str:
        """Name the release."""
        return f"half of {self.release} healthy"

    def size_target(self, wait: Wait) -> SizeTarget | None:
        """Grow blue to the size of `other` while `other` serves."""
        least = self._least(wait)
        return SizeTarget(release=self.release, least=least) if least else None

    def _least(self, wait: Wait) -> int:
        """Return the live size of `other` if it serves, 0 if it does not or blue stays empty."""
        if not self.other or wait.latest.unreadable or not wait.serves(self.other):
            return 0
        group = wait.observed(self.release)
        if group and not group.desired and self.release in wait.empty_before:
            return 0
        least = wait.size_to_reach(self.release, self.other)
        return max(least, group.desired) if self.whole and group else least

    def _unhealthy_at_first(self, wait: Wait) -> int:
        """Count the members that were unhealthy before the wait: the gate does not need those.

        One that drains or starts is none of them, and one that an interrupted way back launched
        only starts, though its first health checks fail. After batches that may be any member.
        """
        complete = (each for each in wait.observations if not each.unreadable)
        first = next(complete, wait.latest)
        group = first.groups.get(wait.group(self.release))
        if group is None or self.whole:
            return 0
        balancers = wait.expected(self.release).balancers
        failing = members.unhealthy_members(group, balancers, first)
        return max(0, len(failing) - self._launched_since(wait, group))

    def _launched_since(self, wait: Wait, group: ObservedGroup) -> int:
        """Count the members that a group has beyond its size at the beginning."""
        deployment = wait.document.deployment
        before = deployment.before.desired if deployment and deployment.before else None
        return max(0, len(group.members) - before) if before is not None else 0
