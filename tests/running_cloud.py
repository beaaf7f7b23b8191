"""Run a local cloud for tests, used through AWS's own clients and tools."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import botocore.config

from local_cloud import control, environment
from local_cloud.client import Client
from local_cloud.consistency.setting import OBSERVER
from local_cloud.state_dir import State, StateDir
from tests import forkserver
from tests.packer_plugins import PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")
BASE_IMAGE_OWNER = "amazon"
BASE_IMAGE_NAME = "al2023-ami-2023.*-kernel-6.1-x86_64"
WITHIN = 30.0
MANAGED_NODES = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """A running cloud and its clients."""

    home: StateDir
    state: State

    @property
    def endpoint(self) -> str:
        """The endpoint of every AWS API."""
        return self.state.endpoint

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that must use this cloud only."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PKR_", "TF_"))}
        kept |= {k: v for k, v in os.environ.items() if k == "TF_CLI_CONFIG_FILE"}
        kept |= PLUGINS
        return {**kept, **environment.variables(self.state, kept)}

    @property
    def client(self) -> Client:
        """The control client."""
        return Client(endpoint=self.endpoint)

    def fault(self, **fault: Any) -> None:
        """Add a fault: service, action, kind, times, seconds."""
        self.client.fault(**fault)

    def aws(
        self, service: str, region: str = "us-east-1", retries: int = 0, key: str = OBSERVER
    ) -> Any:
        """Return a boto3 client, without retries by default; the observer's reads are current."""
        return client(self.endpoint, service, region, retries, key)

    def base_image(self, region: str = "us-east-1") -> str:
        """Return an image of Amazon: empty, but bootable."""
        return base_image(self, region)

    def launch(self, **more: Any) -> dict[str, Any]:
        """Launch one instance and return it as RunInstances describes it."""
        call = {"ImageId": self.base_image(), "MinCount": 1, "MaxCount": 1, **more}
        instance: dict[str, Any] = self.aws("ec2").run_instances(**call)["Instances"][0]
        return instance

    def instance(self, instance: str) -> dict[str, Any]:
        """Return an instance as DescribeInstances describes it."""
        found = self.aws("ec2").describe_instances(InstanceIds=[instance])
        described: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return described

    def managed_profile(self, name: str = "managed-nodes") -> str:
        """Return an instance profile with which SSM Agent may report; make it at the first call."""
        iam = self.aws("iam")
        if all(each["RoleName"] != name for each in iam.list_roles()["Roles"]):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
            iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED_NODES)
            iam.create_instance_profile(InstanceProfileName=name)
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        return name

    def console(self, instance: str) -> str:
        """Return the console output of an instance."""
        return str(self.aws("ec2").get_console_output(InstanceId=instance)["Output"])

    def packer(self, template: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `packer build` with the environment that `local-cloud env` prints."""
        given = [f"-var={name}={value}" for name, value in variables.items()]
        return subprocess.run(
            ["packer", "build", "-machine-readable", "-color=false", *given, str(template)],  # noqa: S607  from PATH, as in a user's shell
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )


@functools.lru_cache(64)
def client(endpoint: str, service: str, region: str, retries: int, key: str = OBSERVER) -> Any:
    """Return a cached client: making one takes as long as ten calls."""
    make: Any = boto3.client  # its stubs know services by literal name only
    return make(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key="local-cloud",
        config=botocore.config.Config(retries={"total_max_attempts": 1 + retries}),
    )


@functools.cache
def base_image(cloud: Cloud, region: str) -> str:
    """Return an image of Amazon by name: moto takes two seconds to describe all."""
    named = [{"Name": "name", "Values": [BASE_IMAGE_NAME]}]
    found = cloud.aws("ec2", region).describe_images(Owners=[BASE_IMAGE_OWNER], Filters=named)
    return str(found["Images"][0]["ImageId"])


def start_cloud(home: Path, *, speed: float = 1000, **settings: Any) -> Cloud:
    """Start a cloud in `home`, on free ports; the settings are those of `control.Settings`."""
    where = StateDir(path=home.resolve())
    return Cloud(home=where, state=forkserver.up(where, speed=speed, **settings))


def stop_cloud(cloud: Cloud) -> None:
    """Stop a cloud and remove everything that it made."""
    control.down(cloud.home)


@contextlib.contextmanager
def a_cloud(home: Path, *, speed: float = 1000, **settings: Any) -> Iterator[Cloud]:
    """Run a cloud for a block."""
    cloud = start_cloud(home, speed=speed, **settings)
    try:
        yield cloud
    finally:
        stop_cloud(cloud)


def ordered_consistency() -> dict[str, Any]:
    """Return the settings that `make matrix CONSISTENCY=eventual:10` and the like order."""
    seed = int(os.environ.get("CONSISTENCY_SEED", "0"))
    return {"consistency": os.environ.get("CONSISTENCY") or "strong", "seed": seed}


def baked(run: subprocess.CompletedProcess[str]) -> str:
    """Return the image that Packer made, or fail with its output."""
    found = re.search(r"artifact,0,id,[\w-]+:(ami-\w+)", run.stdout)
    assert found, run.stdout[-3000:]
    assert run.returncode == 0, run.stdout[-3000:]
    return found[1]


def eventually(what: Callable[[], T], within: float = WITHIN) -> T:
    """Poll until a condition is true; fail with the last answer when time is up."""
    deadline = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < deadline, f"still {json.dumps(answer, default=str)}"
        time.sleep(0.02)
    return answer


def serving(port: int = 8080) -> str:
    """Return user data that makes an empty image serve HTTP, as a service of systemd."""
    return f"""#!/bin/sh
set -eu
mkdir -p "${{ROOT:-}}/srv/web" "${{ROOT:-}}/etc/systemd/system"
echo "$INSTANCE_ID" > "${{ROOT:-}}/srv/web/index.html"
cp "${{ROOT:-}}/srv/web/index.html" "${{ROOT:-}}/srv/web/health"
cat > "${{ROOT:-}}/etc/systemd/system/web.service" <<END
[Service]
WorkingDirectory=/srv/web
ExecStart=/usr/bin/python3 -m http.server {port} --bind $INSTANCE_ADDRESS
Restart=always
END
systemctl daemon-reload
systemctl enable --now web.service
"""
