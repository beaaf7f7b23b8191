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
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import observed
from benchmarks.contenders import WAYS, Ours, Ran, Recipe, Waiter, Way
from benchmarks.local_cloud import REPOSITORY, Bench, bench
from benchmarks.observed import Window
from benchmarks.service import NONE, PATIENCE, REAL, Network, Profile, Service
from tests.load import load

SERIES = REPOSITORY / "benchmarks/series"
RATE = 20.0
"""Requests a second to each service that is deployed to."""
BEFORE, AFTER = 3.0, 5.0
"""Seconds of load before a deployment and after it."""
HOLLOW_FROM = 50
"""Members from which on they are hollow: this machine cannot run so many programs."""
GOOD, NEVER, UNLISTED = "good", "never healthy", "not yet listed"
KEPT, ROLLBACK = "good, old group kept", "rollback"
BEHAVIOUR = {NEVER: "never-healthy", UNLISTED: "registers-late"}
LOOKS = 3
"""The default of `promote.looks`."""
READIED = 6
"""First releases at the same time: each is a Terraform that wants a core."""
VERSIONS = ("1.0.0", "2.0.0")


@dataclass(frozen=True, kw_only=True)
class Step:
    """Some runs: what is released where, by which ways, how often in turn or all at once.

    `rollback` goes back to a warm group at the end, after a promotion with the default looks.
    """

    scenario: str
    members: int
    ways: tuple[type[Way], ...] = WAYS
    rounds: int = 1
    rollback: bool = False

    @property
    def waits(self) -> bool:
        """Whether its runs mostly wait for their end, so that all may run at once."""
        return self.scenario != GOOD


RELEASES = (
    Step(scenario=GOOD, members=3, rounds=2, rollback=True),
    Step(scenario=NEVER, members=3),
    Step(scenario=UNLISTED, members=3),
)
CAMPAIGN: tuple[tuple[Profile, tuple[Step, ...]], ...] = (
    (
        NONE,
        (
            *RELEASES,
            Step(scenario=GOOD, members=10),
            Step(scenario=GOOD, members=100),
        ),
    ),
    (
        REAL,
        (
            *RELEASES,
            Step(scenario=GOOD, members=10, ways=(Recipe, Ours)),
            Step(scenario=GOOD, members=100, ways=(Ours,)),
        ),
    ),
)
"""In real time only what a goal is about, so that all of it takes half an hour."""
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
    troubles: list[str] = field(default_factory=list)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, steps: Sequence[Step]) -> None:
        """Run every step: those of a size after each other, on services made ready together."""
        for members in sorted({step.members for step in steps}):
            alike = [step for step in steps if step.members == members]
            ready = self._all_ready(alike)
            for step, ways in zip(alike, ready, strict=True):
                progress(f"{self._profile.name}: {step.scenario}, {step.members} members")
                (self._at_once if step.waits else self._in_turn)(step, ways)
            for way in (way for ways in ready for way in ways):
                self._end(way)

    def _all_ready(self, steps: Sequence[Step]) -> list[list[Way]]:
        """Make a service for each way of each step, and put a first release into service."""
        made = [self._ways(step) for step in steps]
        ways = [way for of_step in made for way in of_step]
        names = ", ".join(way.service.name for way in ways)
        progress(f"{self._profile.name}: first releases: {names}")
        with ThreadPoolExecutor(READIED) as pool:
            list(pool.map(self._first, ways))
        return made

    def _ways(self, step: Step) -> list[Way]:
        ways: list[Way] = []
        for kind in step.ways:
            with self._lock:
                self._made += 1
                name = f"{self._profile.name}-{self._made}-{kind.key}"
            patience = self._profile.patience if step.scenario == NEVER else PATIENCE
            made = Service.make(self.network, name, step.members, patience=patience)
            ways.append(kind(service=made))
        return ways

    def _first(self, way: Way) -> None:
        with self._going_on(way):
            ran = self._release(way, self.network.images[0])
            if ran.code:
                words = (way.service.folder / "last.log").read_text()[-2000:]
                raise RuntimeError(f"the first release failed: {words}")
            way.service.wait()

    @contextlib.contextmanager
    def _going_on(self, way: Way) -> Iterator[None]:
        """Note what goes wrong with one service rather than lose what was measured of others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  half an hour of figures hangs on it
            self.troubles.append(f"{way.service.name}: {type(error).__name__}: {error}")
            progress(self.troubles[-1])

    def _release(self, way: Way, image: str) -> Ran:
        if way.service.members >= HOLLOW_FROM:
            self.network.here.client.order("hollow", group=way.next_group(image))
        return way.release(image)

    def _in_turn(self, step: Step, ways: Sequence[Way]) -> None:
        for number in range(step.rounds):
            for way in ways:
                if number == 0 or not isinstance(way, Waiter):
                    self._tried(way, step)
        for way in ways:
            if step.rollback and isinstance(way, Ours):
                with self._going_on(way):
                    self._roll_back(way, step)

    def _at_once(self, step: Step, ways: Sequence[Way]) -> None:
        with ThreadPoolExecutor(len(ways)) as pool:
            list(pool.map(self._tried, ways, [step] * len(ways)))

    def _tried(self, way: Way, step: Step) -> None:
        with self._going_on(way):
            if way.image:
                self._deploy(way, step)

    def _end(self, way: Way) -> None:
        """Delete a service's groups, so that the next steps have the machine to themselves."""
        asg = self.network.here.aws("autoscaling")
        for group in asg.describe_auto_scaling_groups()["AutoScalingGroups"]:
            if way.service.target_group in group["TargetGroupARNs"]:
                with contextlib.suppress(asg.exceptions.ClientError):
                    name = group["AutoScalingGroupName"]
                    asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    @property
    def _profile(self) -> Profile:
        return self.network.profile

    def _other(self, way: Way) -> str:
        """Return the image that does not serve."""
        one, other = self.network.images
        return other if way.image == one else one

    def _deploy(self, way: Way, step: Step, looks: int = 1) -> None:
        image = self._other(way)
        if behaviour := BEHAVIOUR.get(step.scenario):
            seconds = self._profile.late * self._profile.speed
            group = way.next_group(image)
            self.network.here.client.order(behaviour, group=group, seconds=seconds)
        rest = self._profile.late if step.scenario == UNLISTED else 0
        with watched(way.service) as requests:
            ran = self._release(way, image)
            time.sleep(AFTER + rest)
        window = self._window(way, image, ran, rest)
        moments = self.network.here.client.moments()
        record = self._record(way, step, ran, window, moments, requests) | {"looks": looks}
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
            "looks": 1,
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
            if record["scenario"] != KEPT:
                name = f"{record['profile']}, {record['members']}, {record['scenario']}"
                self.pictures.setdefault(name, {})[record["way"]] = series

    def _roll_back(self, way: Ours, step: Step) -> None:
        """Promote once more, keep the old group warm, and go back to it."""
        old = way.image
        way.configure(keep_previous="next", looks=LOOKS)
        self._deploy(way, replace(step, scenario=KEPT), looks=LOOKS)
        version = VERSIONS[self.network.images.index(way.image)].encode()
        with watched(way.service) as requests:
            ran = way.command("rollback")
            time.sleep(AFTER)
        window = self._window(way, old, ran, 0)
        moments = self.network.here.client.moments()
        rollback = replace(step, scenario=ROLLBACK)
        record = self._record(way, rollback, ran, window, moments, requests)
        back = observed.back_again(requests, window, version)
        record |= {"back": None if back is None else round(back, 2), "decision": None}
        self.records.append(record)
        progress(told(record))


@contextlib.contextmanager
def watched(service: Service) -> Iterator[list[Any]]:
    """Keep a service under load for a block and a moment before it; yield the requests."""
    with load(service.url, RATE) as under:
        time.sleep(BEFORE)
        yield under.results


def phases(ran: Ran) -> dict[str, float]:
    """Return the seconds of each phase of ours, and of what came before the first."""
    found = {each["name"]: each["seconds"] for each in ran.document.get("phases", [])}
    if not found:
        return {}
    return {"before": round(ran.seconds - sum(found.values()), 2), **found}


TOLD = (
    *("scenario", "members", "way", "seconds", "code", "failed", "decision", "own_calls"),
    *("terraform_calls", "memory", "left", "back", "phases", "terraform"),
)


def told(record: dict[str, Any]) -> str:
    """Return a line on a run."""
    return ", ".join(f"{name} {record[name]}" for name in TOLD if name in record)


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
) -> tuple[list[dict[str, Any]], list[str]]:
    """Run everything; return a record of each run, and what went wrong with the harness itself.

    Writes the series of the pictures, if they are to be kept.
    """
    records: list[dict[str, Any]] = []
    troubles: list[str] = []
    for profile, steps in campaign:
        with a_network(profile) as network:
            one = Campaign(network=network)
            one.run(steps)
        records += one.records
        troubles += one.troubles
        if keep_series:
            write_series(one.pictures)
    return records, troubles


def write_series(pictures: dict[str, dict[str, Any]]) -> None:
    """Keep the series from which pictures are drawn."""
    SERIES.mkdir(exist_ok=True)
    for name, ways in pictures.items():
        path = SERIES / f"{name.replace(', ', '-').replace(' ', '-')}.json"
        lines = [f"{json.dumps(way)}: {json.dumps(series)}" for way, series in ways.items()]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
