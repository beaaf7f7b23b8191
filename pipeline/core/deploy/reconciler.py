"""Change an environment to the fleet that a phase wants, in a safe order.

Groups are created first, then attached; only then others are detached, and unwanted groups are
deleted last. Each step may be repeated: it begins from what is there, and the journal has its
intent before it and its result after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any

from pipeline.core.deploy.deletion import Deletion, may_change, plan_releases, refused
from pipeline.core.deploy.gates.wait import Wait
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phase import ALL, Fleet, Manner, Phase, manner_of
from pipeline.core.deploy.ports import GroupWriter, Hooks, Ledger, Pace, Resources
from pipeline.core.deploy.sizes.group_sizes import GroupSizes
from pipeline.core.freshness import ABSENT, PRESENT, Write
from pipeline.core.health.assessment import Expected, all_healthy
from pipeline.core.health.members import half_healthy
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.health.place import Place
from pipeline.core.health.traffic_sources import describe_sources
from pipeline.core.health.verdict import Healthy, Verdict
from pipeline.core.state.deployment import Policy
from pipeline.core.state.environment import Environment
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.validation.phases import CREATES, DELETES, DETACHED, DRAINS, HOLD, RESTORES


@dataclass(kw_only=True)
class Reconciler:
    """The means to change one environment; `prepared` is a launch that is planned already.

    `deleted` are releases whose groups were deleted outside the pipeline: the launch, `prepared`
    or not, removes them from Terraform's state.
    """

    observer: Observer
    policy: Policy
    groups: GroupWriter
    resources: Resources
    hooks: Hooks
    ledger: Ledger
    pace: Pace
    prepared: Plan | None = None
    deleted: frozenset[str] = frozenset()
    _attached: set[str] = field(default_factory=set, init=False)

    @property
    def place(self) -> Place:
        """The environment."""
        return self.observer.place

    @property
    def manner(self) -> Manner:
        """How groups take over from each other."""
        return manner_of(self.place, self.policy, self.ledger.read().adopted)

    def apply(self, phase: Phase) -> None:
        """Make the calls that lead to a phase's fleet; its gate waits for the effect.

        Only the phase that launches creates groups: the way back never does.
        """
        if phase.has(CREATES):
            self._launch(phase.want)
        if phase.has(DETACHED):
            return
        releases = phase.want.all | frozenset(self.ledger.read().releases)
        if phase.has(RESTORES):
            # Traffic comes first: even if AWS answers no read, it may carry out the attachment.
            observation = self.observer.observe_once(releases, targets=False)
            self._attach(phase, observation)
            if not self._leaving(phase.want) and phase.want.all >= releases:
                return  # the first observation of the wait need not wait for another one
        observation = self.observer.observe_complete(releases, targets=False)
        if not phase.has(RESTORES):
            self._attach(phase, observation)
        if not phase.has(HOLD) or not phase.has(RESTORES):
            self._shift(phase, observation, releases)
        self._detach(phase, observation, releases)
        self.deletion.delete(phase, observation, self.policy.limit(phase.name))

    def attach_again(self, phase: Phase, observation: Observation) -> None:
        """Repeat this run's attachments that an observation does not show, if no way leads back."""
        if phase.has(HOLD):
            for release in sorted(self._attached & phase.want.serving):
                seen = self._seen(release, observation)
                self._attach_to(release, self._missing(release, seen), observation)

    def shift_back(self, phase: Phase, wait: Wait) -> None:
        """Give a release its traffic again as soon as it is healthy, in a phase that restores it.

        A read from before its last detachment is no proof, unless nothing else has a healthy
        member. Without an answer of AWS, at once if it served until now.
        """
        shares = phase.want.shares
        if not phase.has(RESTORES) or not shares:
            return
        restored = {name for name, share in shares.items() if name and share}
        losing = (name for name, share in shares.items() if name and not share)
        fresh = wait.latest.at >= self.observer.settled(PRESENT, restored)
        is_due = fresh or not any(map(wait.serves, losing))
        unseen = bool(wait.latest.unreadable) and phase.gate.trusts_past
        if unseen or (is_due and isinstance(phase.gate.judge(wait), Healthy)):
            self._set_weights(phase, wait.latest)

    @cached_property
    def sizes(self) -> GroupSizes:
        """What changes the sizes of groups."""
        return GroupSizes(
            observer=self.observer,
            groups=self.groups,
            ledger=self.ledger,
            changing=self._changing,
        )

    @cached_property
    def deletion(self) -> Deletion:
        """What deletes groups."""
        return Deletion(
            observer=self.observer,
            groups=self.groups,
            resources=self.resources,
            ledger=self.ledger,
            pace=self.pace,
            changing=self._changing,
        )

    def prepare_deletion(self, phase: Phase) -> None:
        """Start Terraform's plan of a later phase that deletes groups, while another one waits."""
        document = self.ledger.read()
        known = frozenset(document.releases) - document.adopted
        deletes = known - phase.want.all
        there = self.observer.latest.groups if self.observer.latest else {}
        seen = {name: there.get(self.observer.group(name)) for name in known}
        made = {name: document.releases[name].made for name in known}
        whole = all(made[name] and (it := seen[name]) and not it.status for name in known)
        shown = self.pace.now() >= self.observer.settled([Write.CREATE], deletes)
        if deletes and whole and shown:
            wanted = document.in_terraform(known - deletes)
            self.resources.prepare(wanted, creates=frozenset(), deletes=deletes)

    @contextmanager
    def _changing(
        self,
        step: str,
        writes: Mapping[Write, Iterable[str]],
        *,
        shows: bool = True,
        **facts: Any,
    ) -> Iterator[None]:
        """Journal a change that the block makes, and note which releases' groups it writes to.

        The write is noted even if it fails: AWS may have carried it out. Unless it `shows`, what
        was observed a moment ago still counts.
        """
        if shows:
            self._note(writes)
        self.ledger.intend(step, **facts)
        try:
            yield
        finally:
            if shows:
                self._note(writes)
        self.ledger.done(step, **facts)

    def _note(self, writes: Mapping[Write, Iterable[str]]) -> None:
        self.observer.invalidate()
        for write, releases in writes.items():
            self.observer.writes.note(write, map(self.observer.group, releases), self.pace.now())

    def _launch(self, want: Fleet) -> None:
        known = self.ledger.read().releases
        creates = frozenset(name for name in want.all if name in known and not known[name].made)
        if not creates:
            return
        lost = self.deleted
        plan = self.prepared or plan_releases(
            self.resources,
            self.ledger.read(),
            frozenset(known) - lost,
            creates=creates,
            deletes=lost,
        )
        self.prepared = None
        with self._changing("launch", {Write.CREATE: creates}, releases=sorted(creates)):
            self.resources.apply(plan)
            self.ledger.update(lambda document: mark_made(document.without(*lost), creates))

    def _attach(self, phase: Phase, observation: Observation) -> None:
        """Attach what is to serve; a group that is to serve again whatever is observed.

        The observation may be older than the detachment of that group.
        """
        restored = phase.want.serving & phase.gate.proven_to_serve
        for release in sorted(restored if phase.has(RESTORES) else phase.want.serving):
            if may_change(self.observer, release, observation):
                self._restart(phase, release)
            missing = self._missing(release, self._seen(release, observation))
            if not phase.has(RESTORES):
                self._attach_to(release, missing, observation)
                continue
            # AWS refuses a call as a whole: one that a person may have deleted has its own.
            for balancers in (self.place.entries_of(release), self.place.leaving.get(release, ())):
                self._attach_to(release, balancers, observation)

    def _restart(self, phase: Phase, release: str) -> None:
        """Give a group its own size back: a worker's that serves, or one that batches reduced."""
        if self.place.is_worker or phase.has(RESTORES):
            self.sizes.restart(release)

    def _shift(self, phase: Phase, observation: Observation, releases: frozenset[str]) -> None:
        """Move the traffic between the target groups of the pairs, to healthy members only."""
        want = phase.want
        now = self.place.shares(observation, want.shares)
        gaining = frozenset(
            name for name, share in want.shares.items() if name and share > now[name]
        )
        if gaining and not phase.has(HOLD):
            self._require_healthy(phase, releases, gaining)
        self._set_weights(phase, observation)
        if want.tested:
            weights = self.place.wanted_weights({want.tested: ALL})
            for pair in self.place.pairs:
                if pair.test:
                    self._set(pair.test, weights[pair.rule], want)

    def _set_weights(self, phase: Phase, observation: Observation) -> None:
        """Set the weights that an observation does not show as the phase wants them."""
        for rule, weights in self.place.wanted_weights(phase.want.shares).items():
            if observation.weights.get(rule) != weights:
                self._set(rule, weights, phase.want)

    def _set(self, rule: str, weights: Mapping[str, int], want: Fleet) -> None:
        with self._changing("shift", {Write.SHIFT: want.serving}, rule=rule, weights=weights):
            self.groups.shift(rule, weights)

    def _attach_to(
        self, release: str, balancers: Sequence[Balancer], observation: Observation
    ) -> None:
        if balancers and may_change(self.observer, release, observation):
            name = self.observer.group(release)
            self._attached.add(release)
            with self._changing("attach", {Write.ATTACH: {release}}, group=name):
                self.groups.attach(name, balancers)

    def _missing(self, release: str, seen: ObservedGroup | None) -> list[Balancer]:
        attached = seen.attached if seen else frozenset[str]()
        balancers = self.place.balancers_of(release)
        return [each for each in balancers if each.identifier not in attached]

    def _attached_to(self, release: str, seen: ObservedGroup | None) -> list[Balancer]:
        """Return the configured load balancers that a group is attached to."""
        found = seen.attached if seen else frozenset[str]()
        both = (each for pair in self.place.pairs for each in pair.targets)
        known = dict.fromkeys((*self.place.balancers_of(release), *both))
        return [each for each in known if each.identifier in found]

    def _detach(self, phase: Phase, observation: Observation, releases: frozenset[str]) -> None:
        """Detach the other groups if a complete observation shows one that serves.

        Raises RefusedError before anything is detached if a way leads back and one of them also
        receives traffic from elsewhere: it could not be deleted later.
        """
        document, leaving = self.ledger.read(), self._leaving(phase.want)
        # Only these phases rely on it that nothing else is attached.
        relies = phase.has(DRAINS) or phase.has(DELETES)
        # A new worker runs already, although a read may not show its group yet.
        writes = ABSENT if self.place.is_worker else (Write.ATTACH,)
        since = self.observer.settled(writes, leaving) if relies else -inf
        if observation.at < since:
            observation = self.observer.observe_complete(releases, targets=False, since=since)
        if phase.has(DRAINS) and not phase.has(HOLD):
            self._require_nothing_beyond(leaving, observation)
        for release in sorted(leaving):
            name, seen = self.observer.group(release), self._seen(release, observation)
            attached = self._attached_to(release, seen)
            runs = self.place.is_worker and seen is not None and seen.maximum > 0
            runs = runs and release not in document.adopted  # only its owner stops it
            if not (attached or runs) or not may_change(self.observer, release, observation):
                continue
            self._require_serving(phase, releases, leaving=release)
            self._require_no_share(phase, releases, leaving=release)
            if attached:
                with self._changing("detach", {Write.DETACH: {release}}, group=name):
                    self.groups.detach(name, attached)
            if runs and seen:
                self.sizes.stop(release, seen)

    def _leaving(self, want: Fleet) -> frozenset[str]:
        """Return the releases that get no traffic in a fleet.

        An adopted group that no fleet names is left to its owner.
        """
        document = self.ledger.read()
        return frozenset(document.releases) - want.serving - (document.adopted - want.all)

    def _seen(self, release: str, observation: Observation) -> ObservedGroup | None:
        return observation.groups.get(self.observer.group(release))

    def _require_serving(self, phase: Phase, releases: frozenset[str], leaving: str) -> None:
        """Raise RefusedError unless the groups that stay can serve, and no read is too old for it.

        Green must be completely healthy. On the way back half of blue is enough, or a leaving
        group without traffic.
        """
        if not phase.want.serving and self.policy.overlap and self.ledger.read().serving:
            raise refused(self.place, "no group would be left to serve")
        self._require_healthy(phase, releases, phase.want.serving, leaving)

    def _require_healthy(
        self, phase: Phase, releases: frozenset[str], gaining: frozenset[str], leaving: str = ""
    ) -> None:
        """Raise RefusedError unless the groups that get traffic are healthy, by a recent read."""
        since = self.observer.settled(PRESENT, gaining)
        if phase.has(HOLD):
            since = max(since, self.observer.settled([Write.ATTACH], {leaving}))

        def failures(observation: Observation) -> dict[str, str]:
            judged = {
                release: self._judge(phase, release, observation, leaving)
                for release in sorted(gaining)
            }
            return {n: v.reason for n, v in judged.items() if not isinstance(v, Healthy)}

        observation = self.observer.observe_until(
            releases, lambda each: not failures(each), since=since
        )
        for release, reason in failures(observation).items():
            name, alone = self.observer.group(release), "serve alone" if leaving else "get traffic"
            raise refused(self.place, f"{name} would {alone} and is not healthy: {reason}")

    def _require_no_share(self, phase: Phase, releases: frozenset[str], leaving: str) -> None:
        """Raise RefusedError if a pair still sends new requests to a group that leaves."""
        if not self.place.pairs or not phase.want.serving:
            return

        def share(observation: Observation) -> int:
            found = (
                observation.weights.get(pair.rule, {}).get(each.identifier, 0)
                for pair in self.place.pairs
                for each in self.place.entries_of(leaving)
            )
            return max(found, default=0)

        since = self.observer.settled([Write.SHIFT], {leaving})
        seen = self.observer.observe_until(
            releases, lambda each: not share(each), targets=False, since=since
        )
        if percent := share(seen):
            name = self.observer.group(leaving)
            raise refused(self.place, f"{name} still gets {percent} % of new requests")

    def _judge(self, phase: Phase, release: str, observation: Observation, leaving: str) -> Verdict:
        balancers = self.place.balancers_of(release)
        deployment = self.ledger.read().deployment
        # A schedule or a person may have scaled it to zero: green once it was proven, blue before.
        empty = {deployment.green, *deployment.empty_before} if deployment else set[str]()
        expected = Expected(
            group=self.observer.group(release),
            balancers=balancers,
            may_be_empty=release in empty,
            any_version=release in self.ledger.read().adopted,
        )
        if phase.has(HOLD):
            return half_healthy(expected, observation, self.observer.group(leaving))
        return all_healthy(expected, (observation,), in_a_row=1)

    def _require_nothing_beyond(self, releases: frozenset[str], observation: Observation) -> None:
        """Raise RefusedError if one of the groups receives traffic that the place does not name."""
        for release in sorted(releases - self.ledger.read().adopted):
            seen = self._seen(release, observation)
            beyond = self.place.beyond(release, seen.attached) if seen else frozenset[str]()
            if seen and beyond and not seen.status:
                raise refused(
                    self.place,
                    f"{seen.name} also receives traffic from {describe_sources(beyond)}, "
                    f"which [environments.{self.place.environment}] does not name",
                )


def mark_made(document: Environment, names: Iterable[str]) -> Environment:
    """Return the document in which Terraform has made these releases' groups."""
    for name in names:
        document = document.with_release(replace(document.releases[name], made=True))
    return document
