"""An environment in memory: groups that boot, load balancers that list them, and a store.

Every call is counted. A test can make a call fail before or after its effect, or let a signal
arrive in it. After every effect the fake checks whether any group serves: `outages`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.ports import (
    Alarms,
    Evidence,
    GroupReader,
    GroupWriter,
    Hooks,
    Ledger,
    Pace,
    Resources,
)
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.recovery import plan_recovery, plan_resumption
from pipeline.core.deploy.signals.alarms import AlarmSignal
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.events import Event
from pipeline.core.health.observation import (
    Activity,
    Balancer,
    Member,
    Observation,
    ObservedGroup,
    Target,
)
from pipeline.core.health.pairs import Pair
from pipeline.core.health.place import Place
from pipeline.core.hooks.hook import Hook, HookResult, OnceRun, Runs
from pipeline.core.pausing.pause import Decision
from pipeline.core.state.deployment import Deployment, Kind, Limits, Policy, Runner
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import AdoptedGroup, Release, Size, group_name
from pipeline.core.terraform.plan_guard import Plan

TODAY = "2026-01-01T00:00:00+00:00"
CLASSIC = Balancer(kind="elb", identifier="web", name="web")
MODERN = Balancer(kind="elbv2", identifier="arn:tg/web", name="web")
PLACE = Place(
    app="web",
    environment="staging",
    region="us-east-1",
    account="123456789012",
    balancers=(CLASSIC, MODERN),
)
DOCUMENT = Environment(
    app=PLACE.app, environment=PLACE.environment, account=PLACE.account, region=PLACE.region
)
WORKERS = replace(PLACE, balancers=())
ONE_SIDE = Balancer(kind="elbv2", identifier="arn:tg/a", name="web-a")
OTHER_SIDE = Balancer(kind="elbv2", identifier="arn:tg/b", name="web-b")
RULE, TEST_RULE = "arn:rule/live", "arn:rule/test"
PAIR = Pair(rule=RULE, targets=(ONE_SIDE, OTHER_SIDE), live=ONE_SIDE, test=TEST_RULE)
PAIRED = replace(
    PLACE,
    balancers=(),
    pairs=(PAIR,),
    sides={"r000001": (ONE_SIDE.identifier,), "r000002": (OTHER_SIDE.identifier,)},
)
"""A place in which the first release is behind one target group of a pair, the second behind the
other."""
POLICY = Policy(healthy_checks=2, soak=5, observe=5, deadline=60)
BOOT, REGISTER, DRAIN, WORK = 5.0, 3.0, 6.0, 30.0
BLUE, GREEN = "r000001", "r000002"
BY_HAND = "by-hand"
"""The name of the adopted group."""


def release(number: int, desired: int = 2) -> Release:
    size = Size(instance_type="t3.micro", minimum=desired, maximum=4, desired=desired)
    return Release(number=number, ami_id=f"ami-{number:08}", size=size, facts={})


def kept(number: int, *, made: bool = True) -> ReleaseRecord:
    return ReleaseRecord(release=release(number), version=f"{number}.0.0", made=made)


def adopted(number: int) -> ReleaseRecord:
    """Return a release whose group a person made by hand."""
    group = AdoptedGroup(name=BY_HAND, region=PLACE.region)
    return replace(kept(number), version="", adopted=group)


@dataclass(kw_only=True)
class Instance:
    id: str
    born: float
    attached: dict[str, float] = field(default_factory=dict)
    leaving: dict[str, float] = field(default_factory=dict)
    terminating: float = 0.0  # a hook holds the instance since then, 0: it does not leave

    def copied(self) -> Instance:
        """Return an instance that is the same, and changes on its own."""
        changing = {"attached": dict(self.attached), "leaving": dict(self.leaving)}
        return Instance(**{**vars(self), **changing})


@dataclass(kw_only=True)
class Group:
    name: str
    minimum: int
    maximum: int
    desired: int
    attached: set[str] = field(default_factory=set)
    members: list[Instance] = field(default_factory=list)
    deleted_at: float = 0.0  # AWS has deleted it by then, 0 while AWS does not delete it
    tags: dict[str, str] = field(default_factory=dict)

    def copied(self) -> Group:
        """Return a group that is the same, and changes on its own."""
        members = [each.copied() for each in self.members]
        changing = {"attached": set(self.attached), "tags": dict(self.tags), "members": members}
        return Group(**{**vars(self), **changing})


@dataclass(kw_only=True)
class FakeCloud(GroupReader, GroupWriter, Resources, Hooks, Alarms, Ledger, Pace):
    """All ports of a deployment; `fail` gets each call's number and name and may raise.

    `age` returns how many seconds old the next answer of an API is, and `past` has the groups after
    each change. `violations` names groups that were emptied or deleted while they had traffic, and
    what was done to an adopted group but to move its traffic.
    """

    document: Environment
    place: Place = PLACE
    least: int = 0  # working members that a service without load balancers always has
    fail: Callable[[int, str], None] = lambda *_: None
    unhealthy_groups: set[str] = field(default_factory=set)
    unhealthy_members: set[str] = field(default_factory=set)
    groups: dict[str, Group] = field(default_factory=dict)
    state: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    prepared: list[frozenset[str] | None] = field(default_factory=list)  # None: discarded
    journal: list[tuple[str, str]] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)  # and the release
    kept: dict[str, str] = field(default_factory=dict)
    recorded: list[Deployment] = field(default_factory=list)
    hook_facts_seen: list[Mapping[str, str]] = field(default_factory=list)
    ran: list[tuple[str, ...]] = field(default_factory=list)  # each hook's point and instances
    once: dict[str, OnceRun] = field(default_factory=dict)
    outages: list[str] = field(default_factory=list)
    firing: tuple[str, ...] = ()
    signals: int = 0
    time: float = 1000.0
    has_served: bool = False
    group_reads: list[float] = field(default_factory=list)  # times
    target_reads: list[float] = field(default_factory=list)  # times
    registering: float = REGISTER
    failing_reads: int = 0  # observations left that AWS does not answer
    made: int = 0
    age: Callable[[], float] = lambda: 0.0
    speed: float = 1.0
    past: list[tuple[float, dict[str, Group]]] = field(default_factory=list)
    weights: dict[str, dict[str, int]] = field(default_factory=dict)  # percent, by rule
    past_weights: list[tuple[float, dict[str, dict[str, int]]]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    activities: dict[str, list[Activity]] = field(default_factory=dict)
    zero_is_meant: bool = False  # a schedule or a person scaled the service to zero

    # What happens without a call.

    def attach_by_hand(self, number: int, *balancers: Balancer) -> None:
        """Attach a release's group to other load balancers, long ago."""
        group = self.groups[self.document.group(release(number).name)]
        self._attach(group, balancers)
        self.past.clear()
        self.remember()

    def add(self, number: int, *, attached: bool) -> None:
        """Add a release that exists since long ago."""
        given = release(number)
        name = self.document.group(given.name)
        self._make(given, name)
        group = self.groups[name]
        for member in group.members:
            member.born = 0.0
        self.state |= {given.name} - self.document.adopted
        if attached and not self.place.is_worker:
            self._attach(group, self.place.entries_of(given.name))
            self.has_served = True
        self.remember()

    def stop_by_pipeline(self, number: int) -> None:
        """Let the pipeline have stopped a worker's group long ago."""
        name = release(number).name
        group = self.groups[group_name("web", "staging", name)]
        size = Limits(minimum=group.minimum, maximum=group.maximum, desired=group.desired)
        self.document = self.document.with_stopped(name, size)
        group.minimum = group.maximum = group.desired = 0
        group.members.clear()
        self.remember()

    def remember(self) -> None:
        """Keep the present groups as a state that a later answer may still show."""
        if self.past and self.past[-1][0] == self.time:
            del self.past[-1]
        self.past.append((self.time if self.past else 0.0, _copies(self.groups)))
        weights = {rule: dict(each) for rule, each in self.weights.items()}
        self.past_weights.append((self.past[-1][0], weights))

    def copied(self) -> FakeCloud:
        """Return an environment that is the same and changes on its own; no call of it fails."""
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | set):
                setattr(twin, name, value.copy())
        twin.groups = _copies(self.groups)
        twin.fail = lambda *_: None
        return twin

    @contextmanager
    def _earlier(self) -> Iterator[None]:
        """Answer as an API did some time ago."""
        now, groups = self.time, self.groups
        at = now - self.age()
        if at < now:
            self.time = at
            self.groups = next(state for since, state in reversed(self.past) if since <= at)
        try:
            yield
        finally:
            self.time, self.groups = now, groups

    def _require_no_traffic(self, name: str, verb: str) -> None:
        group = self.groups.get(name)
        if group and (group.attached or any(each.attached for each in group.members)):
            self.violations.append(f"{verb} {name}")
        if group and verb == "deleted" and self.place.is_worker and self._held(group):
            self.violations.append(f"{verb} {name} while it worked")

    def _release(self, group: str) -> str:
        return self.document.release_at(group) or group[-7:]

    def _require_ours(self, verb: str, *releases: str) -> None:
        for name in sorted({*releases} & self.document.adopted):
            self.violations.append(f"{verb} {name}, which is adopted")

    def _make(self, given: Release, name: str = "") -> None:
        name = name or given.group("web", "staging")
        size = given.size
        self.groups[name] = Group(
            name=name, minimum=size.minimum, maximum=size.maximum, desired=size.desired
        )
        self._grow(self.groups[name])

    def _held(self, group: Group) -> list[Instance]:
        """Return the members without those whose work has ended since they leave."""
        return [
            each
            for each in group.members
            if not each.terminating or self.time - each.terminating < WORK
        ]

    def _working(self, group: Group) -> int:
        stays = [each for each in group.members if not each.terminating]
        healthy = [each for each in stays if self._lifecycle(each) == "InService"]
        return 0 if group.name in self.unhealthy_groups else len(healthy)

    def _grow(self, group: Group) -> None:
        while sum(not each.terminating for each in group.members) < group.desired:
            self.made += 1
            member = Instance(id=f"i-{self.made}", born=self.time)
            group.members.append(member)
            member.attached = dict.fromkeys(group.attached, self.time)

    def _attach(self, group: Group, balancers: Sequence[Balancer] = PLACE.balancers) -> None:
        for balancer in balancers:
            if balancer.identifier in group.attached:
                continue
            group.attached.add(balancer.identifier)
            for member in group.members:
                member.leaving.pop(balancer.identifier, None)
                member.attached.setdefault(balancer.identifier, min(self.time, member.born or 0))
                if member.born:
                    member.attached[balancer.identifier] = self.time

    def _call(self, name: str, effect: Callable[[], None] = lambda: None) -> None:
        """Count a call; it may fail before its effect, or after it with the name `name!`."""
        self.calls.append(name)
        number = len(self.calls)
        self.fail(number, name)
        effect()
        if name in {"attach", "detach", "resize", "apply", "shift"}:
            self.remember()
        self._sample(name)
        self.fail(number, f"{name}!")

    def _sample(self, name: str) -> None:
        if self.place.is_worker:
            if sum(map(self._working, self.groups.values())) < self.least:
                self.outages.append(f"after {name}")
            return
        if self.place.pairs:
            self.outages += [f"after {name}: {each}" for each in self._without_members()]
            return
        if self.has_served and not any(self._serves(group) for group in self.groups.values()):
            self.outages.append(f"after {name}")

    def _without_members(self) -> list[str]:
        """Return the target groups that get new requests and have no healthy member."""
        weights = self.weights.get(RULE, {}) if self.has_served else {}
        return [
            target
            for target, weight in weights.items()
            if weight
            and not any(
                self._state(group, member, target) == "healthy"
                for group in self.groups.values()
                for member in group.members
            )
        ]

    def _serves(self, group: Group) -> bool:
        return group.name not in self.unhealthy_groups and any(
            self._state(group, member, each.identifier) == "healthy"
            for member in group.members
            for each in PLACE.balancers
        )

    def _lifecycle(self, member: Instance) -> str:
        if member.terminating:
            return "Terminating:Wait"
        return "InService" if self.time - member.born >= BOOT else "Pending"

    def _state(self, group: Group, member: Instance, balancer: str) -> str:
        """Return a target's state, empty if the target is not listed."""
        if balancer in member.leaving:
            over = self.time - member.leaving[balancer] >= DRAIN
            return "" if over else "draining"
        if balancer not in member.attached or self._lifecycle(member) != "InService":
            return ""
        if group.name in self.unhealthy_groups or member.id in self.unhealthy_members:
            return "unhealthy"
        return "healthy" if self.time - member.attached[balancer] >= self.registering else "initial"

    # Groups

    def observe(
        self,
        names: Sequence[str],
        balancers: Sequence[Balancer],
        *,
        activities: Sequence[str],
        rules: Sequence[str] = (),
    ) -> Observation:
        self._call("observe")
        self.group_reads.extend([self.time] if names else [])
        self.target_reads.extend([self.time] if balancers else [])
        if self.failing_reads:
            self.failing_reads -= 1
            return Observation(at=self.time, unreadable=("DescribeAutoScalingGroups: Throttling",))
        over = [name for name, each in self.groups.items() if 0 < each.deleted_at <= self.time]
        for name in over:
            del self.groups[name]
        with self._earlier():
            there = self.groups
            groups = {name: self._seen(there[name]) for name in names if name in there}
        targets = {}
        for each in balancers:
            with self._earlier():
                targets[each.identifier] = self._targets(each)
        newest = {name: tuple(self.activities.get(name, ())) for name in activities}
        shown = {rule: self._weights_then(rule) for rule in rules}
        return Observation(
            at=self.time, groups=groups, targets=targets, activities=newest, weights=shown
        )

    def _weights_then(self, rule: str) -> dict[str, int]:
        at = self.time - self.age()
        found = (weights for since, weights in reversed(self.past_weights) if since <= at)
        return next(found, self.weights).get(rule, {})

    def shift(self, rule: str, weights: Mapping[str, int]) -> None:
        self._call("shift", lambda: self.weights.update({rule: dict(weights)}))

    def _seen(self, group: Group) -> ObservedGroup:
        is_unhealthy = self.place.is_worker and group.name in self.unhealthy_groups
        members = tuple(
            Member(
                id=member.id,
                lifecycle=self._lifecycle(member),
                health="Unhealthy" if is_unhealthy else "Healthy",
                template=group.name,
                version="1",
            )
            for member in self._held(group)
        )
        return ObservedGroup(
            name=group.name,
            minimum=group.minimum,
            maximum=group.maximum,
            desired=group.desired,
            template=group.name,
            version="$Latest" if self._release(group.name) in self.document.adopted else "1",
            members=members,
            attached=frozenset(group.attached),
            status="Delete in progress" if group.deleted_at else "",
            tags=group.tags,
        )

    def _targets(self, balancer: Balancer) -> dict[str, Target]:
        found = {}
        for group in self.groups.values():
            for member in group.members:
                state = self._state(group, member, balancer.identifier)
                if state:
                    found[member.id] = _target(balancer, member.id, state)
        return found

    def attach(self, group: str, balancers: Sequence[Balancer]) -> None:
        def serve() -> None:
            self._attach(self._require_exists("attach", group), balancers)

        self._call("attach", serve)

    def detach(self, group: str, balancers: Sequence[Balancer]) -> None:
        def leave() -> None:
            self._require_exists("detach", group)
            for balancer in balancers:
                self.groups[group].attached.discard(balancer.identifier)
                for member in self.groups[group].members:
                    if member.attached.pop(balancer.identifier, None) is not None:
                        member.leaving[balancer.identifier] = self.time

        self._call("detach", leave)

    def resize(
        self, group: str, *, minimum: int | None, maximum: int | None, desired: int | None
    ) -> None:
        def change() -> None:
            found = self._require_exists("resize", group)
            self._require_ours("resized", self._release(group))
            is_meant = self.zero_is_meant and self._release(group) == self.document.serving
            if desired == 0 and not is_meant:
                self._require_no_traffic(group, "emptied")
            found.minimum = found.minimum if minimum is None else minimum
            found.maximum = found.maximum if maximum is None else maximum
            found.desired = found.desired if desired is None else desired
            if self.place.is_worker:
                found.members = self._held(found)
                stay = [each for each in found.members if not each.terminating]
                for each in stay[found.desired :]:
                    each.terminating = self.time
                self._grow(found)
                return
            self._grow(found)
            del found.members[found.desired :]

        self.resized.append(group)
        self._call("resize", change)

    def _require_exists(self, verb: str, group: str) -> Group:
        """Return a group that is about to change: AWS refuses that once it deletes the group."""
        if group not in self.groups or self.groups[group].deleted_at:
            raise FailedError(verb, f"ValidationError: {group} not found or pending delete", "wait")
        self.changed.append((verb, self._release(group)))
        return self.groups[group]

    def addresses(self, group: str) -> tuple[str, ...]:
        return ()

    def url_of(self, rule: str) -> str:
        return f"http://test.example:9000#{rule}"

    def evidence(self, group: str, observation: Observation) -> Evidence:
        self._call("evidence")
        return Evidence(text=f"evidence of {group}", lines=("journal of i-1", "no database"))

    # Resources

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        self._require_ours("planned", *(each.name for each in wanted), *deletes)
        self.prepared.append(deletes)

    def forget(self) -> None:
        self.prepared.append(None)

    def plan(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> Plan:
        self._call("plan")
        self._require_ours("planned", *(each.name for each in wanted), *creates, *deletes)
        again = {n for n in self.state if group_name("web", "staging", n) not in self.groups}
        if again & {each.name for each in wanted} - creates:
            raise RefusedError("terraform plan", f"it would make {sorted(again)} again", "observe")
        self._wanted = list(wanted)
        return Plan(file=Path("plan"), changes=())

    def apply(self, plan: Plan) -> None:
        names = {each.name for each in self._wanted}

        def change() -> None:
            for each in self._wanted:
                if each.name not in self.state:
                    self._make(each)
            for name in self.state - names:
                there = self.groups.get(group_name("web", "staging", name))
                if there and there.deleted_at:
                    raise FailedError("apply", f"{there.name} is pending delete", "wait")
                self._require_no_traffic(group_name("web", "staging", name), "deleted")
                self.groups.pop(group_name("web", "staging", name), None)
                self.changed.append(("delete", name))
            self.state = names

        self._call("apply", change)

    def discard(self, plan: Plan) -> None:
        self._call("discard")

    def adopt(self, wanted: Sequence[Release]) -> None:
        self._require_ours("imported", *(each.name for each in wanted))

        def change() -> None:
            there = {each.name for each in wanted if each.group("web", "staging") in self.groups}
            self.state |= there

        self._call("adopt", change)

    # Hooks, Alarms

    def run(
        self, hook: Hook, facts: Mapping[str, str], members: Callable[[], Sequence[str]]
    ) -> HookResult:
        where = members() if hook.run is Runs.INSTANCE else ("here",)
        self.ran.append((hook.at, *where))
        self._call("hook", lambda: self.hook_facts_seen.append(dict(facts)))
        if "false" in hook.command:
            return HookResult(code=1, failure="exit code 1", output="no\n")
        return HookResult(code=0)

    def ringing(self, names: Sequence[str]) -> tuple[str, ...]:
        self._call("alarms")
        return self.firing

    # Ledger

    def read(self) -> Environment:
        return self.document

    def update(self, change: Callable[[Environment], Environment]) -> Environment:
        def write() -> None:
            self.document = change(self.document)

        self._call("update", write)
        return self.document

    def intend(self, step: str, **facts: Any) -> None:
        self._call("intend", lambda: self.journal.append(("intent", step)))

    def done(self, step: str, **facts: Any) -> None:
        self._call("done", lambda: self.journal.append(("result", step)))

    def record(self, deployment: Deployment) -> None:
        self._call("record", lambda: self.recorded.append(deployment))

    def find_once(self, run: OnceRun) -> OnceRun | None:
        return self.once.get(run.name)

    def begin_once(self, run: OnceRun) -> None:
        self._call("begin once", lambda: self.once.update({run.name: run}))

    def end_once(self, run: OnceRun, code: int) -> None:
        ended = replace(run, ended=TODAY, code=code)
        self._call("end once", lambda: self.once.update({run.name: ended}))

    def keep(self, name: str, text: str) -> str:
        self._call("keep", lambda: self.kept.update({name: text}))
        return f"deployments/d/{name}"

    # Pace

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self._call("sleep")

    def clock(self) -> float:
        return self.time

    def today(self) -> str:
        return TODAY

    def answer_signals(self) -> int:
        answered, self.signals = self.signals, 0
        return answered

    # What a test asks.

    @property
    def serving(self) -> set[str]:
        """The releases that every balancer has attached, or that may run without a balancer."""
        if self.place.is_worker:
            return {name[-7:] for name, group in self.groups.items() if group.maximum}
        if self.place.pairs:
            live = {arn for arn, weight in self.weights.get(RULE, {}).items() if weight}
            found = self.groups.items()
            return {self._release(name) for name, group in found if group.attached & live}
        everywhere = {each.identifier for each in PLACE.balancers}
        groups = self.groups.items()
        return {self._release(name) for name, group in groups if group.attached >= everywhere}

    @property
    def existing(self) -> set[str]:
        return {self._release(name) for name in self.groups}


def _copies(groups: Mapping[str, Group]) -> dict[str, Group]:
    return {name: each.copied() for name, each in groups.items()}


def _target(balancer: Balancer, instance: str, state: str) -> Target:
    """Return a target as this kind of load balancer describes it."""
    if balancer.kind == "elbv2":
        return Target(id=instance, state=state)
    if state == "draining":
        text = "Instance deregistration currently in progress."
        return Target(id=instance, state="InService", reason="N/A", description=text)
    word = "InService" if state == "healthy" else "OutOfService"
    return Target(id=instance, state=word, reason="N/A", description="N/A")


def cloud(
    *,
    blue: bool = True,
    warm: Sequence[int] = (),
    by_hand: Sequence[int] = (),
    place: Place = PLACE,
    overlap: bool = True,
) -> FakeCloud:
    """Return an environment in which the first release serves, or no release.

    `by_hand` is the release whose group was adopted, if one was.
    Without load balancers, at least as many members work as before if releases overlap.
    """
    made = [*warm, *([1] if blue else [])]
    records = [adopted(number) if number in by_hand else kept(number) for number in made]
    document = Environment(
        app="web",
        environment="staging",
        account=PLACE.account,
        region=PLACE.region,
        next=2,
        serving=BLUE if blue else "",
        releases={each.release.name: each for each in records},
    )
    fake = FakeCloud(document=document, place=place)
    if place.pairs:
        fake.weights[RULE] = {ONE_SIDE.identifier: 100, OTHER_SIDE.identifier: 0}
    for number in made:
        fake.add(number, attached=blue and number == 1)
        if place.is_worker and not (blue and number == 1):
            fake.stop_by_pipeline(number)
    fake.least = sum(map(fake._working, fake.groups.values())) if overlap else 0
    return fake


def begin(
    fake: FakeCloud,
    *,
    kind: Kind = Kind.PROMOTE,
    blue: str = BLUE,
    green: str = GREEN,
    policy: Policy = POLICY,
    report: Callable[[Event], None] = lambda _: None,
    keep_failed: bool = False,
    minimum: int | None = 1,
    detach: tuple[Balancer, ...] = (),
    before: Limits | None = None,
    target_groups: tuple[str, ...] = (),
    pause_before: tuple[str, ...] = (),
) -> Deployer:
    """Record a deployment and return what runs it."""
    deployment = Deployment(
        id="d",
        kind=kind,
        environment="staging",
        green=green,
        blue=blue,
        began=TODAY,
        by=Runner(user="ann", host="here", pid=1),
        minimum=minimum,
        keep_failed=keep_failed,
        detach=detach,
        before=before,
        target_groups=target_groups,
        pause_before=pause_before,
    )
    known = green in fake.document.releases
    fake.document = fake.document.started(
        deployment, None if known else kept(int(green[1:]), made=False)
    )
    reconciler = a_reconciler(fake, policy, deployment)
    return Deployer(
        reconciler=reconciler,
        signals=[AlarmSignal(alarms=fake)],
        deployment=deployment,
        report=report,
    )


def a_reconciler(
    fake: FakeCloud, policy: Policy = POLICY, deployment: Deployment | None = None
) -> Reconciler:
    """Return the reconciler of a run that begins."""
    leaving = {deployment.blue: deployment.detach} if deployment else {}
    place = replace(fake.place, leaving=leaving)
    observer = Observer(place=place, groups=fake, ledger=fake, pace=fake)
    return Reconciler(
        observer=observer,
        policy=policy,
        groups=fake,
        resources=fake,
        hooks=fake,
        ledger=fake,
        pace=fake,
    )


def recover(fake: FakeCloud, *, policy: Policy = POLICY, back: bool = False) -> Deployment:
    """Do what `recover` does, or `abort` with `back` (pipeline.app.recover.finish)."""
    dead = fake.document.deployment
    assert dead is not None
    reconciler = a_reconciler(fake, policy, dead)
    rest = plan_recovery(reconciler.observer, policy, dead, back=back)
    if rest.undecided:
        fake.update(lambda document: document.reverted(dead))
    continued = replace(dead, outcome=None, ended="")
    if rest.lost:
        fake.update(lambda document: document.without_serving(fake.today()))
        continued = replace(continued, blue="")
    deployer = Deployer(
        reconciler=reconciler,
        signals=[AlarmSignal(alarms=fake)],
        deployment=continued,
        report=lambda _: None,
    )
    return deployer.run(rest.phases, rest.success, undone=rest.undone)


def resume(fake: FakeCloud, *, policy: Policy = POLICY) -> Deployment:
    """Do what `resume` does (pipeline.app.environment.paused)."""
    paused = fake.document.deployment
    assert paused is not None
    decided = paused.pauses[-1].decided(Decision.RESUMED, fake.today())
    continued = paused.unpaused(decided)
    reconciler = a_reconciler(fake, policy, continued)
    rest = plan_resumption(reconciler.observer, policy, paused)
    deployer = Deployer(
        reconciler=reconciler,
        signals=(AlarmSignal(alarms=fake),),
        deployment=continued,
        report=lambda _: None,
    )
    return deployer.run(rest.phases, rest.success, undone=rest.undone, check=rest.check)
