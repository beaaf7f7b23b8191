"""What changes the world, behind the lease: each call asks first whether it is ours still.

Apart from the adapters, which know of no lease, and from the journal's intents, which ask for it
too: between an intent and the deed, or between two deeds of one intent, a run may have been paused
for longer than its lease lasted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.deploy.ports import GroupWriter, Hooks, Resources
from pipeline.core.health.observation import Balancer
from pipeline.core.state.deployment import Hook
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan

Fence = Callable[[], None]
"""Raises LeaseHeldError where the lease is not ours any more."""


@dataclass(frozen=True, kw_only=True)
class FencedGroups(GroupWriter):
    """Auto Scaling groups, changed under the lease only."""

    groups: GroupWriter
    fence: Fence

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Have the group serve."""
        self.fence()
        self.groups.attach(group, balancers)

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Have the group serve no more."""
        self.fence()
        self.groups.detach(group, balancers)

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        """Set what is not None."""
        self.fence()
        self.groups.resize(group, minimum=minimum, maximum=maximum, desired=desired)


@dataclass(frozen=True, kw_only=True)
class FencedResources(Resources):
    """Terraform, applied under the lease only; a plan changes nothing."""

    resources: Resources
    fence: Fence

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        """Begin a plan."""
        self.resources.prepare(wanted, creates=creates, deletes=deletes)

    def forget(self) -> None:
        """Forget what was prepared."""
        self.resources.forget()

    def plan(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> Plan:
        """Plan exactly these releases."""
        return self.resources.plan(wanted, creates=creates, deletes=deletes)

    def apply(self, plan: Plan) -> None:
        """Apply a plan."""
        self.fence()
        self.resources.apply(plan)

    def discard(self, plan: Plan) -> None:
        """Forget a plan."""
        self.resources.discard(plan)

    def adopt(self, wanted: Sequence[Release]) -> None:
        """Bring what exists into the state."""
        self.fence()
        self.resources.adopt(wanted)


@dataclass(frozen=True, kw_only=True)
class FencedHooks(Hooks):
    """The verify commands, run under the lease only: they may do anything."""

    hooks: Hooks
    fence: Fence

    def run(self, hook: Hook, facts: Mapping[str, str]) -> None:
        """Run one."""
        self.fence()
        self.hooks.run(hook, facts)
