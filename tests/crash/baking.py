"""Kill `bake`, with or without its Packer, and check that the next bake leaves one image.

This is separate from `run` because a bake touches no environment: the checks read the account and
the project. Packer's own calls are boundaries, too. They cannot be intercepted, so the module
watches the cloud and kills the command as soon as a call has taken effect.
"""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.boundaries import EFFECT, READS, Injection, kill_tool, reached
from tests.crash.case import KILLED, Case, CaseResult
from tests.crash.command_runner import CommandRunner, CompletedCommand, RunningCommand
from tests.crash.stores import BUCKET
from tests.e2e.project import CANARY, Project, new_project
from tests.e2e.testbed import CloudTestbed
from tests.running_cloud import eventually

PACKER = "packer "
"""The prefix of the boundaries that are Packer's own calls."""
_IN_S3 = """
[state]
url = "s3://{bucket}/bakery"
"""
OTHER_GROUPS = ("web", "default")
"""Prefixes of security groups that no bake creates."""


@dataclass(kw_only=True)
class Bakery:
    """A project that bakes, and the order file that kills its commands."""

    project: Project
    runner: CommandRunner
    order: Path
    log: Path
    _count: int = 0

    @classmethod
    def built(cls, testbed: CloudTestbed, runner: CommandRunner, store: str) -> Bakery:
        folder = testbed.folder / f"bakery-{store}-crash"
        project = new_project(folder / "project", testbed.cloud)
        if store == "s3":
            with (project.folder / "pipeline.toml").open("a") as file:
                file.write(_IN_S3.format(bucket=BUCKET))
        return cls(
            project=project,
            runner=runner,
            order=folder / "order.json",
            log=folder / "boundaries.log",
        )

    def recorded(self) -> list[str]:
        """Run a clean bake; return its moments and the mutating calls of Packer."""
        client = self.project.cloud.client
        client.clear_timeline()
        result = self._start(self.words()).finish()
        assert result.code == 0, result.err
        count: collections.Counter[str] = collections.Counter()
        for each in client.timeline()["events"]:
            name = f"{PACKER}{each.get('service')}.{each.get('action')}"
            own = "ami-pipeline" in each.get("agent", "")
            if each["kind"] == "call" and not own and not each["action"].startswith(READS):
                count[name] += 1
        calls = [f"{name}#{n + 1}:{EFFECT}" for name in count for n in range(count[name])]
        return [*reached(self.log), *calls]

    def words(self) -> tuple[str, ...]:
        """Return the arguments of a bake whose version is new."""
        self._count += 1
        return ("bake", "--version", f"9.{self._count}.{time.time_ns() % 1_000_000}")

    def run(self, case: Case) -> CaseResult:
        """Run one case: kill a bake, then repeat it."""
        words, found = self.words(), list[str]()
        killed = self._run_killed(words, case.injection)
        left = self._left()
        began = time.monotonic()
        fixed = self._start(words).finish()
        seconds = time.monotonic() - began
        if fixed.code != 0:
            found.append(f"{' '.join(words)} repeated ended with {fixed.code}")
        else:
            found += self._judge(fixed.document)
        return CaseResult(
            name=case.name,
            killed=int(killed.code == KILLED),
            faulted=int(not case.injection.kills),
            violations=tuple(found),
            requests=0,
            failed=0,
            orphans=len(left),
            seconds=seconds,
            output=f"{killed.err[-1500:]}\n---\n{fixed.err[-3000:]}" if found else "",
        )

    def _run_killed(self, words: tuple[str, ...], injection: Injection) -> CompletedCommand:
        if not injection.boundary.startswith(PACKER):
            return self._start(words, injection).finish()
        action, _, number = injection.boundary.removeprefix(PACKER).partition("#")
        service, _, name = action.partition(".")
        count = self.project.cloud.client.count
        before = count(service, name)
        running = self._start(words)
        pid = running.pid
        try:
            eventually(lambda: count(service, name) >= before + int(number))
        except AssertionError:
            return running.finish()
        kill_tool(pid, alone=injection.alone)
        return running.finish()

    def _start(self, words: tuple[str, ...], injection: Injection | None = None) -> RunningCommand:
        self.log.unlink(missing_ok=True)
        self.order.write_text(
            json.dumps({"log": str(self.log), "injection": injection.name if injection else ""})
        )
        where: dict[str, Any] = {"cwd": self.project.folder, "env": self.project.env}
        return self.runner.begin("--output", "json", *words, **where, crash=self.order)

    # --- what is left -------------------------------------------------------------------------

    def _judge(self, document: dict[str, Any]) -> list[str]:
        """Return what the second, successful bake left that it should not have."""
        found = []
        if left := self._settled(self._left):
            found.append(f"remains in the account: {left}")
        images = self._images()
        managed = [each for each in images if images[each].get("ami-pipeline:version")]
        if document["ami_id"] not in managed:
            found.append(f"{document['ami_id']} does not exist, or has no ami-pipeline tags")
        if unmanaged := sorted(set(images) - set(managed)):
            found.append(f"images without ami-pipeline tags: {unmanaged}")
        if CANARY.encode() in self.project.every_byte():
            found.append("a file contains the secret")
        return found

    def _left(self) -> list[str]:
        left = self.project.left_in_cloud()
        groups = [each for each in left["groups"] if not each.startswith(OTHER_GROUPS)]
        return [*left["keys"], *groups, *self._builders()]

    def _builders(self) -> list[str]:
        ec2 = self.project.cloud.aws("ec2")
        live = {"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}
        found = ec2.describe_instances(Filters=[live])["Reservations"]
        return [
            each["InstanceId"]
            for one in found
            for each in one["Instances"]
            if not any(tag["Key"] == "aws:autoscaling:groupName" for tag in each.get("Tags", []))
        ]

    def _images(self) -> dict[str, dict[str, str]]:
        images = self.project.cloud.aws("ec2").describe_images(Owners=["self"])["Images"]
        return {
            each["ImageId"]: {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])}
            for each in images
        }

    @staticmethod
    def _settled(left: Callable[[], list[str]], within: float = 10.0) -> list[str]:
        """Wait up to `within` seconds for leftovers to disappear; return the rest."""
        deadline = time.monotonic() + within
        while (found := left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found
