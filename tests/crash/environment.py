"""Environments of the crash suite: on a sped-up local cloud, under load all the time.

Each worker has one cloud, and an environment for each kind of load balancer and of store.
`command_runner` runs the commands; this module reads the results from AWS, the document and
`status`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash import stores
from tests.crash.boundaries import STORM, Injection, below, reached
from tests.crash.command_runner import CommandRunner, CompletedCommand, RunningCommand
from tests.crash.pairs import Shift
from tests.crash.snapshot import Snapshot, healthy_targets
from tests.crash.stores import BucketReader, DirectoryReader, StoreReader
from tests.e2e.project import CANARY
from tests.e2e.site import Balancer, Site, targets_of
from tests.e2e.testbed import CloudTestbed, build_fast_testbed
from tools.load import Load, Result, load

TAG = "ami-pipeline:status"
SPEED = 240.0
CHECKED = 60
"""Seconds of the cloud's time between two health checks."""
DRAINED = 300
"""AWS's default deregistration delay, in seconds of the cloud's time."""
PAUSE = 0.2
"""Seconds between two observations while something ends: each costs a dozen calls."""
PORT = 80
"""The port of the listeners with traffic; those for tests have another one."""
HealthChange = tuple[str, str, str]
"""A load balancer or target group, a member, and the state that the member reached."""
RATE = 10.0
"""Requests per second to each environment."""
REPOSITORY = Path(__file__).resolve().parents[2]
_PROGRAM = """\
#!{python} -IS
import sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from tests.crash.child import install
install(Path({order!r}))
from tests.standin.program import main
sys.exit(main())
"""


@dataclass(kw_only=True)
class CrashEnvironment:
    """One environment: its site, and the order file that kills its commands."""

    site: Site
    runner: CommandRunner
    order: Path
    log: Path
    kept: StoreReader
    running: list[Load] = field(default_factory=list)
    _configured: dict[str, object] = field(default_factory=dict)

    @classmethod
    def built(
        cls, testbed: CloudTestbed, runner: CommandRunner, name: str, *, kind: str, store: str
    ) -> CrashEnvironment:
        """Create an environment with a Terraform stand-in of its own."""
        folder = testbed.folder / f"{name}-crash"
        folder.mkdir()
        order = folder / "order.json"
        program = _PROGRAM.format(
            python=sys.executable, repository=str(REPOSITORY), order=str(order)
        )
        (folder / "bin").mkdir()
        (folder / "bin/terraform").write_text(program)
        (folder / "bin/terraform").chmod(0o755)
        site = testbed.site(name, *kind.split("+"))
        site.project.extra["PATH"] = f"{folder / 'bin'}:{testbed.path}"
        for each in site.balancers:
            slow_health_checks(each, testbed.cloud)
            allow_drain(each, testbed.cloud)
        log = folder / "boundaries.log"
        kept = store_reader(site, store)
        return cls(site=site, runner=runner, order=order, log=log, kept=kept)

    @property
    def has_pairs(self) -> bool:
        """Return True if the environment is behind pairs of target groups."""
        return any(each.pair for each in self.site.balancers)

    @property
    def images(self) -> tuple[str, ...]:
        """Return the images that can be promoted."""
        return self.site.testbed.old, self.site.testbed.new, *self.site.testbed.more

    def mark_images_good(self) -> None:
        """Mark every image as good again: a rollback quarantines the image it leaves."""
        good = [{"Key": TAG, "Value": "good"}]
        self.site.testbed.cloud.aws("ec2").create_tags(Resources=list(self.images), Tags=good)

    def configure(self, **promote: object) -> None:
        """Write the environment's configuration."""
        if self.has_pairs:
            promote = {"strategy": "flip", **promote}
        if promote != self._configured:
            self.site.configure(deadline="4h", **promote)
            self._be_patient()
            with (self.site.project.folder / "pipeline.toml").open("a") as file:
                file.write(self.kept.configured)
            self._configured = promote

    def _be_patient(self) -> None:
        """Lengthen the grace period: programs are not sped up with the cloud."""
        path = self.site.project.folder / "pipeline.toml"
        grace = "health_check_grace_period = "
        path.write_text(path.read_text().replace(f"{grace}600", f"{grace}7200"))

    def run(
        self, *words: str, injection: Injection | None = None, record: bool = False
    ) -> CompletedCommand:
        """Run a command; optionally inject a kill or fault, or record its boundaries."""
        self.log.unlink(missing_ok=True)
        result = self.begin(*words, injection=injection, record=record).finish()
        self.order.unlink(missing_ok=True)
        return result

    def run_beside(self, *words: str) -> CompletedCommand:
        """Run a command while another one is suspended."""
        return self._start(words, None).finish()

    def begin(
        self, *words: str, injection: Injection | None = None, record: bool = False
    ) -> RunningCommand:
        """Start a command."""
        self.order.unlink(missing_ok=True)
        if injection or record:
            text = {
                "log": str(self.log),
                "injection": injection.name if injection else "",
                "names": listener_names(self.site.balancers),
            }
            self.order.write_text(json.dumps(text))
        return self._start(words, self.order if injection or record else None)

    def _start(self, words: tuple[str, ...], crash: Path | None) -> RunningCommand:
        verb, *more = words
        result = ("--output", "json", verb, "-e", self.site.environment, *more)
        where: dict[str, Any] = {"cwd": self.site.project.folder, "env": self.site.project.env}
        return self.runner.begin(*result, **where, crash=crash, forks=self.order)

    @contextlib.contextmanager
    def storm(self, injection: Injection) -> Iterator[None]:
        """Make three in ten calls fail for a block if the injection is a storm."""
        client = self.site.testbed.cloud.client
        if injection.moment == STORM:
            seed = int(injection.boundary.partition("#")[2])
            for kind in ("throttle", "error-before", "error-after"):
                client.fault(kind=kind, share=0.1, times=0, seed=seed)
                seed += 1000
        try:
            yield
        finally:
            client.clear_faults()

    def reaches(self, phase: str, within: float = 60.0) -> bool:
        """Wait until a deployment is in a phase; return whether it got there."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if (self.content()["deployment"] or {}).get("phase") == phase:
                return True
            time.sleep(0.01)
        return False

    def passed(self) -> list[str]:
        """Return the moments that the last recorded command passed."""
        return reached(self.log)

    def clear_timeline(self) -> None:
        """Clear the cloud's event record."""
        self.site.testbed.cloud.client.clear_timeline()

    def changes(self) -> list[HealthChange | Shift]:
        """Return the changes of the members' health and of the weights, in order."""
        names = {pool: pool for each in self.site.balancers for pool in pools(each)}
        found: list[HealthChange | Shift] = []
        for each in self.site.testbed.cloud.client.timeline()["events"]:
            if each["kind"] == "target":
                pool = each["pool"]  # a target group's ARN, or `elb:ACCOUNT:REGION:NAME`
                name = names.get(pool) or names.get(pool.rpartition(":")[2])
                found += [(name, each["id"], each["state"])] if name else []
            if each["kind"] == "weights" and each["port"] == PORT:
                ours = {pool: n for pool, n in each["weights"].items() if pool in names}
                found += [Shift(at=each["at"], weights=ours)] if ours else []
        return found

    def results(self) -> list[Result]:
        """Return every answer to the requests."""
        return [one for each in self.running for one in each.results]

    # --- reading ----------------------------------------------------------------------------------

    def content(self) -> dict[str, Any]:
        """Return the content of the document, or an empty one if there is no document."""
        data = self.kept.document()
        found: dict[str, Any] = json.loads(data)["content"] if data else {}
        return found

    def leases(self) -> list[dict[str, Any]]:
        """Return the leases in the kept versions of the document."""
        contents = [json.loads(data)["content"] for data in self.kept.versions()]
        return [each["lease"] for each in contents if each["lease"]]

    def forget_machine(self) -> None:
        """Delete local files, as on a new machine that has nothing but the project (a CI job)."""
        shutil.rmtree(self.site.project.folder / ".ami-pipeline", ignore_errors=True)

    def observe(self) -> Snapshot:
        """Read the whole state of the environment."""
        site, cloud = self.site, self.site.testbed.cloud
        groups = site._groups()
        healthy: dict[str, frozenset[str]] = {}
        registered: dict[str, frozenset[str]] = {}
        weights: dict[str, int] = {}
        for each in site.balancers:
            for pool in pools(each):
                healthy[pool] = frozenset(healthy_targets(cloud, each, pool))
            if each.pair:
                weights |= dict(zip(each.pair.groups, each.pair.weights(cloud), strict=True))
                registered |= {arn: frozenset(targets_of(cloud, arn)) for arn in each.pair.groups}
        images = cloud.aws("ec2").describe_images(Owners=["self"])["Images"]
        return Snapshot(
            groups=groups,
            templates=site._templates(),
            images=frozenset(each["ImageId"] for each in images),
            attached={name: frozenset(site._attached(name, leaving=False)) for name in groups},
            healthy=healthy,
            document=self.content(),
            weights=weights,
            registered=registered,
        )

    def settled(self, within: float = 10.0) -> Snapshot:
        """Read the state once leaving members and draining targets are gone."""
        deadline = time.monotonic() + within
        while True:
            snapshot = self.observe()
            if time.monotonic() > deadline or not self._unsettled(snapshot):
                return snapshot
            time.sleep(PAUSE)

    def _unsettled(self, snapshot: Snapshot) -> bool:
        attached = {name for name in snapshot.attached if snapshot.attached[name]}
        members = (each for name in attached for each in snapshot.groups[name]["Instances"])
        known = {each["InstanceId"] for each in members}
        # The last target may leave between the snapshot and the next read.
        leaving = any(pool - known for pool in snapshot.registered.values())
        return leaving or any(self.site.left(snapshot.groups, attached).values())

    def leftovers(self, snapshot: Snapshot, *, idle: bool) -> list[str]:
        """Return leftovers as sentences: machines, targets, files, processes, Terraform's state.

        An `idle` command made no plan, so an older plan file may remain.
        """
        left = self.site.left(
            snapshot.groups, {name for name in snapshot.attached if snapshot.attached[name]}
        )
        if idle:
            del left["files"]
        found = [f"{name} remain: {each}" for name, each in left.items() if each]
        state = self.state()
        if state != set(snapshot.releases):
            found.append(
                f"Terraform's state has {sorted(state)}, releases {sorted(snapshot.releases)}"
            )
        if below(self.runner.parent.pid):
            found.append("processes remain")
        return found

    def secrets(self, since: float) -> list[str]:
        """Return the files written since a time (UNIX) that contain the environment's secret."""
        files = (each for each in self.site.project.folder.rglob("*") if each.is_file())
        newer = (each for each in files if each.stat().st_mtime >= since)
        return [each.name for each in newer if CANARY.encode() in each.read_bytes()]

    def state(self) -> set[str]:
        """Return the releases in Terraform's state."""
        data = self.kept.state()
        resources = json.loads(data)["resources"] if data else []
        return {each["index_key"] for one in resources for each in one["instances"]}

    def count(self) -> tuple[int, int]:
        """Return how many requests were sent, and how many of them failed."""
        return (
            sum(len(each.results) for each in self.running),
            sum(len(each.failures) for each in self.running),
        )

    def failures(self, newest: int) -> list[str]:
        """Describe the newest failures."""
        found = [one for each in self.running for one in each.failures][-newest:]
        return [f"{one.status} {one.error} {one.body[:80]!r}" for one in found[:3]]


def store_reader(site: Site, store: str) -> StoreReader:
    """Return a reader for the store of a site that does not use the tool's code."""
    if store == "s3":
        return BucketReader(cloud=site.testbed.cloud, environment=site.environment)
    folder = site.project.folder / ".ami-pipeline"
    return DirectoryReader(folder=folder, environment=site.environment)


def pools(balancer: Balancer) -> tuple[str, ...]:
    """Return the keys of a load balancer's members: two ARNs for a pair, otherwise its name."""
    return balancer.pair.groups if balancer.pair else (balancer.arn or balancer.name,)


def listener_names(balancers: Iterable[Balancer]) -> dict[str, str]:
    """Return what the listeners and rules of pairs are for, by ARN: names of boundaries."""
    pairs = [each.pair for each in balancers if each.pair]
    return {
        **{each.rule: "traffic" for each in pairs},
        **{each.test: "test" for each in pairs},
    }


def slow_health_checks(balancer: Balancer, cloud: Any) -> None:
    """Make health checks rare: at this speed they would be most of the work."""
    if balancer.kind == "classic":
        check = {"Target": "HTTP:8080/health", "Interval": CHECKED, "Timeout": 5}
        check |= {"HealthyThreshold": 2, "UnhealthyThreshold": 2}
        cloud.aws("elb").configure_health_check(LoadBalancerName=balancer.name, HealthCheck=check)
        return
    how = {"HealthCheckIntervalSeconds": CHECKED, "HealthyThresholdCount": 2}
    for arn in pools(balancer):
        cloud.aws("elbv2").modify_target_group(TargetGroupArn=arn, **how)


def allow_drain(balancer: Balancer, cloud: Any) -> None:
    """Give requests in flight AWS's default time to end, a second of a busy machine."""
    if balancer.kind == "classic":
        draining = {"ConnectionDraining": {"Enabled": True, "Timeout": DRAINED}}
        cloud.aws("elb").modify_load_balancer_attributes(
            LoadBalancerName=balancer.name, LoadBalancerAttributes=draining
        )
        return
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(DRAINED)}
    for arn in pools(balancer):
        cloud.aws("elbv2").modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])


@contextlib.contextmanager
def build_testbed(folder: Path) -> Iterator[CloudTestbed]:
    """Build a test bed with a network, three images and a bucket."""
    how: dict[str, Any] = {"speed": SPEED, "isolation": "plain", "images": 3}
    with build_fast_testbed(folder, **how) as testbed:
        stores.create_bucket(testbed.cloud)
        yield testbed


@contextlib.contextmanager
def under_load(environment: CrashEnvironment) -> Iterator[None]:
    """Keep an environment under load for a block."""
    with contextlib.ExitStack() as stack:
        balancers = environment.site.balancers
        environment.running = [
            # A network load balancer moves connections, not requests.
            stack.enter_context(
                load(
                    f"{each.url}/",
                    RATE / len(balancers),
                    keep_alive=each.kind != "pair-network",
                )
            )
            for each in balancers
        ]
        yield
