"""Delete groups: only detached ones, and only what AWS and Terraform both show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pipeline.core import commands
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.ports import GroupWriter, Ledger, Pace, Resources
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.freshness import ABSENT, Write
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.health.place import Place
from pipeline.core.health.traffic_sources import describe_sources
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.times import format_duration


@dataclass(kw_only=True)
class Deletion:
    """The means to delete groups of one environment; `changing` journals a change."""

    observer: Observer
    groups: GroupWriter
    resources: Resources
    ledger: Ledger
    pace: Pace
    changing: Callable[..., AbstractContextManager[None]]

    def delete(self, phase: Phase, observation: Observation, limit: float) -> None:
        """Delete the groups that a phase does not want; waits at most `limit` seconds for AWS.

        Raises RefusedError if one of them receives traffic from anywhere.
        """
        want, document = phase.want, self.ledger.read()
        known, adopted = document.releases, document.adopted
        unwanted = frozenset(known) - want.all
        if not unwanted:
            return
        # An adopted group is forgotten once it was deleted; no phase deletes it.
        gone = self.observer.find_deleted(want.detached | (unwanted & adopted))
        deletes = (unwanted - adopted) | gone
        if not deletes:
            return
        self._await_deletions(deletes, observation, limit)
        # Terraform does not plan to delete what AWS does not show it yet.
        self.observer.wait_until(self.observer.settled([Write.CREATE], deletes))
        if any(not known[name].made for name in deletes):
            # The launch was interrupted: parts of the group may be missing in the state.
            self.resources.adopt(document.in_terraform(known))
        plan = plan_releases(self.resources, document, frozenset(known) - deletes, deletes=deletes)
        try:
            detached = self.require_detached(deletes)
        except BaseException:
            self.resources.discard(plan)
            raise
        with self.changing("delete", {Write.DELETE: deletes}, releases=sorted(deletes)):
            self._empty(detached)
            self.resources.apply(plan)
            self.ledger.update(lambda document: document.without(*deletes))

    def _await_deletions(
        self, releases: frozenset[str], observation: Observation, limit: float
    ) -> None:
        """Wait until AWS has finished the deletions that an interrupted Terraform began.

        AWS would refuse a second one meanwhile. Raises FailedError after `limit` seconds.
        """
        deadline = self.pace.now() + limit
        while pending := self._pending_deletions(releases, observation):
            if self.pace.now() >= deadline:
                what = f"gave up after {format_duration(limit)}: {pending}"
                remedy = commands.recover(self.observer.place.environment)
                raise FailedError("deleting the groups", what, remedy)
            self.observer.invalidate()
            observation = self.observer.observe_complete(releases, targets=False)

    def _pending_deletions(self, releases: frozenset[str], observation: Observation) -> str:
        observed = observation.groups
        pending = [
            seen
            for release in sorted(releases)
            if (seen := observed.get(self.observer.group(release)))
            and not may_change(self.observer, release, observation)
        ]
        return "; ".join(f"AWS says of {seen.name}: {seen.status}" for seen in pending)

    def require_detached(
        self, releases: frozenset[str], *, idle: frozenset[str] = frozenset()
    ) -> list[ObservedGroup]:
        """Return the groups that exist; raises RefusedError if one is attached to anything.

        The target groups `idle` do not count: a later phase detaches them there.
        """
        found = self.find_attached(releases, idle)
        for seen in found:
            if beyond := seen.attached - idle:
                attached = describe_sources(beyond)
                raise refused(
                    self.observer.place,
                    f"{seen.name} is to be deleted, but is attached to {attached}",
                )
        return found

    def find_attached(
        self, releases: frozenset[str], idle: frozenset[str] = frozenset()
    ) -> list[ObservedGroup]:
        """Return the groups that exist, as no earlier state explains what they are attached to.

        Every traffic source but `idle` counts, also those that the configuration does not name.
        """

        def found(observation: Observation) -> list[ObservedGroup]:
            names = [self.observer.group(release) for release in sorted(releases)]
            return [observation.groups[name] for name in names if name in observation.groups]

        observation = self.observer.observe_until(
            releases,
            lambda it: not any(seen.attached - idle for seen in found(it)),
            targets=False,
            since=self.observer.settled(ABSENT, releases),
        )
        return found(observation)

    def _empty(self, groups: Iterable[ObservedGroup]) -> None:
        """Start terminating the members of groups while Terraform starts to delete them."""
        for seen in groups:
            if seen.desired and not seen.status:
                self.groups.resize(seen.name, minimum=0, maximum=None, desired=0)


def plan_releases(
    resources: Resources,
    document: Environment,
    releases: frozenset[str],
    *,
    creates: frozenset[str] = frozenset(),
    deletes: frozenset[str] = frozenset(),
) -> Plan:
    """Return Terraform's plan of exactly these releases, without adopted groups."""
    wanted = document.in_terraform(releases)
    return resources.plan(wanted, creates=creates, deletes=deletes - document.adopted)


def may_change(observer: Observer, release: str, observation: Observation) -> bool:
    """Return False while AWS deletes a group: its attachments end with it.

    Raises RefusedError if another deployment made the group.
    """
    seen = observation.groups.get(observer.group(release))
    if seen is not None:
        require_managed(observer.ledger.read(), release, seen)
    return seen is None or not seen.status


def refused(place: Place, what: str) -> RefusedError:
    """Return the refusal to detach or delete a group."""
    return RefusedError(
        f"detaching in {place.environment}", what, commands.status(place.environment)
    )
