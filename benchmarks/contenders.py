"""The three ways to deploy that are laid side by side, each with its tools as people use them."""

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
"""Seconds of AWS's in which nobody replaces a member that is not healthy."""
WAITER_LOOKS = 15
"""Seconds between two looks of boto3's waiters."""
SAMPLED = 0.1
"""Seconds between two looks at the peak of a process's memory, which only grows."""

TIMED_TERRAFORM = """#!/bin/sh
began=$(date +%s.%N)
{terraform} "$@"
code=$?
echo "$began $(date +%s.%N) $1" >> {log}
exit $code
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One command: when (monotonic), how it ended, what it needed."""

    began: float
    ended: float
    code: int
    said: str
    memory: float  # MiB, of the process itself at its peak, not of what it started
    terraform: tuple[tuple[str, float], ...] = ()  # each run's verb and seconds

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def document(self) -> dict[str, Any]:
        """The JSON it printed, nothing if it printed none."""
        with contextlib.suppress(ValueError):
            document: dict[str, Any] = json.loads(self.said)
            return document
        return {}


def run(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> Ran:
    """Run a command to its end, whatever that is; measure it."""
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
        said, _ = process.communicate(timeout=LONGEST)
    ended = time.monotonic()
    peak.join()
    return Ran(
        began=began,
        ended=ended,
        code=process.returncode,
        said=said,
        memory=peak.mebibytes,
        terraform=terraform_runs(log.read_text()),
    )


def timed_terraform(folder: Path, log: Path, path: str) -> Path:
    """Put a `terraform` into a folder that notes when it ran, and return that folder."""
    place = folder / "path"
    program = place / "terraform"
    if not program.exists():
        place.mkdir()
        real = shutil.which("terraform", path=path)
        program.write_text(TIMED_TERRAFORM.format(terraform=real, log=log))
        program.chmod(0o755)
    return place


def terraform_runs(log: str) -> tuple[tuple[str, float], ...]:
    """Return each run's verb and seconds."""
    rows = [line.split() for line in log.splitlines()]
    return tuple((verb, float(ended) - float(began)) for began, ended, verb in rows)


class Peak(threading.Thread):
    """Follows the peak of a process's memory until it is gone; the kernel's own, VmHWM."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.mebibytes = 0.0
        self._status = Path(f"/proc/{pid}/status")

    def run(self) -> None:
        """Look until there is nothing more to see."""
        while found := self._look():
            self.mebibytes = found
            time.sleep(SAMPLED)

    def _look(self) -> float:
        try:
            told = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text())
        except OSError:
            return 0.0
        return int(told[1]) / 1024 if told else 0.0


@dataclass(kw_only=True)
class Way(ABC):
    """One way to put an image into service; `key` is what tables call it."""

    key = ""
    service: Service
    began: int = 0
    image: str = ""  # what serves

    def release(self, image: str) -> Ran:
        """Put an image into service, and remember it if it is."""
        ran = self.deploy(image)
        self.image = self.image if ran.code else image
        return ran

    @abstractmethod
    def deploy(self, image: str) -> Ran:
        """Put an image into service."""

    @abstractmethod
    def next_group(self, image: str) -> str:
        """Return what the group will be called that the next deployment of an image makes."""


@dataclass(kw_only=True)
class Recipe(Way):
    """Terraform alone: `benchmarks/recipe`, without its bake."""

    key = "recipe"

    def __post_init__(self) -> None:
        """Write what the recipe is told, beside it."""
        service, folder = self.service, self.service.folder
        shutil.copy(REPOSITORY / "benchmarks/recipe/main.tf", folder)
        told = {
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
        (folder / "terraform.tfvars.json").write_text(json.dumps(told))

    def deploy(self, image: str) -> Ran:
        """Do what `deploy.sh` does once the AMI is cut out of Packer's output."""
        folder = self.service.folder
        (folder / "ami.auto.tfvars").write_text(f'ami_id = "{image}"\n')
        lines = (REPOSITORY / "benchmarks/recipe/deploy.sh").read_text().splitlines()
        script = "\n".join(["set -e", *(line for line in lines if line.startswith("terraform "))])
        return run(["sh", "-c", script], folder, self.service.env)

    def next_group(self, image: str) -> str:
        """Return the name that the recipe gives to the group of an image."""
        return f"{self.service.name}-{image}"


@dataclass(kw_only=True)
class Ours(Way):
    """`ami-pipeline promote`, without pauses unless told otherwise."""

    key = "ours"

    def __post_init__(self) -> None:
        """Write a configuration with one environment."""
        shutil.copytree(REPOSITORY / "packer", self.service.folder / "packer")
        self.configure()

    def configure(self, **promote: object) -> None:
        """Say how to promote; what is not said waits for nothing."""
        service = self.service
        text = (REPOSITORY / "pipeline.toml").read_text().split("[environments.staging]")[0]
        keys = {"healthy_checks": 1, "soak": "0s", "observe": "0s", "keep_previous": "none"}
        # The boot is a part of what the others wait for, and a phase of its own here.
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

    def deploy(self, image: str) -> Ran:
        """Promote."""
        self.began += 1
        return self.command("promote", "--image", image, "--allow-quarantined")

    def command(self, verb: str, *words: str) -> Ran:
        """Run a command of ours."""
        argv = [PROGRAM, "--output", "json", verb, "-e", self.service.name, "--yes", *words]
        return run(argv, self.service.folder, self.service.env)

    def next_group(self, image: str) -> str:
        """Return the name of the next release's group; each promotion uses up a number."""
        del image
        return f"web-{self.service.name}-r{self.began + 1:06}"


@dataclass(kw_only=True)
class Waiter(Way):
    """`benchmarks/boto3_script.py`: boto3 and its waiters."""

    key = "waiter"
    _serving: str = ""

    def deploy(self, image: str) -> Ran:
        """Run the script; it is told which group is the old one, as such scripts are."""
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
            "attempts": max(1, service.patience // WAITER_LOOKS),
        }
        argv = [sys.executable, str(REPOSITORY / "benchmarks/boto3_script.py"), json.dumps(given)]
        ran = run(argv, service.folder, service.env)
        if ran.code == 0:
            self._serving = name
        return ran

    def next_group(self, image: str) -> str:
        """Return the name that the script is given for its next group."""
        del image
        return f"{self.service.name}-{self.began + 1:03}"


WAYS: tuple[type[Way], ...] = (Recipe, Ours, Waiter)


def toml(value: object) -> str:
    """Return a value as TOML."""
    match value:
        case dict():
            return f"{{ {', '.join(f'{key} = {toml(value[key])}' for key in value)} }}"
        case list() | tuple():
            return f"[{', '.join(toml(each) for each in value)}]"
        case _:
            return json.dumps(value)
