"""The test bed of the end-to-end tests: a local cloud, a network, two images, a Terraform.

With real Terraform it takes half a minute to build, and the first image is baked by real Packer.
With the stand-in, network and images are created through the API, which is fast. Each is built once
per worker. Use it through the fixtures of `conftest`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests import provider, running_cloud
from tests.e2e.images import installed_images
from tests.e2e.project import REPOSITORY, Project, new_project
from tests.e2e.site import LONGEST, Balancer, Site, wait_for_exit
from tests.standin.install import installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running_cloud import Cloud

SPEED = 60
TAG = "ami-pipeline:status"
IGNORED = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.auto.tfvars.json")


@dataclass(kw_only=True)
class CloudTestbed:
    """One cloud for many tests; `old` and `new` are the images of two versions."""

    cloud: Cloud
    folder: Path
    path: str
    made: dict[str, Any]
    old: str
    new: str
    more: tuple[str, ...] = ()

    def site(self, environment: str, *kinds: str, **promote: object) -> Site:
        """Return an environment of its own behind these kinds of load balancer.

        `promote` are keys of its `[environments.NAME.promote]`.
        """
        project = new_project(self.folder / environment, self.cloud)
        project.extra["PATH"] = self.path
        balancers = [Balancer.make(self, environment, kind) for kind in kinds]
        site = Site(testbed=self, environment=environment, project=project, balancers=balancers)
        site.configure(**promote)
        self.restore_images()
        return site

    def restore_images(self) -> None:
        """Delete the images of other tests, and mark the test bed's own as good."""
        ec2, ours = self.cloud.aws("ec2"), [self.old, self.new]
        for image in ec2.describe_images(Owners=["self"])["Images"]:
            if image["ImageId"] not in [*ours, *self.more]:
                ec2.deregister_image(ImageId=image["ImageId"])
        self.mark_image(self.old, "good")
        self.mark_image(self.new, "good")

    def mark_image(self, image: str, status: str) -> None:
        """Tag an image as good or quarantined."""
        tag = {"Key": TAG, "Value": status}
        self.cloud.aws("ec2").create_tags(Resources=[image], Tags=[tag])


# --- building -------------------------------------------------------------------------------------


@contextlib.contextmanager
def build_testbed(folder: Path, **settings: Any) -> Iterator[CloudTestbed]:
    """Build a test bed with real Terraform; an image is baked while it creates the network.

    `settings` are those of the cloud.
    """
    given = {"speed": SPEED, **running_cloud.ordered_consistency(), **settings}
    with running_cloud.a_cloud(folder / "cloud", **given) as cloud:
        project = new_project(folder / "bakery", cloud)
        shutil.copytree(REPOSITORY / "terraform", project.folder / "terraform", ignore=IGNORED)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            first = beside.submit(baked, project, "1.0.0")
            stack = project.folder / "terraform/stack"
            terraform(stack, project.env, "init", "-input=false")
            with provider.started(stack, project.env) as attached:
                path = _on_path(folder / "bin", attached)
                made = _stack(stack, attached)
                old = first.result()
                (new,) = installed_images(cloud, ["2.0.0"])
                yield CloudTestbed(
                    cloud=cloud, folder=folder, path=path, made=made, old=old, new=new
                )


@contextlib.contextmanager
def build_fast_testbed(
    folder: Path,
    speed: float = SPEED,
    isolation: str = "auto",
    images: int = 2,
    **consistency: Any,
) -> Iterator[CloudTestbed]:
    """Build a test bed with the Terraform stand-in; network and images are created through the API.

    `consistency` and `seed` are those of the local cloud; by default those that make was given.
    """
    settings = {"speed": speed, "isolation": isolation, **running_cloud.ordered_consistency()}
    settings |= consistency
    with running_cloud.a_cloud(folder / "cloud", **settings) as cloud:
        path = installed(folder / "bin", cloud.env["PATH"])
        old, new, *more = installed_images(cloud, [f"{each}.0.0" for each in range(1, images + 1)])
        made = build_network(cloud)
        spare = tuple(more)
        yield CloudTestbed(
            cloud=cloud, folder=folder, path=path, made=made, old=old, new=new, more=spare
        )


def build_network(cloud: Cloud) -> dict[str, Any]:
    ec2, iam = cloud.aws("ec2"), cloud.aws("iam")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = []
    for number, zone in enumerate("ab"):
        where = {"CidrBlock": f"10.0.{number}.0/24", "AvailabilityZone": f"us-east-1{zone}"}
        subnets.append(ec2.create_subnet(VpcId=vpc, **where)["Subnet"]["SubnetId"])
    guard = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)
    iam.create_instance_profile(InstanceProfileName="web")
    return {
        "vpc_id": vpc,
        "subnet_ids": subnets,
        "public_subnet_ids": subnets,
        "security_group_ids": [guard["GroupId"]],
        "instance_profile": "web",
    }


def _stack(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    how = ["-var=name=web-stack", "-var=load_balancer=classic", "-var=nat=none"]
    terraform(folder, env, "apply", "-auto-approve", "-input=false", *how)
    output = json.loads(terraform(folder, env, "output", "-json"))
    return {name: each["value"] for name, each in output.items()}


def terraform(folder: Path, env: dict[str, str], *arguments: str) -> str:
    """Run Terraform in a folder; return its output."""
    done = subprocess.run(
        ["terraform", *arguments],  # noqa: S607  as a user's shell finds it
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _on_path(folder: Path, env: dict[str, str]) -> str:
    """Return a PATH whose Terraform uses a running provider, as the tool drops `TF_` variables."""
    real = shutil.which("terraform")
    program = folder / "terraform"
    folder.mkdir()
    value = env[provider.ATTACHED]
    program.write_text(f"#!/bin/sh\nexport {provider.ATTACHED}='{value}'\nexec {real} \"$@\"\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{env['PATH']}"


def baked(project: Project, version: str) -> str:
    result = wait_for_exit(project.start("--output", "json", "bake", "--version", version))
    assert result.code == 0, result.err
    return str(result.document["ami_id"])
