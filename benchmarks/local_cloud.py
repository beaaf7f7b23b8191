"""A local cloud of the benchmarks' own, with the sample application."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local_cloud import control, environment
from local_cloud.client import Client
from local_cloud.state_dir import StateDir

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = str(Path(sys.executable).with_name("ami-pipeline"))


def command(argv: Sequence[str], **how: Any) -> Callable[[], None]:
    """Return an action that runs a command and raises if it fails."""

    def run() -> None:
        subprocess.run(argv, check=True, capture_output=True, **how)

    return run


@functools.cache
def client(endpoint: str, service: str) -> Any:
    """Return a client of the harness for a service of a local cloud."""
    make: Any = boto3.client  # its stubs know services by literal name only
    return make(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="harness",
        aws_secret_access_key="harness",  # noqa: S106  any value works
    )


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A local cloud and a folder with the sample application."""

    folder: Path
    env: dict[str, str]
    client: Client
    pid: int
    speed: float = 1.0

    def bake(self, version: str, *more: str) -> dict[str, Any]:
        """Run `ami-pipeline bake`; return its document."""
        done = subprocess.run(
            [PROGRAM, "--output", "json", "bake", "--version", version, *more],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def aws(self, service: str) -> Any:
        """Return a client of the harness for a service of the cloud."""
        return client(self.client.endpoint, service)

    def packer(self, source: str) -> None:
        """Run the same `packer build` by hand, with the variables of `local-cloud env`."""
        given = {
            "app": "web",
            "version": "1.0.0",
            "ami_name": f"by-hand-{time.time_ns()}",
            "region": "us-east-1",
            "source_ami": source,
            "manifest": str(self.folder / f"manifest-{time.time_ns()}.json"),
        }
        variables = [f"-var={name}={value}" for name, value in given.items()]
        command(
            ["packer", "build", "-machine-readable", *variables, "packer/app.pkr.hcl"],
            cwd=self.folder,
            env=self.env,
        )()


@contextmanager
def bench(speed: float, delay: Sequence[str] = ()) -> Iterator[Bench]:
    """Run a local cloud for a block; `delay` is that of `local-cloud up --delay`."""
    with tempfile.TemporaryDirectory(prefix="ami-pipeline-bench-") as name:
        home = StateDir(path=Path(name).resolve() / "cloud")
        folder = Path(name) / "project"
        shutil.copytree(REPOSITORY / "packer", folder / "packer")
        shutil.copy(REPOSITORY / "pipeline.toml", folder)
        state = control.up(home, port=0, speed=speed, delay=delay)
        try:
            env = {**os.environ, **environment.variables(state)}
            yield Bench(
                folder=folder,
                env=env,
                client=Client(endpoint=state.endpoint),
                pid=state.pid,
                speed=speed,
            )
        finally:
            control.down(home)
