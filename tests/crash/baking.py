"""Crash runs of `bake`: it dies, with its Packer or without, and the next bake leaves one image.

Apart from `play`, as no environment is touched: what is judged is what a bake leaves in the
account and in the project. Packer's own calls are boundaries, too: it is not ours to look into,
so the cloud is watched, and the run killed once a call has had its effect.
"""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.boundaries import EFFECT, READS, Death, die, reached
from tests.crash.case import DIED, Case, Played
from tests.crash.command_runner import Hands, Running, Typed
from tests.crash.stores import BUCKET
from tests.e2e.conftest import CANARY, Project, new_project
from tests.e2e.deploying import Ground
from tests.running_cloud import eventually

PACKER = "packer "
"""How the names of Packer's own boundaries begin."""
_IN_S3 = """
[state]
url = "s3://{bucket}/bakery"
"""
OTHERS = ("web", "default")
"""How the names of security groups begin that are no bake's."""


@dataclass(kw_only=True)
class Bakery:
    """A project that bakes, and how to have it die."""

    project: Project
    hands: Hands
    order: Path
    log: Path
    _count: int = 0

    @classmethod
    def built(cls, ground: Ground, hands: Hands, store: str) -> Bakery:
        folder = ground.folder / f"bakery-{store}-crash"
        project = new_project(folder / "project", ground.cloud)
        if store == "s3":
            with (project.folder / "pipeline.toml").open("a") as file:
                file.write(_IN_S3.format(bucket=BUCKET))
        return cls(
            project=project, hands=hands, order=folder / "order.json", log=folder / "boundaries.log"
        )

    def recorded(self) -> list[str]:
        """Return every moment of a clean bake, and what Packer's own calls changed."""
        client = self.project.cloud.client
        client.clear_timeline()
        typed = self._type(self.words()).ended()
        assert typed.code == 0, typed.err
        count: collections.Counter[str] = collections.Counter()
        for each in client.timeline()["events"]:
            name = f"{PACKER}{each.get('service')}.{each.get('action')}"
            ours = "ami-pipeline" in each.get("agent", "")
            if each["kind"] == "call" and not ours and not each["action"].startswith(READS):
                count[name] += 1
        calls = [f"{name}#{n + 1}:{EFFECT}" for name in count for n in range(count[name])]
        return [*reached(self.log), *calls]

    def words(self) -> tuple[str, ...]:
        """Return a bake that has something to do."""
        self._count += 1
        return ("bake", "--version", f"9.{self._count}.{time.time_ns() % 1_000_000}")

    def play(self, play: Case) -> Played:
        """Play one crash run: a bake that dies, and the same once more."""
        words, found = self.words(), list[str]()
        died = self._dying(words, play.death)
        left = self._left()
        began = time.monotonic()
        mended = self._type(words).ended()
        seconds = time.monotonic() - began
        if mended.code != 0:
            found.append(f"{' '.join(words)} once more ended with {mended.code}")
        else:
            found += self._judge(mended.document)
        return Played(
            name=play.name,
            died=int(died.code == DIED),
            struck=int(not play.death.kills),
            violations=tuple(found),
            requests=0,
            failed=0,
            orphans=len(left),
            seconds=seconds,
            said=f"{died.err[-1500:]}\n---\n{mended.err[-3000:]}" if found else "",
        )

    def _dying(self, words: tuple[str, ...], death: Death) -> Typed:
        if not death.boundary.startswith(PACKER):
            return self._type(words, death).ended()
        action, _, number = death.boundary.removeprefix(PACKER).partition("#")
        service, _, name = action.partition(".")
        count = self.project.cloud.client.count
        before = count(service, name)
        running = self._type(words)
        pid = running.pid
        try:
            eventually(lambda: count(service, name) >= before + int(number))
        except AssertionError:
            return running.ended()
        die(pid, alone=death.alone)
        return running.ended()

    def _type(self, words: tuple[str, ...], death: Death | None = None) -> Running:
        self.log.unlink(missing_ok=True)
        self.order.write_text(
            json.dumps({"log": str(self.log), "death": death.name if death else ""})
        )
        where: dict[str, Any] = {"cwd": self.project.folder, "env": self.project.env}
        return self.hands.begin("--output", "json", *words, **where, crash=self.order)

    # --- what is left -------------------------------------------------------------------------

    def _judge(self, document: dict[str, Any]) -> list[str]:
        """Judge what is there once the same bake was typed again and ended well."""
        found = []
        if left := self._settled(self._left):
            found.append(f"left in the account: {left}")
        images = self._images()
        ours = [each for each in images if images[each].get("ami-pipeline:version")]
        if document["ami_id"] not in ours:
            found.append(f"{document['ami_id']} is not there, or has no tags of ours")
        if strangers := sorted(set(images) - set(ours)):
            found.append(f"images that no bake owns: {strangers}")
        if CANARY.encode() in self.project.every_byte():
            found.append("a secret was left in a file")
        return found

    def _left(self) -> list[str]:
        left = self.project.left_in_cloud()
        groups = [each for each in left["groups"] if not each.startswith(OTHERS)]
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
        """Return what is left once what ends by itself has ended."""
        deadline = time.monotonic() + within
        while (found := left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found
