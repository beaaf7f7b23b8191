"""The three deployment tools that the benchmarks compare, each used as people use it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.local_cloud import PROGRAM, REPOSITORY
from benchmarks.service import Service

LONGEST = 900
GRACE = 300
"""Seconds of AWS's time in which unhealthy members are not replaced."""
WAITER_DELAY = 15
"""Seconds between two calls of boto3's waiters."""
SAMPLE_INTERVAL = 0.1
"""Seconds between two reads of a process's peak memory, which only grows."""

TIMED_TERRAFORM = """#!/bin/sh
began=$(date +%s.%N)
{terraform} "$@"
code=$?
echo "$began $(date +%s.%N) $1" >> {log}
exit $code
"""


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """One command: when it ran (monotonic), its result, and its resources."""

    began: float
    ended: float
    code: int
    output: str
    memory: float  # MiB, the peak of the process itself, without its children
    terraform: tuple[tuple[str, float], ...] = ()  # the verb and seconds of each run

    @property
    def seconds(self) -> float:
        """Return the duration."""
        return self.ended - self.began

    @property
    def document(self) -> dict[str, Any]:
        """Return the JSON that the command printed, or an empty document."""
        with contextlib.suppress(ValueError):
            document: dict[str, Any] = json.loads(self.output)
            return document
        return {}


def run(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> CommandResult:
    """Run a command to its end and measure it."""
    log = folder / "terraform-runs.log"
    log.write_text("")
    place = timed_terraform(folder, log, env["PATH"])
    path = f"{place}{os.pathsep}{env['PATH']}"
    began = time.monotonic()
    with (
        (folder / "last.log").open("wb") as errors,
        subprocess.Popen(
            argv,
            cwd=folder,
            env={**env, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        peak = Peak(process.pid)
        peak.start()
        output, _ = process.communicate(timeout=LONGEST)
    ended = time.monotonic()
    peak.join()
    return CommandResult(
        began=began,
        ended=ended,
        code=process.returncode,
        output=output,
        memory=peak.mebibytes,
        terraform=terraform_runs(log.read_text()),
    )


def timed_terraform(folder: Path, log: Path, path: str) -> Path:
    """Write a `terraform` into a folder that logs when it runs; return that folder."""
    place = folder / "path"
    program = place / "terraform"
    if not program.exists():
        place.mkdir()
        real = shutil.which("terraform", path=path)
        program.write_text(TIMED_TERRAFORM.format(terraform=real, log=log))
        program.chmod(0o755)
    return place


def terraform_runs(log: str) -> tuple[tuple[str, float], ...]:
    """Return the verb and seconds of each run."""
    rows = [line.split() for line in log.splitlines()]
    return tuple((verb, float(ended) - float(began)) for began, ended, verb in rows)


class Peak(threading.Thread):
    """Reads the peak memory of a process (VmHWM) until it exits."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.mebibytes = 0.0
        self._status = Path(f"/proc/{pid}/status")

    def run(self) -> None:
        """Read until the process has exited."""
        while found := self._read():
            self.mebibytes = found
            time.sleep(SAMPLE_INTERVAL)

    def _read(self) -> float:
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text())
        except OSError:
            return 0.0
        return int(found[1]) / 1024 if found else 0.0


@dataclass(kw_only=True)
class Contender(ABC):
    """A tool that puts images into service; `key` is its name in tables."""

    key = ""
    repeats = True  # a second deployment costs as much as the first
    service: Service
    began: int = 0
    image: str = ""  # the serving image

    def release(self, image: str) -> CommandResult:
        """Put an image into service, and remember it if that succeeds."""
        result = self.deploy(image)
        self.image = self.image if result.code else image
        return result

    @abstractmethod
    def deploy(self, image: str) -> CommandResult:
        """Put an image into service."""

    @abstractmethod
    def next_group(self, image: str) -> str:
        """Return the name of the group that the next deployment of an image creates."""


@dataclass(kw_only=True)
class Recipe(Contender):
    """Terraform alone: `benchmarks/recipe`, without its bake."""

    key = "recipe"

    def __post_init__(self) -> None:
        """Write the recipe and its variables."""
        service, folder = self.service, self.service.folder
        shutil.copy(REPOSITORY / "benchmarks/recipe/main.tf", folder)
        variables = {
            "name": service.name,
            "members": service.members,
            "max_size": service.members,
            "subnet_ids": service.network.subnets,
            "security_group_ids": [service.network.security_group],
            "instance_profile": "bench",
            "target_group_arns": [service.target_group],
            "grace": round(GRACE * service.profile.speed),
            "wait_for_capacity_timeout": f"{service.patience}s",
        }
        (folder / "terraform.tfvars.json").write_text(json.dumps(variables))

    def deploy(self, image: str) -> CommandResult:
        """Run what `deploy.sh` runs after it has extracted the AMI from Packer's output."""
        folder = self.service.folder
        (folder / "ami.auto.tfvars").write_text(f'ami_id = "{image}"\n')
        lines = (REPOSITORY / "benchmarks/recipe/deploy.sh").read_text().splitlines()
        script = "\n".join(["set -e", *(line for line in lines if line.startswith("terraform "))])
        return run(["sh", "-c", script], folder, self.service.env)

    def next_group(self, image: str) -> str:
        """Return the name that the recipe gives to the group of an image."""
        return f"{self.service.name}-{image}"


@dataclass(kw_only=True)
class AmiPipeline(Contender):
    """`ami-pipeline promote`, without pauses by default."""

    key = "ami-pipeline"

    def __post_init__(self) -> None:
        """Write a configuration with one environment."""
        shutil.copytree(REPOSITORY / "packer", self.service.folder / "packer")
        self.configure()

    def configure(self, **promote: object) -> None:
        """Write the configuration; the defaults wait for nothing."""
        service = self.service
        text = (REPOSITORY / "pipeline.toml").read_text().split("[environments.staging]")[0]
        keys = {"healthy_checks": 1, "soak": "0s", "observe": "0s", "keep_previous": "none"}
        # For the others the boot is part of one wait; here it is a phase of its own.
        patience = service.patience * service.profile.speed
        attach = patience - service.profile.boot
        keys |= {"deadlines": {"launch": f"{patience:.0f}s", "attach": f"{attach:.0f}s"}}
        keys |= promote
        size = {"min_size": service.members, "max_size": service.members}
        tables: dict[str, dict[str, object]] = {
            "": {**size, "target_groups": [service.name]},
            ".promote": keys,
            ".terraform.inputs": {
                "subnet_ids": list(service.network.subnets),
                "security_group_ids": [service.network.security_group],
                "instance_profile": "bench",
                "health_check_grace_period": round(GRACE * service.profile.speed),
                "deregistration_delay": service.profile.draining,
            },
        }
        for name, table in tables.items():
            text += f"[environments.{service.name}{name}]\n"
            text += "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
        (service.folder / "pipeline.toml").write_text(text)

    def deploy(self, image: str) -> CommandResult:
        """Promote."""
        self.began += 1
        return self.command("promote", "--image", image, "--allow-quarantined")

    def command(self, verb: str, *words: str) -> CommandResult:
        """Run an ami-pipeline command."""
        argv = [PROGRAM, "--output", "json", verb, "-e", self.service.name, "--yes", *words]
        return run(argv, self.service.folder, self.service.env)

    def next_group(self, image: str) -> str:
        """Return the name of the next release's group; each promotion uses a number."""
        del image
        return f"web-{self.service.name}-r{self.began + 1:06}"


@dataclass(kw_only=True)
class WithoutRetirement(AmiPipeline):
    """`ami-pipeline promote --no-wait-retire`: a later command deletes the old group."""

    key = "no-wait-retire"
    repeats = False  # it would delete the group that the first one left

    def deploy(self, image: str) -> CommandResult:
        """Promote, and end once nothing can be lost."""
        self.began += 1
        flags = ("--allow-quarantined", "--no-wait-retire")
        return self.command("promote", "--image", image, *(flags if self.image else flags[:1]))


@dataclass(kw_only=True)
class Boto3Script(Contender):
    """`benchmarks/boto3_script.py`: boto3 and its waiters."""

    key = "boto3-script"
    repeats = False  # it only waits
    _serving: str = ""

    def deploy(self, image: str) -> CommandResult:
        """Run the script with the name of the old group, as such scripts need it."""
        service = self.service
        name = self.next_group(image)
        self.began += 1
        given = {
            "name": name,
            "old": self._serving,
            "image": image,
            "members": service.members,
            "subnet_ids": service.network.subnets,
            "security_group_ids": [service.network.security_group],
            "target_group": service.target_group,
            "drain": service.profile.draining,
            "attempts": max(1, service.patience // WAITER_DELAY),
        }
        argv = [sys.executable, str(REPOSITORY / "benchmarks/boto3_script.py"), json.dumps(given)]
        result = run(argv, service.folder, service.env)
        if result.code == 0:
            self._serving = name
        return result

    def next_group(self, image: str) -> str:
        """Return the name of the script's next group."""
        del image
        return f"{self.service.name}-{self.began + 1:03}"


CONTENDERS: tuple[type[Contender], ...] = (Recipe, AmiPipeline, Boto3Script)


def toml(value: object) -> str:
    """Return a value as TOML."""
    match value:
        case dict():
            return f"{{ {', '.join(f'{key} = {toml(value[key])}' for key in value)} }}"
        case list() | tuple():
            return f"[{', '.join(toml(each) for each in value)}]"
        case _:
            return json.dumps(value)
