"""The usual Terraform recipe, run as its users run it, on a test bed.

Uses `benchmarks/recipe/main.tf` with real Terraform and AWS provider, with one root and one local
state for each recipe. A test that needs another root (a separate attachment) writes its own file.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.project import REPOSITORY, CommandResult
from tests.e2e.site import LONGEST, Balancer, Site
from tests.e2e.testbed import CloudTestbed, terraform
from tests.running_cloud import eventually
from tools.load import Load, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Recorder = Callable[[str, object], None]

RECIPE = REPOSITORY / "benchmarks/recipe/main.tf"
SHORT_WAIT = "-var=wait_for_capacity_timeout=8s"
"""For groups that never become healthy: the provider's seconds are not sped up, and a boot takes
one.
"""
RATE = 50.0
"""Requests per second."""


@dataclass(kw_only=True)
class Recipe:
    """A service that the recipe deploys: its folder, its load balancer, its resources in AWS."""

    testbed: CloudTestbed
    name: str
    folder: Path
    balancer: Balancer
    members: int = 2
    extra: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        testbed: CloudTestbed, name: str, kind: str, root: Path = RECIPE, **extra: Any
    ) -> Recipe:
        """Write the root, its variables and an empty state; initialize it."""
        folder = testbed.folder / f"recipe-{name}"
        folder.mkdir()
        shutil.copy(root, folder / "main.tf")
        balancer = Balancer.make(testbed, name, kind)
        made = Recipe(testbed=testbed, name=name, folder=folder, balancer=balancer, extra=extra)
        made.write()
        terraform(folder, made.env, "init", "-input=false")
        return made

    @property
    def env(self) -> dict[str, str]:
        return {**self.testbed.cloud.env, "PATH": self.testbed.path}

    def write(self, **more: Any) -> None:
        """Write the fixed variables; the image is in a file of its own, as in `deploy.sh`.

        The grace period is 600 s, as for this project's own sites: ten seconds here.
        """
        classic = self.balancer.kind == "classic"
        through = {
            "load_balancers": [self.balancer.name] if classic else [],
            "target_group_arns": [] if classic else [self.balancer.arn],
        }
        inputs = ("subnet_ids", "security_group_ids", "instance_profile")
        variables = {
            "name": f"web-{self.name}",
            "members": self.members,
            "max_size": 6,
            "grace": 600,
            "wait_for_capacity_timeout": "60s",
            **through,
            **{key: self.testbed.made[key] for key in inputs},
            **self.extra,
            **more,
        }
        (self.folder / "service.auto.tfvars.json").write_text(json.dumps(variables))

    def image(self, image: str) -> None:
        """Write what `packer | grep | cut > ami.auto.tfvars` writes."""
        (self.folder / "ami.auto.tfvars").write_text(f'ami_id = "{image}"\n')

    def deploy(self, image: str, *arguments: str) -> CommandResult:
        """Apply an image; return the result."""
        self.image(image)
        return self.apply(*arguments)

    def begin(self, image: str, *arguments: str) -> subprocess.Popen[str]:
        """Start to apply an image."""
        self.image(image)
        return self.start("apply", "-auto-approve", "-input=false", "-no-color", *arguments)

    def apply(self, *arguments: str) -> CommandResult:
        return self.run("apply", "-auto-approve", "-input=false", "-no-color", *arguments)

    def run(self, *arguments: str) -> CommandResult:
        done = self.start(*arguments)
        out, err = done.communicate(timeout=LONGEST)
        return CommandResult(code=done.returncode, out=out, err=err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["terraform", *arguments],  # noqa: S607  as a user's shell finds it
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # --- reading the state ------------------------------------------------------------------------

    def group(self, image: str) -> str:
        return f"web-{self.name}-{image}"

    def groups(self) -> dict[str, dict[str, Any]]:
        """Return the existing groups of this service, by name."""
        answer = self.testbed.cloud.aws("autoscaling").describe_auto_scaling_groups()
        found = {each["AutoScalingGroupName"]: each for each in answer["AutoScalingGroups"]}
        return {name: found[name] for name in found if name.startswith(self.group(""))}

    def in_service(self, image: str) -> list[str]:
        """Return the members of an image's group that Auto Scaling reports in service."""
        found = self.groups().get(self.group(image), {"Instances": []})["Instances"]
        return [each["InstanceId"] for each in found if each["LifecycleState"] == "InService"]

    def healthy(self, image: str) -> int:
        """Return how many targets of an image's group are healthy in the target group."""
        members = set(self.in_service(image))
        return sum(
            id_ in members and state == "healthy"
            for id_, _, state in targets(self.testbed, self.balancer.arn)
        )

    def attached(self, image: str) -> list[str]:
        """Return the load balancers to which an image's group is attached."""
        answer = self.testbed.cloud.aws("autoscaling").describe_traffic_sources(
            AutoScalingGroupName=self.group(image)
        )
        return [each["Identifier"] for each in answer["TrafficSources"]]

    def remove(self, image: str) -> None:
        """Delete an image's group, as a person does in the console; return once it is gone."""
        name = self.group(image)
        self.testbed.cloud.aws("autoscaling").delete_auto_scaling_group(
            AutoScalingGroupName=name, ForceDelete=True
        )
        eventually(lambda: name not in self.groups())

    def under_load(self) -> contextlib.AbstractContextManager[Load]:
        """Send requests to the load balancer for a block."""
        return load(f"{self.balancer.url}/", RATE)

    def state(self) -> Iterator[tuple[str, str]]:
        """Yield each group in the state as its status (current, tainted, deposed) and name."""
        document = json.loads((self.folder / "terraform.tfstate").read_text())
        for resource in document["resources"]:
            if resource["type"] == "aws_autoscaling_group":
                for each in resource["instances"]:
                    what = "deposed" if "deposed" in each else each.get("status", "current")
                    yield what, each["attributes"]["name"]


@contextlib.contextmanager
def assert_no_failures(site: Site, note: Recorder) -> Iterator[None]:
    """Send requests to a site for a block; no request may fail."""
    with load(f"{site.balancers[0].url}/", RATE) as running:
        yield
    note("requests", len(running.results))
    assert len(running.results) > RATE
    assert running.failures == []


def count_failures(running: Load, note: Recorder) -> int:
    """Record and return the number of failed requests."""
    note("requests", len(running.results))
    note("failed", len(running.failures))
    return len(running.failures)


def targets(testbed: CloudTestbed, arn: str) -> list[tuple[str, int, str]]:
    """Return instance, port and state of each target of a target group."""
    answer = testbed.cloud.aws("elbv2").describe_target_health(TargetGroupArn=arn)
    return [
        (each["Target"]["Id"], each["Target"]["Port"], each["TargetHealth"]["State"])
        for each in answer["TargetHealthDescriptions"]
    ]
