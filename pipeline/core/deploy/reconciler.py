"""Makes a fleet true and looks at it: Terraform, Auto Scaling and the document, in a safe order.

First what is to be there is made, then attached; only then anything is detached, and what is
no longer wanted is removed last. Each step may be repeated: it begins from what is there, and
its intent is in the journal before it and its result after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.gates import GateWatcher, concerned, standing
from pipeline.core.deploy.ownership import require_ours
from pipeline.core.deploy.phases import AllInService, Phase, Recovery, StaysHealthy, Verified
from pipeline.core.deploy.polling import QUICK, asks_targets
from pipeline.core.deploy.ports import Alarms, Groups, Hooks, Ledger, Pace, Resources
from pipeline.core.deploy.selection import hook_facts
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.health.assessment import GONE_LOOKS, Expected, serving
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.health.verdict import Healthy
from pipeline.core.state.deployment import Deployment, Place, Policy
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import Release, group_name
from pipeline.core.terraform.plan_guard import Plan

GROUPS, TARGETS = "groups", "targets"
"""What a look asks for, each of its own APIs."""
LEAST = 0.01
"""Seconds between a look that took long and the next one; signals are heard in them."""
SURELY = 30
"""Looks, each after a second, before an action is given up that needs to see everything."""


@dataclass(kw_only=True)
class Reconciler:
    """One environment and the means to change it; `prepared` is a launch planned beforehand.

    `draining` are the seconds the slowest load balancer takes to let go of a target, 0 where that
    was not asked. `lost` are releases whose groups somebody deleted: the launch, `prepared` or not,
    has Terraform forget them.
    """

    place: Place
    policy: Policy
    groups: Groups
    resources: Resources
    hooks: Hooks
    alarms: Alarms
    ledger: Ledger
    pace: Pace
    prepared: Plan | None = None
    draining: float = 0.0
    lost: frozenset[str] = frozenset()
    _last: Observation | None = field(default=None, init=False)
    _shows: frozenset[str] = field(default=frozenset(), init=False)
    _whole: bool = field(default=False, init=False)
    _asked: dict[str, float] = field(default_factory=dict, init=False)
    _heard: Observation | None = field(default=None, init=False)

    def bring_about(self, phase: Phase) -> None:
        """Make a phase's fleet true, as far as calls can; what follows of itself is waited for.

        Only the phase that waits for a boot makes anything: going back never does.
        """
        want = phase.want
        if isinstance(phase.until, AllInService):
            self._launch(want)
        if isinstance(phase.until, (AllInService, Verified)):
            return  # it stays as dark as it is
        there = want.all | frozenset(self.ledger.read().releases)
        observation = self._sure_observation(there, targets=False)
        self._attach(want, observation)
        self._detach(phase, observation, there)
        self._remove(phase, observation)

    def observe(
        self, releases: Iterable[str], *, activities: Iterable[str] = (), targets: bool = True
    ) -> Observation:
        """Return what AWS says now of these releases' groups and of every balancer.

        Waits where the last look is less than a second old: no API is asked more often. Without
        `targets` the load balancers are not asked; what they last said is for display only.
        """
        names = sorted(self.group(release) for release in releases)
        of = [self.group(release) for release in sorted(activities)]
        self._take_turns(GROUPS, *([TARGETS] if targets else []))
        observation = self.groups.observe(
            names, self.place.balancers if targets else (), activities=of
        )
        if not targets and self._last:
            observation = replace(observation, targets=self._last.targets)
        self._last, self._shows, self._whole = observation, frozenset(names), targets
        return observation

    def _take_turns(self, *apis: str) -> None:
        """Wait until each of these may be asked again, a second after it was."""
        due = max(self._asked.get(api, -inf) for api in apis) + QUICK
        if (left := due - self.pace.now()) > 0:
            self.pace.sleep(left)
        self._asked |= dict.fromkeys(apis, self.pace.now())

    def survey(self, enough: Callable[[Observation], bool]) -> Observation:
        """Return a look at every release that shows all there is, before anything is decided by it.

        One answer may be stale and one check may fail, so what is not `enough` is looked at again.
        Raises FailedError where AWS does not answer for too long.
        """
        releases = frozenset(self.ledger.read().releases)
        for _ in range(max(self.policy.healthy_checks, GONE_LOOKS)):
            observation = self._sure_observation(releases)
            if enough(observation):
                break
            self._shows = frozenset()
        return observation

    def rest(self, watch: GateWatcher, deadline: float) -> None:
        """Wait until the next look is due, or until the first member is healthy if that tells.

        No longer than to the deadline, where it is ahead: what is too late is known in time.
        """
        due = watch.observations[-1].at + watch.pause()
        due = min(due, deadline) if deadline > self.pace.now() else due
        while watch.listens and due - self.pace.now() > QUICK:
            self._take_turns(TARGETS)
            heard = self.groups.observe((), self.place.balancers, activities=())
            heard = replace(heard, groups=watch.observations[-1].groups)
            if not heard.unreadable and not watch.serves_nobody(heard):
                self._last, self._shows, self._heard = heard, frozenset(), heard
                return
        self.pace.sleep(max(LEAST, due - self.pace.now()))

    def _sure_observation(self, releases: Iterable[str], *, targets: bool = True) -> Observation:
        """Return a look that shows everything: what is not seen is acted upon as not there.

        Raises FailedError where AWS does not answer for too long.
        """
        wanted = frozenset(releases)
        if self._last and self._is_fresh(self._last, wanted, targets=targets):
            return self._last
        for _ in range(SURELY):
            observation = self.observe(wanted, targets=targets)
            if not observation.unreadable:
                return observation
        remedy = f"ami-pipeline status -e {self.place.environment}"
        raise FailedError("looking at the groups", "\n".join(observation.unreadable), remedy)

    def _is_fresh(
        self, observation: Observation, releases: Iterable[str], *, targets: bool = True
    ) -> bool:
        """Tell whether a look is as good as a new one: nothing was changed since, and just now."""
        shown = self._shows >= {self.group(release) for release in releases}
        enough = shown and (self._whole or not targets)
        return enough and not observation.unreadable and self.pace.now() - observation.at < QUICK

    def watch(self, watch: GateWatcher) -> Observation:
        """Return a look at everything there is, and at what a phase waits for.

        Where a pause of no length is asked for, the look that ended the wait before it counts.
        """
        until = watch.phase.until
        releases = concerned(until) | set(self.ledger.read().releases)
        no_pause = isinstance(until, StaysHealthy) and not watch.length and not watch.observations
        if no_pause and self._last and self._is_fresh(self._last, releases):
            return self._last
        # What was heard counts while nothing else was looked at: a signal may have come between.
        heard = self._heard is not None and self._heard is self._last
        asks = asks_targets(until) and not heard
        observation = self.observe(releases, activities=watch.news_of(), targets=asks)
        self._whole = self._whole or heard
        return observation

    def catch_up(self, release: str, least: int, observation: Observation) -> None:
        """Raise a group's size to `least` members; one that has them is left alone."""
        group = observation.groups.get(self.group(release))
        if group is None or group.status:
            return
        document = self.ledger.read()
        kept = document.releases.get(release)
        minimum = None
        if kept and not group.desired:
            # Emptied to be deleted, by a run that died of it: it gets back what it had.
            least = max(least, kept.release.size.desired)
            minimum = min(kept.minimum, least) if kept.minimum > group.minimum else None
        if group.desired >= least:
            return
        require_ours(document, release, group)
        self._intend("resize", group=group.name, desired=least)
        maximum = least if least > group.maximum else None
        self.groups.resize(group.name, minimum=minimum, maximum=maximum, desired=least)
        self.ledger.done("resize", group=group.name, desired=least)

    def restore_minimum(self, release: str, minimum: int) -> None:
        """Give a group the minimum back that was raised for its launch."""
        group = self._sure_observation({release}).groups.get(self.group(release))
        if group is None or group.minimum <= minimum:
            return
        self._intend("restore minimum", group=group.name, minimum=minimum)
        self.groups.resize(group.name, minimum=minimum, maximum=None, desired=None)
        self.ledger.done("restore minimum", group=group.name, minimum=minimum)

    def verify(self, deployment: Deployment) -> None:
        """Run the verify hooks in their order; raises FailedError with the words of the first."""
        if not self.policy.verify:
            return
        group = self.group(deployment.green)
        facts = hook_facts(deployment, self.place, group, self.groups.addresses(group))
        for hook in self.policy.verify:
            self.ledger.intend("verify", command=list(hook.command))
            self.hooks.run(hook, facts)
            self.ledger.done("verify", command=list(hook.command))

    def _intend(self, step: str, **facts: Any) -> None:
        """Journal what is about to be changed; what was seen before counts no more."""
        self._shows = frozenset()
        self.ledger.intend(step, **facts)

    def group(self, release: str) -> str:
        """Return the name of a release's group."""
        return group_name(self.place.app, self.place.environment, release)

    def _launch(self, want: Fleet) -> None:
        known = self.ledger.read().releases
        creates = frozenset(name for name in want.all if name in known and not known[name].made)
        if not creates:
            return
        lost = self.lost
        plan = self.prepared or self._plan(frozenset(known) - lost, creates=creates, deletes=lost)
        self.prepared = None
        self._intend("launch", releases=sorted(creates))
        self.resources.apply(plan)
        self.ledger.update(lambda document: made(document.without(*lost), creates))
        self.ledger.done("launch", releases=sorted(creates))

    def _attach(self, want: Fleet, observation: Observation) -> None:
        for release in sorted(want.serving):
            name, there = self.group(release), self._attached(release, observation)
            missing = [each for each in self.place.balancers if each.identifier not in there]
            if missing and self._is_ours(release, observation):
                self._intend("attach", group=name)
                self.groups.attach(name, missing)
                self.ledger.done("attach", group=name)

    def _detach(self, phase: Phase, observation: Observation, releases: frozenset[str]) -> None:
        """Detach what is to be dark, provided that a look at all shows somebody who serves."""
        for release in sorted(frozenset(self.ledger.read().releases) - phase.want.serving):
            name, there = self.group(release), self._attached(release, observation)
            attached = [each for each in self.place.balancers if each.identifier in there]
            if not attached or not self._is_ours(release, observation):
                continue
            self._require_served(phase, self._sure_observation(releases), leaving=name)
            self._intend("detach", group=name)
            self.groups.detach(name, attached)
            self.ledger.done("detach", group=name)

    def _is_ours(self, release: str, observation: Observation) -> bool:
        """Tell whether a group is to be touched: not while AWS deletes it, it goes of itself.

        Raises RefusedError where it is another deployment's.
        """
        seen = observation.groups.get(self.group(release))
        if seen is not None:
            require_ours(self.ledger.read(), release, seen)
        return seen is None or not seen.status

    def _attached(self, release: str, observation: Observation) -> frozenset[str]:
        seen = observation.groups.get(self.group(release))
        return seen.attached if seen else frozenset()

    def _require_served(self, phase: Phase, observation: Observation, leaving: str) -> None:
        """Refuse to detach a group unless those that stay can serve at this moment.

        Green must be whole; on the way back it is enough that blue stands, or that the one that
        leaves serves nobody.
        """
        if not phase.want.serving and self.ledger.read().serving:
            raise self._refused("nothing would serve any more")
        back = phase.on_fault is Recovery.HOLD
        for release in sorted(phase.want.serving):
            expected = Expected(group=self.group(release), balancers=self.place.balancers)
            whole = serving(expected, (observation,), in_a_row=1)
            verdict = standing(expected, observation, leaving) if back else whole
            if not isinstance(verdict, Healthy):
                raise self._refused(
                    f"{expected.group} is to serve alone and is not well: {verdict.reason}"
                )

    def _refused(self, what: str) -> RefusedError:
        environment = self.place.environment
        remedy = f"look at it: ami-pipeline status -e {environment}"
        return RefusedError(f"detaching in {environment}", what, remedy)

    def _remove(self, phase: Phase, observation: Observation) -> None:
        want, known = phase.want, self.ledger.read().releases
        if not frozenset(known) - want.all:
            return
        deletes = (frozenset(known) - want.all) | self.vanished(want.detached)
        self._let_go(deletes, observation, self.policy.limit(phase.name))
        if any(not known[name].made for name in deletes):
            # Its launch was cut off: a part of it may be there that the state does not know.
            self.resources.adopt(_releases(self.ledger.read(), known))
        plan = self._plan(frozenset(known) - deletes, deletes=deletes)
        try:
            detached = self._require_dark(deletes)
        except BaseException:
            self.resources.discard(plan)
            raise
        self._intend("delete", releases=sorted(deletes))
        self._empty(detached)
        self.resources.apply(plan)
        self.ledger.update(lambda document: document.without(*deletes))
        self.ledger.done("delete", releases=sorted(deletes))

    def _let_go(self, releases: frozenset[str], observation: Observation, limit: float) -> None:
        """Wait until AWS has deleted what it deletes already: nothing can be done to it meanwhile.

        A Terraform that was killed may have begun that; a second one would be refused. Raises
        FailedError after `limit` seconds.
        """
        deadline = self.pace.now() + limit
        while going := self._going(releases, observation):
            if self.pace.now() >= deadline:
                remedy = f"ami-pipeline recover -e {self.place.environment}"
                raise FailedError("removing the groups", f"after {limit:.0f} s: {going}", remedy)
            self._shows = frozenset()
            observation = self._sure_observation(releases, targets=False)

    def _going(self, releases: frozenset[str], observation: Observation) -> str:
        there = ((name, observation.groups.get(self.group(name))) for name in sorted(releases))
        going = (seen for name, seen in there if seen and not self._is_ours(name, observation))
        return "; ".join(f"AWS says of {seen.name}: {seen.status}" for seen in going)

    def vanished(self, releases: frozenset[str]) -> frozenset[str]:
        """Return those of these releases whose groups somebody deleted: a plan would remake them.

        One look may be stale, so what is not there is looked for a second time.
        """
        known = self.ledger.read().releases
        missing = frozenset(name for name in releases if name in known and known[name].made)
        for _ in range(GONE_LOOKS):
            if not missing:
                break
            groups = self._sure_observation(missing, targets=False).groups
            missing = frozenset(name for name in missing if self.group(name) not in groups)
            self._shows = frozenset() if missing else self._shows
        return missing

    def _require_dark(self, releases: frozenset[str]) -> list[ObservedGroup]:
        """Return those of these groups that exist; refuse if one is attached to anything."""
        observation = self._sure_observation(releases, targets=False)
        ours = {each.identifier for each in self.place.balancers}
        names = [self.group(release) for release in sorted(releases)]
        found = [observation.groups[name] for name in names if name in observation.groups]
        for seen in found:
            if seen.attached & ours:
                attached = ", ".join(sorted(seen.attached & ours))
                raise self._refused(f"{seen.name} is to be removed and is attached to {attached}")
        return found

    def _empty(self, groups: Iterable[ObservedGroup]) -> None:
        """Let the members of groups that are to be deleted go while Terraform starts."""
        for seen in groups:
            if seen.desired and not seen.status:
                self.groups.resize(seen.name, minimum=0, maximum=None, desired=0)

    def prepare(self, phase: Phase) -> None:
        """Have the removal planned that a later phase asks for, while something else is awaited."""
        known = self.ledger.read().releases
        deletes = frozenset(known) - phase.want.all
        there = self._last.groups if self._last else {}
        seen = {name: there.get(self.group(name)) for name in known}
        whole = all(known[name].made and (it := seen[name]) and not it.status for name in known)
        if deletes and whole:
            wanted = _releases(self.ledger.read(), frozenset(known) - deletes)
            self.resources.prepare(wanted, creates=frozenset(), deletes=deletes)

    def _plan(
        self,
        releases: frozenset[str],
        *,
        creates: frozenset[str] = frozenset(),
        deletes: frozenset[str] = frozenset(),
    ) -> Plan:
        wanted = _releases(self.ledger.read(), releases)
        return self.resources.plan(wanted, creates=creates, deletes=deletes)


def made(document: Environment, names: Iterable[str]) -> Environment:
    """Return the document with these releases' groups made."""
    for name in names:
        document = document.with_release(replace(document.releases[name], made=True))
    return document


def _releases(document: Environment, names: Iterable[str]) -> list[Release]:
    return [document.releases[name].release for name in sorted(names)]
