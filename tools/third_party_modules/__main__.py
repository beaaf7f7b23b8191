"""Apply, plan and destroy Terraform configurations that are not written for this local cloud.

`make third-party-modules` runs each on a local cloud of its own. It fails if a plan without a
change is not empty. `make test` leaves it out: the provider waits a minute for an application load
balancer and five seconds for each launch template.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

HERE = Path(__file__).parent
CHANGES = 2  # terraform plan -detailed-exitcode
SPEED = "100"
UPDATES = {
    "classic": {
        "sizes": '{"min": 2, "max": 4, "desired": 2}',
        "instance_type": "t3.small",
        "extra_tags": '{"Owner": "web"}',
    },
    "application": {
        "sizes": '{"min": 1, "max": 4, "desired": 1}',
        "deregistration_delay": "60",
        "instance_type": "t3.small",  # starts an instance refresh
    },
}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One configuration in a folder of its own."""

    folder: Path
    env: dict[str, str]

    def run(self, *words: str) -> int:
        """Run Terraform and print its duration; print its output if it failed."""
        began = time.monotonic()
        done = subprocess.run(
            ["terraform", *words, "-input=false", "-no-color"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        took = time.monotonic() - began
        print(
            f"{self.folder.name:<12}{done.returncode:>2}{took:>7.1f} s  {' '.join(words)}",
            flush=True,
        )
        if done.returncode:
            print(done.stdout, flush=True)
        return done.returncode

    def check(self) -> bool:
        """Apply, plan, change each variable, plan, and destroy; return True if all succeeded."""
        good = [self.run("init") == 0, self.run("apply", "-auto-approve") == 0, self.is_clean()]
        changes: list[str] = []
        for name, value in UPDATES[self.folder.name].items():
            changes.append(f"-var={name}={value}")
            good += [self.run("apply", "-auto-approve", *changes) == 0, self.is_clean(*changes)]
        good.append(self.run("destroy", "-auto-approve", *changes) == 0)
        return all(good)

    def is_clean(self, *changes: str) -> bool:
        """Return True if a plan finds no changes."""
        return self.run("plan", "-detailed-exitcode", *changes) == 0


@contextmanager
def local_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """Run a local cloud for a block; yield the environment variables that point to it."""
    env = {**os.environ, "AMI_PIPELINE_LOCAL_CLOUD_HOME": str(folder)}
    tool = [sys.executable, "-m", "pipeline"]
    up = ["local-cloud", "up", "--port", "0", "--speed", SPEED]
    subprocess.run([*tool, *up], env=env, check=True, stdout=subprocess.DEVNULL)
    try:
        exports = subprocess.run(
            [*tool, "--output", "json", "local-cloud", "env"],
            env=env,
            check=True,
            stdout=subprocess.PIPE,
        )
        yield {**env, **json.loads(exports.stdout)}
    finally:
        subprocess.run(
            [*tool, "local-cloud", "down"], env=env, check=True, stdout=subprocess.DEVNULL
        )


def an_image(env: dict[str, str]) -> str:
    """Return the ID of an Amazon image."""
    make: Any = boto3.client  # its stubs know services by literal name only
    ec2 = make(
        "ec2",
        region_name=env["AWS_REGION"],
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    return str(ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"])


def main() -> int:
    """Run every configuration; return 1 if one of them fails."""
    good = []
    for name in sys.argv[1:] or UPDATES:
        with tempfile.TemporaryDirectory(prefix="third-party-") as scratch:
            folder = Path(scratch) / name
            shutil.copytree(HERE / name, folder)
            with local_cloud(Path(scratch) / "cloud") as env:
                environment = {**env, "TF_VAR_image_id": an_image(env)}
                good.append(Configuration(folder=folder, env=environment).check())
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
