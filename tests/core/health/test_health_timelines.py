"""Thousands of timelines of a group, made by a small cloud that knows the true state.

The assessment sees observations: late, repeated and incomplete ones. The cloud knows at every
moment whether every member is healthy and listed everywhere, and the test compares both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product

import pytest

from pipeline.core.deploy.polling import needs_activities
from pipeline.core.health.assessment import all_healthy, all_in_service
from pipeline.core.health.observation import (
    Activity,
    Balancer,
    Member,
    Observation,
    ObservedGroup,
    Target,
)
from pipeline.core.health.verdict import Failed, Healthy, Verdict
from tests.core.health.observations import (
    ELB_FAILED,
    GREEN,
    GREW,
    NO_AMI,
    NO_CAPACITY,
    OLD,
    REPLACED,
    SHRUNK,
    WEB,
    expecting,
)

BOTH = (WEB, OLD)
TIMELINES = 40  # of each kind; the long ones are others
LONG = pytest.mark.long
LENGTH, QUIET = 10, 9  # observations with trouble and without
SHUT_DOWN = "Termination Reason: Client.InstanceInitiatedShutdown: Instance initiated shutdown"
NO_PROFILE = "Value (web) for parameter iamInstanceProfile.name is invalid. Launching failed."
NO_QUOTA = "You have requested more vCPU capacity than your current vCPU limit of 8 allows for it."

# Groups that become healthy in the end, and must never be called failed.
MILD = (
    "calm", "scaled", "replaced", "both", "flaps", "late", "past", "shortage", "young profile",
)  # fmt: skip
# Groups that never become healthy, but must not be called failed.
STUCK = ("unlisted", "unhealthy", "foreign", "empty")
# Groups that can never become healthy, and must be called failed.
FAILING = (
    "loop",
    "dies at boot",
    "shuts down",
    "no image",
    "no quota",
    "unused",
    "one zone unused",
)


@cache
def a_member(number: int, lifecycle: str, version: str) -> Member:
    name = f"i-{number:x}"
    return Member(id=name, lifecycle=lifecycle, health="Healthy", template="lt-2", version=version)


@cache
def a_target(number: int, kind: str, state: str) -> Target:
    answers = {
        ("elb", "initial"): ("OutOfService", "ELB", "Instance registration is still in progress."),
        ("elb", "unhealthy"): ("OutOfService", "Instance", "Instance has failed."),
        ("elb", "healthy"): ("InService", "N/A", "N/A"),
        ("elb", "draining"): (
            "InService", "N/A", "Instance deregistration currently in progress.",
        ),
        ("elb", "unused"): (
            "OutOfService", "ELB",
            "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured",
        ),
        ("elbv2", "initial"): ("initial", "Elb.RegistrationInProgress", ""),
        ("elbv2", "unused"): ("unused", "Target.NotInUse", ""),
    }  # fmt: skip
    how, reason, description = answers.get((kind, state), (state, "", ""))
    return Target(id=f"i-{number:x}", state=how, reason=reason, description=description)


@dataclass(kw_only=True, slots=True)
class Server:
    """The true state of an instance; `lag` is how late each load balancer lists it."""

    number: int
    boots: int
    lag: dict[Balancer, int]
    version: str = "1"
    lifecycle: str = "Pending"
    age: int = 0  # in its lifecycle
    unhealthy: int = 0  # steps for which it still fails health checks
    states: dict[Balancer, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What an observation at this moment shows, and the true state."""

    observation: Observation
    good: bool
    members: frozenset[int]


class Cloud:
    """A group that launches, registers, loses and replaces, one step at a time."""

    def __init__(self, kind: str, chance: random.Random) -> None:
        self.kind, self.chance = kind, chance
        least = 2 if kind == "no quota" else 1
        self.desired = 0 if kind == "empty" else chance.randint(least, 4)
        self.servers: list[Server] = []
        self.activities: dict[str, Activity] = {}
        self.balancers = chance.choice(((WEB,), (OLD,), BOTH))
        # Whether the activities are read; only they show refused launches.
        self.tells = kind in {"no image", "no quota"} or chance.random() < 0.8
        self.time = self.born = 0
        self.lost = 0
        # Without activities it takes two rounds to recognize a loop.
        self.observations = LENGTH * (3 if kind == "loop" else 1) + QUIET
        if kind in {"scaled", "replaced", "both", "flaps", "past"} and chance.random() < 0.7:
            self.settle()

    def settle(self) -> None:
        """Let the group serve already, with old activities."""
        while not self.moment().good:
            self.step()
        if self.kind == "past":
            for number in range(5):
                self.tell(f"Terminating EC2 instance: i-f{number}", ELB_FAILED, number)
                self.tell("Launching a new EC2 instance", GREW, number, NO_AMI)

    # What happens.

    def step(self, *, trouble: bool = False) -> None:
        self.time += 1
        if trouble:
            self.happen()
        for server in list(self.servers):
            server.age += 1
            self.advance(server)
        self.reconcile()

    def happen(self) -> None:
        """Let the trouble of the group's kind happen."""
        roll = self.chance.random()
        serving = [s for s in self.servers if s.lifecycle == "InService"]
        if self.kind in {"scaled", "both"} and roll < 0.12:
            self.desired = self.chance.randint(0, 4)
        if self.kind in {"replaced", "both"} and roll > 0.8 and serving and not self.lost:
            self.lose(self.chance.choice(serving))
        if self.kind == "flaps" and roll < 0.3 and serving:
            self.chance.choice(serving).unhealthy = self.chance.randint(1, 2)
        if self.kind == "loop":
            for server in serving:
                if server.age >= 2:
                    self.lose(server)

    def lose(self, server: Server) -> None:
        self.lost += 1
        self.leave(server, ELB_FAILED)

    def leave(self, server: Server, cause: str) -> None:
        server.lifecycle, server.age = "Terminating", 0
        self.tell(f"Terminating EC2 instance: i-{server.number:x}", cause)

    def advance(self, server: Server) -> None:
        if server.lifecycle == "Terminating":
            listed = {b: "draining" for b, s in server.states.items() if s != "draining"}
            server.states = listed if server.age == 1 else {}
            if server.age > 2:
                self.servers.remove(server)
        elif server.lifecycle == "Pending" and server.age >= server.boots:
            self.boot(server)
        elif server.lifecycle == "InService":
            self.check(server)

    def boot(self, server: Server) -> None:
        ends = {"dies at boot": "Client.InternalError: x", "shuts down": SHUT_DOWN}
        if self.kind in ends:
            self.tell(f"Launching a new EC2 instance: i-{server.number:x}", GREW,
                      message=ends[self.kind], status="Cancelled")  # fmt: skip
            self.leave(server, "an instance was taken out of service in response to an EC2 health "
                       "check indicating it has been terminated or stopped.")  # fmt: skip
            return
        server.lifecycle, server.age = "InService", 0
        self.tell(f"Launching a new EC2 instance: i-{server.number:x}", GREW, status="Successful")

    def check(self, server: Server) -> None:
        """Let every load balancer list and check a server."""
        server.unhealthy = max(0, server.unhealthy - 1)
        for balancer in self.balancers:
            since = server.age - server.lag[balancer]
            if since >= 0:
                server.states[balancer] = "initial" if since < 1 else self.found(server)

    def found(self, server: Server) -> str:
        zone = {"unused": 1, "one zone unused": 2}.get(self.kind)
        if zone and server.number % zone == 0:
            return "unused"
        failing = server.unhealthy or (self.kind == "unhealthy" and server.number % 2 == 0)
        return "unhealthy" if failing else "healthy"

    def reconcile(self) -> None:
        """Launch missing members and terminate surplus ones."""
        living = [s for s in self.servers if s.lifecycle != "Terminating"]
        for server in living[self.desired :]:
            self.leave(server, SHRUNK)
        for _ in range(self.desired - len(living)):
            if refusal := self.refusal():
                self.tell("Launching a new EC2 instance", GREW, message=refusal)
                break
            self.launch()

    def refusal(self) -> str:
        tries = sum(a.status == "Failed" for a in self.activities.values())
        permanent = {"no image": NO_AMI, "no quota": NO_QUOTA if self.born else ""}
        passing = {"shortage": (NO_CAPACITY, 4), "young profile": (NO_PROFILE, 2)}
        message, times = passing.get(self.kind, ("", 0))
        return message if tries < times else permanent.get(self.kind, "")

    def launch(self) -> None:
        lag = {balancer: self.chance.choice((0, 0, 1, 2)) for balancer in self.balancers}
        if self.kind == "late":
            lag = dict.fromkeys(lag, self.chance.randint(2, 5))
        if self.kind == "unlisted" and self.born % 2 == 0:
            lag[self.chance.choice(self.balancers)] = 1000
        version = "2" if self.kind == "foreign" and self.born % 2 == 0 else "1"
        server = Server(number=self.born, boots=self.chance.randint(1, 2), lag=lag, version=version)
        self.born += 1
        self.servers.append(server)
        cause = REPLACED if self.lost else GREW
        self.tell(
            f"Launching a new EC2 instance: i-{server.number:x}", cause, status="PreInService"
        )

    def tell(
        self, what: str, cause: str, year: int = 9, message: str = "", status: str = ""
    ) -> None:
        """Record an activity; the end of a launch replaces its beginning."""
        begun = self.activities.get(what)
        status = status or ("Failed" if what.endswith("instance") else "InProgress")
        minute, second = divmod(self.time * 5, 60)
        began = begun.began if begun else f"202{year}-01-01T10:{minute:02}:{second:02}+00:00"
        name = what if ":" in what else f"{what} {len(self.activities)}"
        self.activities[name] = Activity(
            id=name, status=status, description=what, cause=cause, message=message, began=began
        )

    # The true state, and what is shown.

    def moment(self) -> Moment:
        living = [s for s in self.servers if s.lifecycle != "Terminating"]
        good = len(living) >= self.desired >= 1 and all(
            s.lifecycle == "InService" and s.version == "1" and s.states.get(b) == "healthy"
            for s, b in product(living, self.balancers)
        )
        numbers = frozenset(server.number for server in living)
        return Moment(observation=self.shown(), good=good, members=numbers)

    def shown(self) -> Observation:
        group = ObservedGroup(
            name=GREEN, minimum=0, maximum=9, desired=self.desired, template="lt-2", version="1",
            members=tuple(a_member(s.number, s.lifecycle, s.version) for s in self.servers),
        )  # fmt: skip
        targets = {
            b.identifier: {
                f"i-{s.number:x}": a_target(s.number, b.kind, s.states[b])
                for s in self.servers
                if b in s.states
            }
            for b in self.balancers
        }
        activities = {GREEN: tuple(self.activities.values())[::-1]} if self.tells else {}
        return Observation(
            at=5.0 * self.time, groups={GREEN: group}, targets=targets, activities=activities
        )


def watch(cloud: Cloud) -> Iterator[Moment]:
    """Observe repeatedly: some answers are stale, and some are incomplete."""
    shown: list[Moment] = []
    for number in range(cloud.observations):
        trouble = number < cloud.observations - QUIET
        cloud.step(trouble=trouble or cloud.kind == "loop")
        if (
            trouble
            and cloud.kind in {"scaled", "both"}
            and number == cloud.observations - QUIET - 1
        ):
            cloud.desired = max(cloud.desired, 1)
        shown.append(cloud.moment())
        roll = cloud.chance.random() if trouble else 1.0
        seen = shown[max(0, number - cloud.chance.randint(1, 2))] if roll < 0.08 else shown[-1]
        if 0.08 <= roll < 0.16:
            torn = cloud.chance.choice((seen.observation, Observation(at=seen.observation.at)))
            yield replace(seen, observation=replace(torn, unreadable=("Throttling",)), good=False)
        else:
            yield seen


@dataclass(kw_only=True)
class Judgment:
    """The verdicts on one timeline: wrong ones are counted, the last one is kept."""

    last: Verdict
    failed: str = ""
    early: int = 0
    missed: int = 0


def follow(kind: str, seed: int) -> Judgment:
    """Judge a timeline repeatedly and compare every verdict with the true state."""
    chance = random.Random(f"{kind} {seed}")  # noqa: S311  no secret, a timeline to repeat
    cloud = Cloud(kind, chance)
    row = chance.randint(1, 4)
    expected = expecting(*cloud.balancers)
    moments: list[Moment] = []
    observations: list[Observation] = []
    judgment = Judgment(last=Healthy())
    for moment in watch(cloud):
        moments.append(moment)
        activities = moment.observation.activities if needs_activities(GREEN, observations) else {}
        observations.append(replace(moment.observation, activities=activities))
        if chance.random() < 0.8 and len(observations) < cloud.observations:
            continue
        judgment.last = all_healthy(expected, observations, in_a_row=row)
        if isinstance(judgment.last, Failed):
            judgment.failed = judgment.last.reason
            break
        last = moments[-row:]
        true = (
            len(last) == row and all(m.good for m in last) and len({m.members for m in last}) == 1
        )
        called_healthy = isinstance(judgment.last, Healthy)
        judgment.early += called_healthy and not true
        judgment.missed += true and not called_healthy
        assert not called_healthy or isinstance(all_in_service(expected, observations), Healthy), (
            kind,
            seed,
        )
    return judgment


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=LONG) for n in (40, 80, 120, 160))])
@pytest.mark.parametrize("kind", [*MILD, *STUCK, *FAILING])
def test_every_verdict_matches_the_true_state(kind: str, first: int) -> None:
    for seed in range(first, first + TIMELINES):
        judgment, which = follow(kind, seed), f"{kind}, seed {seed}"
        assert not judgment.early, f"{which}: called healthy and was not"
        assert not judgment.missed, f"{which}: was healthy and not called so"
        if kind in FAILING:
            assert judgment.failed, f"{which}: waited to the end: {judgment.last}"
        else:
            assert not judgment.failed, f"{which}: {judgment.failed}"
            assert isinstance(judgment.last, Healthy) == (kind in MILD), f"{which}: {judgment.last}"
