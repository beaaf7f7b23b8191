"""Run the guide's tutorial for a shell script from its own text, with real tools under traffic."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.project import REPOSITORY
from tests.e2e.site import Balancer
from tests.e2e.testbed import CloudTestbed, build_network
from tests.running_cloud import a_cloud
from tools.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
PAGE = REPOSITORY / "docs/guide/from-a-script.md"
TOOLS = ("ami-pipeline", "packer", "terraform")


def files(text: str) -> Iterator[tuple[str, str]]:
    """Yield the files of the repository before: a name, and the block after it."""
    yield from re.findall(r"^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)```", text, re.DOTALL | re.MULTILINE)


def typed(text: str) -> list[str]:
    """Return the shell blocks of the steps."""
    return re.findall(r"^```sh\n(.*?)```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[CloudTestbed]:
    with a_cloud(tmp_path / "cloud", speed=20) as cloud:
        made, path = build_network(cloud), cloud.env["PATH"]
        yield CloudTestbed(cloud=cloud, folder=tmp_path, path=path, made=made, old="", new="")


def run(folder: Path, testbed: CloudTestbed, script: str) -> float:
    """Run the lines of a block; return the seconds."""
    path = os.pathsep.join([str(Path(sys.executable).parent), testbed.path])
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-e"],
        input=script,
        cwd=folder,
        env={**testbed.cloud.env, "PATH": path, "HOME": str(testbed.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return time.monotonic() - began


def test_a_service_of_the_shell_recipe_moves_without_a_failed_request(
    testbed: CloudTestbed, tmp_path: Path
) -> None:
    before, _, steps = PAGE.read_text().partition("## 1.")
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "index.html").write_text("hello\n")
    for name, text in files(before):
        (folder / name).write_text(text)
    inputs = ("subnet_ids", "security_group_ids", "instance_profile")
    network = {name: testbed.made[name] for name in inputs}
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in network.items())
    (folder / "terraform.tfvars").write_text("".join(lines))
    balancer = balancer_of(testbed)
    seconds = [run(folder, testbed, "sh deploy.sh")]
    old = (folder / "ami.id").read_text().strip()

    blocks = typed(steps)
    with load(f"{balancer.url}/", 20.0) as served:
        seconds += [run(folder, testbed, block) for block in blocks]
    assert served.failures[:3] == [], len(served.failures)
    groups = testbed.cloud.aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert f"web-{old}" not in {each["AutoScalingGroupName"] for each in groups}
    document = json.loads((folder / ".ami-pipeline/environments/production.json").read_text())
    assert document["content"]["serving"] == "r000002", "r000001 is the adopted group"
    count = sum(line.startswith(TOOLS) for block in blocks for line in block.splitlines())
    print(f"{count} commands, {[round(each) for each in seconds]} s")  # noqa: T201


def balancer_of(testbed: CloudTestbed) -> Balancer:
    """Create the classic load balancer of the recipe, and return it."""
    made = testbed.made["public_subnet_ids"]
    elb = testbed.cloud.aws("elb")
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    created = elb.create_load_balancer(LoadBalancerName="web", Listeners=[listener], Subnets=made)
    elb.configure_health_check(
        LoadBalancerName="web",
        HealthCheck={
            "Target": "HTTP:8080/index.html",
            "Interval": 10,
            "Timeout": 5,
            "UnhealthyThreshold": 2,
            "HealthyThreshold": 2,
        },
    )
    draining = {"ConnectionDraining": {"Enabled": True, "Timeout": 60}}
    elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=draining)
    return Balancer(kind="classic", name="web", url=f"http://{created['DNSName']}")
