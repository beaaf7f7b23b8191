"""Where the crash suite plays: environments on a sped-up local cloud, under load all the time.

One cloud for each worker, and an environment for each kind of load balancer and of store. A
command is typed by `hands`; what it left is read here from AWS, the document and `status`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash import stores
from tests.crash.boundaries import STORM, Death, below, reached
from tests.crash.command_runner import Hands, Running, Typed
from tests.crash.seen import Seen, healthy_targets
from tests.crash.stores import Kept, KeptInBucket, KeptInDirectory
from tests.e2e import deploying
from tests.e2e.conftest import CANARY
from tests.e2e.deploying import Ground, Site
from tests.load import Load, load

TAG = "ami-pipeline:status"
SPEED = 240.0
CHECKED = 60
"""Seconds of the cloud between two health checks."""
PAUSE = 0.2
"""Seconds between two looks at what is to end by itself: each costs a dozen calls."""
RATE = 10.0
"""Requests a second to each environment."""
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
class Scene:
    """One environment: its site, and the order by which its commands may die."""

    site: Site
    hands: Hands
    order: Path
    log: Path
    kept: Kept
    running: list[Load] = field(default_factory=list)
    _configured: dict[str, object] = field(default_factory=dict)

    @classmethod
    def built(cls, ground: Ground, hands: Hands, name: str, *, kind: str, store: str) -> Scene:
        """Make an environment of its own, with a Terraform of its own."""
        folder = ground.folder / f"{name}-crash"
        folder.mkdir()
        order = folder / "order.json"
        program = _PROGRAM.format(
            python=sys.executable, repository=str(REPOSITORY), order=str(order)
        )
        (folder / "bin").mkdir()
        (folder / "bin/terraform").write_text(program)
        (folder / "bin/terraform").chmod(0o755)
        site = ground.site(name, kind)
        site.project.extra["PATH"] = f"{folder / 'bin'}:{ground.path}"
        check_seldom(site.balancers[0], ground.cloud)
        log = folder / "boundaries.log"
        kept = kept_in(site, store)
        return cls(site=site, hands=hands, order=order, log=log, kept=kept)

    @property
    def images(self) -> tuple[str, ...]:
        """The images there are to promote."""
        return self.site.ground.old, self.site.ground.new, *self.site.ground.more

    def bless_images(self) -> None:
        """Have every image good again: a rollback says otherwise of the one it leaves."""
        good = [{"Key": TAG, "Value": "good"}]
        self.site.ground.cloud.aws("ec2").create_tags(Resources=list(self.images), Tags=good)

    def configure(self, **promote: object) -> None:
        """Say how it is deployed to."""
        if promote != self._configured:
            self.site.configure(deadline="4h", **promote)
            self._be_patient()
            with (self.site.project.folder / "pipeline.toml").open("a") as file:
                file.write(self.kept.configured)
            self._configured = promote

    def _be_patient(self) -> None:
        """Give programs the time they need: they are not sped up with the cloud."""
        path = self.site.project.folder / "pipeline.toml"
        grace = "health_check_grace_period = "
        path.write_text(path.read_text().replace(f"{grace}600", f"{grace}7200"))

    def type(self, *words: str, death: Death | None = None, record: bool = False) -> Typed:
        """Type a command; have it die somewhere, or the boundaries recorded that it passes."""
        self.log.unlink(missing_ok=True)
        typed = self.begin(*words, death=death, record=record).ended()
        self.order.unlink(missing_ok=True)
        return typed

    def hand(self, *words: str) -> Typed:
        """Type a command while another one stands still."""
        return self._start(words, None).ended()

    def begin(self, *words: str, death: Death | None = None, record: bool = False) -> Running:
        """Start a command."""
        self.order.unlink(missing_ok=True)
        if death or record:
            text = {"log": str(self.log), "death": death.name if death else ""}
            self.order.write_text(json.dumps(text))
        return self._start(words, self.order if death or record else None)

    def _start(self, words: tuple[str, ...], crash: Path | None) -> Running:
        verb, *more = words
        typed = ("--output", "json", verb, "-e", self.site.environment, *more)
        where: dict[str, Any] = {"cwd": self.site.project.folder, "env": self.site.project.env}
        return self.hands.begin(*typed, **where, crash=crash)

    @contextlib.contextmanager
    def storm(self, death: Death) -> Iterator[None]:
        """Have three in ten calls fail for a block, where that is what is to be survived."""
        client = self.site.ground.cloud.client
        if death.moment == STORM:
            seed = int(death.boundary.partition("#")[2])
            for kind in ("throttle", "error-before", "error-after"):
                client.fault(kind=kind, share=0.1, times=0, seed=seed)
                seed += 1000
        try:
            yield
        finally:
            client.clear_faults()

    def comes_to(self, phase: str, within: float = 60.0) -> bool:
        """Wait until a deployment is in a phase; tell whether it came to that."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if (self.content()["deployment"] or {}).get("phase") == phase:
                return True
            time.sleep(0.01)
        return False

    def passed(self) -> list[str]:
        """Return the moments that the last recorded command passed."""
        return reached(self.log)

    def forget_moments(self) -> None:
        """Begin to remember from nothing what happens in the cloud."""
        self.site.ground.cloud.client.clear_timeline()

    def health_told(self) -> list[tuple[str, str, str]]:
        """Return how the health of members changed: load balancer, member, state."""
        names = {each.arn or each.name: each.name for each in self.site.balancers}
        found = []
        for each in self.site.ground.cloud.client.timeline()["events"]:
            if each["kind"] == "target":
                pool = each["pool"]  # a target group's ARN, or `elb:ACCOUNT:REGION:NAME`
                name = names.get(pool) or names.get(pool.rpartition(":")[2])
                found += [(name, each["id"], each["state"])] if name else []
        return found

    # --- looking ------------------------------------------------------------------------------

    def content(self) -> dict[str, Any]:
        """Return what the document says; nothing before there is one."""
        data = self.kept.document()
        found: dict[str, Any] = json.loads(data)["content"] if data else {}
        return found

    def leases(self) -> list[dict[str, Any]]:
        """Return the leases in the versions of the document that are kept."""
        contents = [json.loads(data)["content"] for data in self.kept.versions()]
        return [each["lease"] for each in contents if each["lease"]]

    def forget_machine(self) -> None:
        """Begin on a machine that has nothing but the project, as a CI job does."""
        shutil.rmtree(self.site.project.folder / ".ami-pipeline", ignore_errors=True)

    def observe(self) -> Seen:
        """Read everything."""
        site, cloud = self.site, self.site.ground.cloud
        groups = site._groups()
        healthy = {}
        for each in site.balancers:
            healthy[each.name] = frozenset(healthy_targets(cloud, each))
        images = cloud.aws("ec2").describe_images(Owners=["self"])["Images"]
        return Seen(
            groups=groups,
            templates=site._templates(),
            images=frozenset(each["ImageId"] for each in images),
            attached={name: frozenset(site._attached(name)) for name in groups},
            healthy=healthy,
            document=self.content(),
        )

    def settled(self, within: float = 10.0) -> Seen:
        """Look once what ends by itself has ended: members that leave, targets that drain."""
        deadline = time.monotonic() + within
        while True:
            seen = self.observe()
            if time.monotonic() > deadline or not self._unsettled(seen):
                return seen
            time.sleep(PAUSE)

    def _unsettled(self, seen: Seen) -> bool:
        left = self.site.left(seen.groups, {name for name in seen.attached if seen.attached[name]})
        return any(left.values())

    def strays(self, seen: Seen, *, idle: bool) -> list[str]:
        """Return what is left that nobody knows: machines, targets, files, Terraform's state.

        A command that was `idle` made no plan, and so took no older one away.
        """
        left = self.site.left(seen.groups, {name for name in seen.attached if seen.attached[name]})
        if idle:
            del left["files"]
        found = [f"{name} were left: {each}" for name, each in left.items() if each]
        state = self.state()
        if state != set(seen.releases):
            found.append(f"Terraform's state has {sorted(state)}, releases {sorted(seen.releases)}")
        if below(self.hands.mother.pid):
            found.append("processes were left")
        return found

    def secrets(self, since: float) -> list[str]:
        """Return the files written since a time (UNIX) that hold the secret of the environment."""
        files = (each for each in self.site.project.folder.rglob("*") if each.is_file())
        newer = (each for each in files if each.stat().st_mtime >= since)
        return [each.name for each in newer if CANARY.encode() in each.read_bytes()]

    def state(self) -> set[str]:
        """Return the releases that Terraform's state knows."""
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
        """Return what the newest failures were."""
        found = [one for each in self.running for one in each.failures][-newest:]
        return [f"{one.status} {one.error} {one.body[:80]!r}" for one in found[:3]]


def kept_in(site: Site, store: str) -> Kept:
    """Return the store of a site, to be read past the tool."""
    if store == "s3":
        return KeptInBucket(cloud=site.ground.cloud, environment=site.environment)
    folder = site.project.folder / ".ami-pipeline"
    return KeptInDirectory(folder=folder, environment=site.environment)


def check_seldom(balancer: deploying.Balancer, cloud: Any) -> None:
    """Have health checks take their time: at this speed they would be most of the work."""
    if balancer.kind == "classic":
        check = {"Target": "HTTP:8080/health", "Interval": CHECKED, "Timeout": 5}
        check |= {"HealthyThreshold": 2, "UnhealthyThreshold": 2}
        cloud.aws("elb").configure_health_check(LoadBalancerName=balancer.name, HealthCheck=check)
        return
    how = {"HealthCheckIntervalSeconds": CHECKED, "HealthyThresholdCount": 2}
    cloud.aws("elbv2").modify_target_group(TargetGroupArn=balancer.arn, **how)


@contextlib.contextmanager
def a_ground(folder: Path) -> Iterator[Ground]:
    """Build a cloud with a network, three images and a bucket."""
    how: dict[str, Any] = {"speed": SPEED, "isolation": "plain", "images": 3}
    with deploying.a_quick_ground(folder, **how) as ground:
        stores.made(ground.cloud)
        yield ground


@contextlib.contextmanager
def under_load(scene: Scene) -> Iterator[None]:
    """Keep an environment under load for a block."""
    with contextlib.ExitStack() as stack:
        urls = [f"{each.url}/" for each in scene.site.balancers]
        scene.running = [stack.enter_context(load(url, RATE / len(urls))) for url in urls]
        yield
