"""Deployments side by side: the usual recipe, this tool, a boto3 script, under the same load.

One run is one deployment by one way of one release to one service, observed from the local
cloud's moments and from an open-loop load. Which runs there are is the table `CAMPAIGN`; what is
compared runs in turn, A B C A B C; what only waits for its end runs at once.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from benchmarks import observed
from benchmarks.ground import REPOSITORY, Bench, bench
from benchmarks.observed import Window
from benchmarks.service import NONE, REAL, Network, Profile, Service
from benchmarks.ways import WAYS, Ours, Ran, Recipe, Way
from tests.load import load

SERIES = REPOSITORY / "benchmarks/series"
RATE = 50.0
"""Requests a second to each service that is deployed to."""
BEFORE, AFTER = 3.0, 5.0
"""Seconds of load before a deployment and after it."""
HOLLOW_FROM = 50
"""Members from which on they are hollow: this machine cannot run so many programs."""
GOOD, NEVER, UNLISTED = "good", "never healthy", "not yet listed"
BEHAVIOUR = {NEVER: "never-healthy", UNLISTED: "registers-late"}
VERSIONS = ("1.0.0", "2.0.0")


@dataclass(frozen=True, kw_only=True)
class Step:
    """Some runs: what is released where, by which ways, how often in turn or all at once."""

    scenario: str
    members: int
    ways: tuple[type[Way], ...] = WAYS
    rounds: int = 1
    at_once: bool = False
    rollback: bool = False
    looks: int = 1


CAMPAIGN: tuple[tuple[Profile, tuple[Step, ...]], ...] = (
    (
        NONE,
        (
            Step(scenario=GOOD, members=3, rounds=2, rollback=True),
            Step(scenario=NEVER, members=3, at_once=True),
            Step(scenario=UNLISTED, members=3, at_once=True),
            Step(scenario=GOOD, members=10),
            Step(scenario=GOOD, members=100),
        ),
    ),
    (
        REAL,
        (
            Step(scenario=GOOD, members=3, rounds=2, rollback=True),
            Step(scenario=GOOD, members=3, ways=(Ours,), looks=3),
            Step(scenario=NEVER, members=3, at_once=True),
            Step(scenario=UNLISTED, members=3, at_once=True),
            Step(scenario=GOOD, members=10),
            Step(scenario=GOOD, members=100, ways=(Recipe, Ours)),
        ),
    ),
)
SMOKE: tuple[tuple[Profile, tuple[Step, ...]], ...] = (
    (NONE, (Step(scenario=GOOD, members=3, rollback=True),)),
)


def progress(text: str) -> None:
    """Say on standard error what is being done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(kw_only=True)
class Campaign:
    """All runs of one profile, in one cloud."""

    network: Network
    records: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, steps: Sequence[Step]) -> None:
        """Run every step."""
        for step in steps:
            progress(f"{self._profile.name}: {step.scenario}, {step.members} members")
            with self._sized(step):
                ways = self._ready(step)
                if step.at_once:
                    with ThreadPoolExecutor(len(ways)) as pool:
                        list(pool.map(self._deploy, ways, [step] * len(ways)))
                else:
                    for _ in range(step.rounds):
                        for way in ways:
                            self._deploy(way, step)
                for way in ways:
                    if step.rollback and isinstance(way, Ours):
                        self._roll_back(way, step)

    @property
    def _profile(self) -> Profile:
        return self.network.profile

    @contextlib.contextmanager
    def _sized(self, step: Step) -> Iterator[None]:
        client = self.network.here.client
        if step.members >= HOLLOW_FROM:
            for image in self.network.images:
                client.order("hollow", image=image)
        yield
        client.clear_orders()
        self._empty()

    def _ready(self, step: Step) -> list[Way]:
        """Make a service for each way, and put a first release into service."""
        with self._lock:
            self._made += 1
            number = self._made
        ways: list[Way] = []
        for kind in step.ways:
            name = f"{self._profile.name}-{number}-{kind.key}"
            ways.append(kind(service=Service.make(self.network, name, step.members)))
        with ThreadPoolExecutor(len(ways)) as pool:
            for way, ran in zip(ways, pool.map(self._first, ways), strict=True):
                if ran.code:
                    words = (way.service.folder / "last.log").read_text()[-2000:]
                    raise RuntimeError(f"{way.service.name}: the first release failed: {words}")
        for way in ways:
            if isinstance(way, Ours) and step.looks != 1:
                way.configure(looks=step.looks)
        return ways

    def _first(self, way: Way) -> Ran:
        ran = way.release(self.network.images[0])
        if ran.code == 0:
            way.service.wait()
        return ran

    def _empty(self) -> None:
        """End every group, so that the next step has the machine to itself."""
        asg = self.network.here.aws("autoscaling")
        named = [each["AutoScalingGroupName"] for each in groups(asg)]
        for name in named:
            with contextlib.suppress(asg.exceptions.ClientError):
                asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        deadline = time.monotonic() + 120
        while groups(asg) and time.monotonic() < deadline:
            time.sleep(0.5)

    def _other(self, way: Way) -> str:
        """Return the image that does not serve."""
        one, other = self.network.images
        return other if way.image == one else one

    def _deploy(self, way: Way, step: Step) -> None:
        image = self._other(way)
        if behaviour := BEHAVIOUR.get(step.scenario):
            seconds = self._profile.late * self._profile.speed
            group = way.next_group(image)
            self.network.here.client.order(behaviour, group=group, seconds=seconds)
        rest = self._profile.late if step.scenario == UNLISTED else 0
        with watched(way.service) as requests:
            ran = way.release(image)
            time.sleep(AFTER + rest)
        window = self._window(way, image, ran, rest)
        moments = self.network.here.client.moments()
        record = self._record(way, step, ran, window, moments, requests)
        self._keep(record, observed.series(moments["moments"], requests, window))
        progress(told(record))

    def _window(self, way: Way, image: str, ran: Ran, rest: float) -> Window:
        return Window(
            key=way.service.name,
            pool=way.service.target_group,
            image=image,
            members=way.service.members,
            began=ran.began,
            ended=ran.ended,
            until=ran.ended + AFTER + rest,
        )

    def _record(
        self,
        way: Way,
        step: Step,
        ran: Ran,
        window: Window,
        told_: dict[str, Any],
        requests: Sequence[Any],
    ) -> dict[str, Any]:
        moments = told_["moments"]
        if told_["forgotten"]:
            progress(f"{told_['forgotten']} moments were forgotten: the figures may be wrong")
        own, terraform = observed.counted(moments, window)
        decision = observed.decision(moments, window)
        return {
            "profile": self._profile.name,
            "scenario": step.scenario,
            "members": step.members,
            "way": way.key,
            "looks": step.looks,
            "seconds": round(ran.seconds, 2),
            "code": ran.code,
            "requests": len(observed.within(requests, window)),
            "failed": observed.failed(requests, window),
            "decision": None if decision is None else round(decision, 2),
            "own_calls": own.total(),
            "terraform_calls": terraform.total(),
            "memory": round(ran.memory, 1),
            "left": observed.left(moments, window) if ran.code else 0,
            "terraform": [[verb, round(seconds, 2)] for verb, seconds in ran.terraform],
            "phases": phases(ran),
            "actions": dict(own.most_common()),
        }

    def _keep(self, record: dict[str, Any], series: dict[str, Any]) -> None:
        with self._lock:
            self.records.append(record)
            if record["looks"] == 1:
                name = f"{record['profile']}, {record['members']}, {record['scenario']}"
                self.pictures.setdefault(name, {})[record["way"]] = series

    def _roll_back(self, way: Ours, step: Step) -> None:
        """Promote once more, keep the old group warm, and go back to it."""
        way.configure(keep_previous="next")
        old, image = way.image, self._other(way)
        promoted = way.release(image)
        version = VERSIONS[self.network.images.index(image)].encode()
        with watched(way.service) as requests:
            ran = way.command("rollback")
            time.sleep(AFTER)
        window = self._window(way, old, ran, 0)
        moments = self.network.here.client.moments()
        record = self._record(way, step, ran, window, moments, requests)
        back = observed.back_again(requests, window, version)
        record |= {
            "scenario": "rollback",
            "back": None if back is None else round(back, 2),
            "promoted": round(promoted.seconds, 2),
            "decision": None,
        }
        self.records.append(record)
        progress(told(record))


@contextlib.contextmanager
def watched(service: Service) -> Iterator[list[Any]]:
    """Keep a service under load for a block and a moment before it; yield the requests."""
    with load(service.url, RATE) as under:
        time.sleep(BEFORE)
        yield under.results


def groups(asg: Any) -> list[dict[str, Any]]:
    """Return every group there is."""
    found: list[dict[str, Any]] = asg.describe_auto_scaling_groups()["AutoScalingGroups"]
    return found


def phases(ran: Ran) -> dict[str, float]:
    """Return the seconds of each phase of ours, and of what came before the first."""
    found = {each["name"]: each["seconds"] for each in ran.document.get("phases", [])}
    if not found:
        return {}
    return {"before": round(ran.seconds - sum(found.values()), 2), **found}


def told(record: dict[str, Any]) -> str:
    """Return a line on a run."""
    return ", ".join(
        f"{name} {record[name]}"
        for name in (
            *("way", "seconds", "code", "failed", "decision", "own_calls", "terraform_calls"),
            *("memory", "left", "back", "promoted", "phases", "terraform"),
        )
        if name in record
    )


@contextlib.contextmanager
def a_network(profile: Profile) -> Iterator[Network]:
    """Run a cloud with two images of the sample application in it."""
    with bench(profile.speed, profile.delay) as here:
        progress(f"{profile.name}: baking two images")
        with ThreadPoolExecutor(2) as pool:
            images = list(pool.map(lambda version: baked(here, version), VERSIONS))
        yield Network.of(here, profile, (images[0], images[1]))


def baked(here: Bench, version: str) -> str:
    """Bake a version; return its AMI."""
    return str(here.bake(version)["ami_id"])


def deployments(
    campaign: Sequence[tuple[Profile, Sequence[Step]]], *, keep_series: bool = True
) -> list[dict[str, Any]]:
    """Run everything; write the series of the pictures; return a record of each run."""
    records: list[dict[str, Any]] = []
    for profile, steps in campaign:
        with a_network(profile) as network:
            one = Campaign(network=network)
            one.run(steps)
        records += one.records
        if keep_series:
            write_series(one.pictures)
    return records


def write_series(pictures: dict[str, dict[str, Any]]) -> None:
    """Keep the series from which pictures are drawn."""
    SERIES.mkdir(exist_ok=True)
    for name, ways in pictures.items():
        path = SERIES / f"{name.replace(', ', '-').replace(' ', '-')}.json"
        lines = [f"{json.dumps(way)}: {json.dumps(series)}" for way, series in ways.items()]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
