"""Compare deployments: the usual recipe, ami-pipeline and a boto3 script, under the same load.

One run is one deployment of one release to one service by one contender. It is observed through the
local cloud's timeline and an open-loop load. The table `CAMPAIGN` lists the runs. Compared runs
take turns (A B C A B C); runs that mostly wait run at once.
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
from benchmarks.contenders import (
    CONTENDERS,
    AmiPipeline,
    CommandResult,
    Contender,
    Recipe,
    WithoutRetirement,
)
from benchmarks.local_cloud import REPOSITORY, Bench, bench
from benchmarks.observed import Window
from benchmarks.service import NONE, PATIENCE, REAL, Network, Profile, Service
from tools.load import load

SERIES = REPOSITORY / "benchmarks/series"
RATE = 20.0
"""Requests per second to each service during its deployment."""
BEFORE, AFTER = 3.0, 5.0
"""Seconds of load before and after a deployment."""
HOLLOW_SIZE = 50
"""The size from which members are hollow: this machine cannot run so many programs."""
GOOD, NEVER, UNLISTED = "good", "never healthy", "not yet listed"
KEPT, ROLLBACK = "good, old group kept", "rollback"
BEHAVIORS = {NEVER: "never-healthy", UNLISTED: "registers-late"}
HEALTHY_CHECKS = 3
"""The default of `promote.healthy_checks`."""
PARALLEL_FIRST_RELEASES = 6
"""Simultaneous first releases: each runs a Terraform that needs a core."""
VERSIONS = ("1.0.0", "2.0.0")


@dataclass(frozen=True, kw_only=True)
class Step:
    """Some runs: a scenario, the number of members, the contenders, and how often they take turns.

    `rollback` adds a rollback to a warm group at the end, after a promotion with the default
    healthy checks.
    """

    scenario: str
    members: int
    contenders: tuple[type[Contender], ...] = CONTENDERS
    rounds: int = 1
    rollback: bool = False

    @property
    def waits(self) -> bool:
        """Return True if its runs mostly wait, so that all can run at once."""
        return self.scenario != GOOD


ALL: tuple[type[Contender], ...] = (*CONTENDERS, WithoutRetirement)
RELEASES = (
    Step(scenario=GOOD, members=3, contenders=ALL, rounds=2, rollback=True),
    Step(scenario=NEVER, members=3),
    Step(scenario=UNLISTED, members=3),
)
CAMPAIGN: tuple[tuple[Profile, tuple[Step, ...]], ...] = (
    (
        NONE,
        (
            *RELEASES,
            Step(scenario=GOOD, members=10, contenders=ALL),
            Step(scenario=GOOD, members=100),
        ),
    ),
    (
        REAL,
        (
            *RELEASES,
            Step(scenario=GOOD, members=10, contenders=(Recipe, AmiPipeline, WithoutRetirement)),
            Step(scenario=GOOD, members=100, contenders=(AmiPipeline,)),
        ),
    ),
)
"""In real time only what a goal needs, so that everything takes half an hour."""
SMOKE: tuple[tuple[Profile, tuple[Step, ...]], ...] = (
    (NONE, (Step(scenario=GOOD, members=3, rollback=True),)),
)


def progress(text: str) -> None:
    """Print progress to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(kw_only=True)
class Campaign:
    """All runs of one profile, in one cloud."""

    network: Network
    records: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, steps: Sequence[Step]) -> None:
        """Run every step: those of one size one after another, on services prepared together."""
        for members in sorted({step.members for step in steps}):
            alike = [step for step in steps if step.members == members]
            ready = self._prepare_all(alike)
            for step, contenders in zip(alike, ready, strict=True):
                progress(f"{self._profile.name}: {step.scenario}, {step.members} members")
                (self._at_once if step.waits else self._in_turn)(step, contenders)
            for contender in (contender for contenders in ready for contender in contenders):
                self._delete_groups(contender)

    def _prepare_all(self, steps: Sequence[Step]) -> list[list[Contender]]:
        """Create a service for each contender of each step, with a first release."""
        made = [self._create_contenders(step) for step in steps]
        contenders = [contender for of_step in made for contender in of_step]
        names = ", ".join(contender.service.name for contender in contenders)
        progress(f"{self._profile.name}: first releases: {names}")
        with ThreadPoolExecutor(PARALLEL_FIRST_RELEASES) as pool:
            list(pool.map(self._first_release, contenders))
        return made

    def _create_contenders(self, step: Step) -> list[Contender]:
        contenders: list[Contender] = []
        for kind in step.contenders:
            with self._lock:
                self._made += 1
                name = f"{self._profile.name}-{self._made}-{kind.key}"
            patience = self._profile.patience if step.scenario == NEVER else PATIENCE
            made = Service.make(self.network, name, step.members, patience=patience)
            contenders.append(kind(service=made))
        return contenders

    def _first_release(self, contender: Contender) -> None:
        with self._collect_errors(contender):
            result = self._release(contender, self.network.images[0])
            if result.code:
                words = (contender.service.folder / "last.log").read_text()[-2000:]
                raise RuntimeError(f"the first release failed: {words}")
            contender.service.wait()

    @contextlib.contextmanager
    def _collect_errors(self, contender: Contender) -> Iterator[None]:
        """Collect the errors of one service, so that the other measurements are not lost."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  half an hour of measurements is at stake
            self.errors.append(f"{contender.service.name}: {type(error).__name__}: {error}")
            progress(self.errors[-1])

    def _release(self, contender: Contender, image: str) -> CommandResult:
        if contender.service.members >= HOLLOW_SIZE:
            self.network.cloud.client.set_behavior("hollow", group=contender.next_group(image))
        return contender.release(image)

    def _in_turn(self, step: Step, contenders: Sequence[Contender]) -> None:
        for number in range(step.rounds):
            for contender in contenders:
                if number == 0 or contender.repeats:
                    self._try_deploy(contender, step)
        for contender in contenders:
            if step.rollback and type(contender) is AmiPipeline:
                with self._collect_errors(contender):
                    self._roll_back(contender, step)

    def _at_once(self, step: Step, contenders: Sequence[Contender]) -> None:
        with ThreadPoolExecutor(len(contenders)) as pool:
            list(pool.map(self._try_deploy, contenders, [step] * len(contenders)))

    def _try_deploy(self, contender: Contender, step: Step) -> None:
        with self._collect_errors(contender):
            if contender.image:
                self._deploy(contender, step)

    def _delete_groups(self, contender: Contender) -> None:
        """Delete a service's groups, so that the next steps have the machine to themselves."""
        asg = self.network.cloud.aws("autoscaling")
        for group in asg.describe_auto_scaling_groups()["AutoScalingGroups"]:
            if contender.service.target_group in group["TargetGroupARNs"]:
                with contextlib.suppress(asg.exceptions.ClientError):
                    name = group["AutoScalingGroupName"]
                    asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    @property
    def _profile(self) -> Profile:
        return self.network.profile

    def _other_image(self, contender: Contender) -> str:
        """Return the image that does not serve."""
        one, other = self.network.images
        return other if contender.image == one else one

    def _deploy(self, contender: Contender, step: Step, healthy_checks: int = 1) -> None:
        image = self._other_image(contender)
        if behavior := BEHAVIORS.get(step.scenario):
            seconds = self._profile.late * self._profile.speed
            group = contender.next_group(image)
            self.network.cloud.client.set_behavior(behavior, group=group, seconds=seconds)
        rest = self._profile.late if step.scenario == UNLISTED else 0
        with under_load(contender.service) as requests:
            result = self._release(contender, image)
            time.sleep(AFTER + rest)
        window = self._window(contender, image, result, rest)
        moments = self.network.cloud.client.timeline()
        record = self._record(contender, step, result, window, moments, requests) | {
            "healthy_checks": healthy_checks
        }
        self._store(record, observed.series(moments["events"], requests, window))
        progress(describe(record))

    def _window(
        self, contender: Contender, image: str, result: CommandResult, rest: float
    ) -> Window:
        return Window(
            key=contender.service.name,
            pool=contender.service.target_group,
            image=image,
            members=contender.service.members,
            began=result.began,
            ended=result.ended,
            until=result.ended + AFTER + rest,
        )

    def _record(
        self,
        contender: Contender,
        step: Step,
        result: CommandResult,
        window: Window,
        timeline: dict[str, Any],
        requests: Sequence[Any],
    ) -> dict[str, Any]:
        moments = timeline["events"]
        if timeline["forgotten"]:
            progress(f"{timeline['forgotten']} moments were forgotten: the figures may be wrong")
        own, terraform = observed.counted(moments, window)
        decision = observed.decision(moments, window)
        served = observed.only_new_serve(moments, window)
        return {
            "profile": self._profile.name,
            "scenario": step.scenario,
            "members": step.members,
            "contender": contender.key,
            "healthy_checks": 1,
            "seconds": round(result.seconds, 2),
            "code": result.code,
            "requests": len(observed.within(requests, window)),
            "failed": observed.failed(requests, window),
            "decision": None if decision is None else round(decision, 2),
            "served": None if served is None else round(served, 2),
            "own_calls": own.total(),
            "terraform_calls": terraform.total(),
            "memory": round(result.memory, 1),
            "left": observed.left(moments, window) if result.code else 0,
            "terraform": [[verb, round(seconds, 2)] for verb, seconds in result.terraform],
            "phases": phases(result),
            "actions": dict(own.most_common()),
        }

    def _store(self, record: dict[str, Any], series: dict[str, Any]) -> None:
        with self._lock:
            self.records.append(record)
            if record["scenario"] != KEPT:
                name = f"{record['profile']}, {record['members']}, {record['scenario']}"
                self.pictures.setdefault(name, {})[record["contender"]] = series

    def _roll_back(self, contender: AmiPipeline, step: Step) -> None:
        """Promote once more, keep the old group warm, and roll back to it."""
        old = contender.image
        contender.configure(keep_previous="next", healthy_checks=HEALTHY_CHECKS)
        self._deploy(contender, replace(step, scenario=KEPT), healthy_checks=HEALTHY_CHECKS)
        version = VERSIONS[self.network.images.index(contender.image)].encode()
        with under_load(contender.service) as requests:
            result = contender.command("rollback")
            time.sleep(AFTER)
        window = self._window(contender, old, result, 0)
        moments = self.network.cloud.client.timeline()
        rollback = replace(step, scenario=ROLLBACK)
        record = self._record(contender, rollback, result, window, moments, requests)
        back = observed.rolled_back_after(requests, window, version)
        record |= {"back": None if back is None else round(back, 2), "decision": None}
        self.records.append(record)
        progress(describe(record))


@contextlib.contextmanager
def under_load(service: Service) -> Iterator[list[Any]]:
    """Keep a service under load for a block, and shortly before it; yield the requests."""
    with load(service.url, RATE) as under:
        time.sleep(BEFORE)
        yield under.results


def phases(result: CommandResult) -> dict[str, float]:
    """Return the seconds of each phase of ami-pipeline, and of the time before the first."""
    found = {each["name"]: each["seconds"] for each in result.document.get("phases", [])}
    if not found:
        return {}
    return {"before": round(result.seconds - sum(found.values()), 2), **found}


SHOWN_FIELDS = (
    *("scenario", "members", "contender", "seconds", "code", "failed", "decision", "served"),
    *("own_calls", "terraform_calls", "memory", "left", "back", "phases", "terraform"),
)


def describe(record: dict[str, Any]) -> str:
    """Return one line about a run."""
    return ", ".join(f"{name} {record[name]}" for name in SHOWN_FIELDS if name in record)


@contextlib.contextmanager
def create_network(profile: Profile) -> Iterator[Network]:
    """Run a cloud with two images of the sample application."""
    with bench(profile.speed, profile.delay) as cloud:
        progress(f"{profile.name}: baking two images")
        with ThreadPoolExecutor(2) as pool:
            images = list(pool.map(lambda version: baked(cloud, version), VERSIONS))
        yield Network.of(cloud, profile, (images[0], images[1]))


def baked(cloud: Bench, version: str) -> str:
    """Bake a version; return its AMI."""
    return str(cloud.bake(version)["ami_id"])


def deployments(
    campaign: Sequence[tuple[Profile, Sequence[Step]]], *, keep_series: bool = True
) -> tuple[list[dict[str, Any]], list[str]]:
    """Run everything; return a record of each run, and the errors of the harness itself.

    Writes the series for the pictures if they are to be kept.
    """
    records: list[dict[str, Any]] = []
    errors: list[str] = []
    for profile, steps in campaign:
        with create_network(profile) as network:
            one = Campaign(network=network)
            one.run(steps)
        records += one.records
        errors += one.errors
        if keep_series:
            write_series(one.pictures)
    return records, errors


def write_series(pictures: dict[str, dict[str, Any]]) -> None:
    """Write the series from which the pictures are drawn."""
    SERIES.mkdir(exist_ok=True)
    for name, contenders in pictures.items():
        path = SERIES / f"{name.replace(', ', '-').replace(' ', '-')}.json"
        lines = [
            f"{json.dumps(contender)}: {json.dumps(series)}"
            for contender, series in contenders.items()
        ]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
