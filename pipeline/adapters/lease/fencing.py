"""Check the lease before each call that changes AWS, Terraform's state or a service.

The adapters themselves know no lease. The journal checks it before an intent, but a run may be
paused for longer than its lease between an intent and its action, or between two actions. A call
that fails is repeated for up to minutes, so each repetition is checked, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.adapters.aws.retry import checking
from pipeline.core.deploy.ports import GroupWriter, Hooks, Resources
from pipeline.core.health.observation import Balancer
from pipeline.core.hooks.hook import Hook, HookResult, Runs
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import Plan

Fence = Callable[[], None]
"""Raises LeaseHeldError if this run has lost its lease."""


@dataclass(frozen=True, kw_only=True)
class FencedGroups(GroupWriter):
    """Auto Scaling groups, changed only with the lease."""

    groups: GroupWriter
    fence: Fence

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Attach the group to load balancers."""
        self.fence()
        with checking(self.fence):
            self.groups.attach(group, balancers)

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        """Detach the group from load balancers."""
        self.fence()
        with checking(self.fence):
            self.groups.detach(group, balancers)

    def shift(self, rule: str, weights: Mapping[str, int]) -> None:
        """Set the weights of a listener's or rule's target groups."""
        self.fence()
        with checking(self.fence):
            self.groups.shift(rule, weights)

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        """Set the sizes that are not None."""
        self.fence()
        with checking(self.fence):
            self.groups.resize(group, minimum=minimum, maximum=maximum, desired=desired)


@dataclass(frozen=True, kw_only=True)
class FencedResources(Resources):
    """Terraform, applied only with the lease; a plan changes nothing."""

    resources: Resources
    fence: Fence

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        """Start a plan in the background."""
        self.resources.prepare(wanted, creates=creates, deletes=deletes)

    def forget(self) -> None:
        """Discard the plan in the background."""
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
        """Discard a plan."""
        self.resources.discard(plan)

    def adopt(self, wanted: Sequence[Release]) -> None:
        """Import existing resources into the state."""
        self.fence()
        self.resources.adopt(wanted)


@dataclass(frozen=True, kw_only=True)
class FencedHooks(Hooks):
    """The hooks, run only with the lease: they may change anything.

    `here` and `instances` run those of this machine and those of instances.
    """

    here: Hooks
    instances: Hooks
    fence: Fence

    def run(
        self, hook: Hook, facts: Mapping[str, str], members: Callable[[], Sequence[str]]
    ) -> HookResult:
        """Run a hook."""
        self.fence()
        hooks = self.instances if hook.run is Runs.INSTANCE else self.here
        with checking(self.fence):
            return hooks.run(hook, facts, members)
