"""Run the page about adoption from its own text: a group that a person made, behind an ALB, under
load. Its commands adopt the group, replace it, and return to it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.project import REPOSITORY
from tests.e2e.site import LONGEST
from tests.e2e.testbed import build_fast_testbed
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.site import Site
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]
PAUSES = '[promote]\nsoak = "10s"\nobserve = "10s"\n'
PAGE = REPOSITORY / "docs/guide/adopt.md"
GROUP = "web-asg"
SCRIPT = "#!/bin/sh\nset -f\ntest \"${unset}\" = ''\n"
"""User data that would fail inside the module's own script, which has `set -u`."""


@pytest.fixture
def site(testbed: CloudTestbed) -> Site:
    """Return an environment with real Terraform, whose pipeline.toml does not have it yet."""
    return unconfigured(testbed, "application")


@pytest.fixture
def fast_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with build_fast_testbed(tmp_path, speed=10) as testbed:
        yield unconfigured(testbed, *request.param)


def unconfigured(testbed: CloudTestbed, *kinds: str) -> Site:
    made = testbed.site("production", *kinds)
    path = made.project.folder / "pipeline.toml"
    path.write_text(path.read_text().split("[environments.")[0] + PAUSES)
    return made


def make_group(site: Site, launches: str = "launch template") -> Any:
    """Make a group by hand behind the site's load balancers; return the client of Auto Scaling."""
    cloud, made = site.testbed.cloud, site.testbed.made
    scaling = cloud.aws("autoscaling")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=1,
        MaxSize=5,
        DesiredCapacity=3,
        HealthCheckType="ELB",
        HealthCheckGracePeriod=600,
        VPCZoneIdentifier=",".join(made["subnet_ids"]),
        TargetGroupARNs=[each.arn for each in site.balancers if each.arn],
        LoadBalancerNames=[each.name for each in site.balancers if not each.arn],
        **_launched(site, launches),
    )
    eventually(lambda: len(healthy(site)) == 3, within=60)
    return scaling


def _launched(site: Site, launches: str) -> dict[str, Any]:
    """Return what the group launches: a configuration, a template, or one of several types."""
    cloud, made = site.testbed.cloud, site.testbed.made
    data: dict[str, Any] = {"ImageId": site.testbed.old, "InstanceType": "t3.small"}
    if launches == "launch configuration":
        cloud.aws("autoscaling").create_launch_configuration(
            LaunchConfigurationName=GROUP,
            **data,
            SecurityGroups=made["security_group_ids"],
            IamInstanceProfile=made["instance_profile"],
            UserData=SCRIPT,
        )
        return {"LaunchConfigurationName": GROUP}
    data |= {
        "SecurityGroupIds": made["security_group_ids"],
        "IamInstanceProfile": {"Name": made["instance_profile"]},
        "UserData": base64.b64encode(SCRIPT.encode()).decode(),
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "shop"}]}
        ],
    }
    cloud.aws("ec2").create_launch_template(LaunchTemplateName=GROUP, LaunchTemplateData=data)
    named = {"LaunchTemplateName": GROUP, "Version": "$Latest"}
    if launches == "launch template":
        return {"LaunchTemplate": named}
    types = [{"InstanceType": "t3.small"}, {"InstanceType": "t3.micro"}]
    mixed = {"LaunchTemplateSpecification": named, "Overrides": types}
    return {"MixedInstancesPolicy": {"LaunchTemplate": mixed}}


def healthy(site: Site) -> set[str]:
    return site.balancers[0].healthy(site.testbed.cloud)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A block of commands on the page, and the lines that the page shows of their output."""

    commands: str
    shown: list[str]


def steps() -> list[Step]:
    """Return the blocks of the page, in their order; the last text before the next commands."""
    blocks = re.findall(r"```(sh|text)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found: list[Step] = []
    for kind, text in blocks:
        if kind == "sh":
            found.append(Step(commands=text, shown=[]))
        else:
            found[-1].shown.extend(text.splitlines())
    return found


def type_in(site: Site, step: Step) -> float:
    """Run a block of the page in a shell; return its seconds."""
    path = os.pathsep.join([str(Path(sys.executable).parent), site.project.env["PATH"]])
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-e"],
        input=step.commands,
        cwd=site.project.folder,
        env={**site.project.env, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr
    missing = [line for line in step.shown if line not in done.stdout.splitlines()]
    assert missing == [], done.stdout
    return time.monotonic() - began


@contextlib.contextmanager
def least_capacity(site: Site) -> Iterator[list[int]]:
    """Observe how many targets are healthy during a block; yield the least of all counts."""
    least, over = [len(healthy(site))], threading.Event()

    def observe() -> None:
        while not over.wait(0.2):
            least[0] = min(least[0], len(healthy(site)))

    thread = threading.Thread(target=observe)
    thread.start()
    try:
        yield least
    finally:
        over.set()
        thread.join()


def described(scaling: Any) -> dict[str, Any]:
    """Return all of the group but its traffic sources, which the pipeline changes."""
    [found] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])[
        "AutoScalingGroups"
    ]
    moved = {"LoadBalancerNames", "TargetGroupARNs", "TrafficSources"}
    return {key: value for key, value in found.items() if key not in moved}


def reattached_in(site: Site) -> float:
    """Return the seconds of the rollback until its group was attached and healthy."""
    history = site.run("history")
    assert history.code == 0, history.err
    [first, *_] = history.document["deployments"]
    assert (first["kind"], first["outcome"]) == ("rollback", "promoted")
    return float(next(each["seconds"] for each in first["phases"] if each["name"] == "reattach"))


def test_the_page_replaces_a_group_and_returns_to_it_without_a_failed_request(
    site: Site, request: pytest.FixtureRequest
) -> None:
    scaling = make_group(site)
    before = described(scaling)
    read, adopt, replace, back = steps()
    seconds: dict[str, float] = {}
    with site.under_load(), least_capacity(site) as least:
        for name, step in {"read": read, "adopt": adopt, "replace": replace}.items():
            seconds[name] = type_in(site, step)
        assert (site.serving, site.members("r000002") != []) == ("r000002", True)
        refused = site.run("adopt", "--undo", "--yes")
        assert refused.code == 3
        assert "rollback -e production --to r000001" in refused.err
        assert described(scaling) == before
        shown = site.status()
        assert {each["release"]: each["role"] for each in shown["releases"]} == {
            "r000002": "serving",
            "r000001": f"adopted {GROUP}, detached",
        }
        seconds["back"] = type_in(site, back)
        seconds["reattach"] = reattached_in(site)
    text = ", ".join(f"{name} {each:.1f} s" for name, each in seconds.items())
    request.node.user_properties.append(("last line", f"adoption: {text}"))
    assert least == [3]
    assert described(scaling) == before
    assert site.serving == "r000001"
    assert seconds["reattach"] < 10


@pytest.mark.parametrize(
    ("launches", "fast_site"),
    [
        ("launch configuration", ("application", "classic")),
        ("mixed instances", ("application", "classic")),
        ("launch template", ("rule",)),
        ("launch template", ("network",)),
    ],
    ids=["launch configuration", "mixed instances", "a rule", "a network load balancer"],
    indirect=["fast_site"],
)
def test_a_group_that_its_owner_attached_again_is_reported_and_detached(
    launches: str, fast_site: Site
) -> None:
    site = fast_site
    scaling = make_group(site, launches)
    before = described(scaling)
    with site.under_load(), least_capacity(site) as least:
        adopted = site.run("adopt", "--group", GROUP, "--yes")
        assert adopted.code == 0, adopted.err
        done = site.promote("--image", site.testbed.old)
        assert done.code == 0, done.err
        assert done.document["adopted"]["group"] == GROUP
        owned = {
            "AutoScalingGroupName": GROUP,
            "TrafficSources": [
                {"Identifier": each.arn or each.name, "Type": "elbv2" if each.arn else "elb"}
                for each in site.balancers
            ],
        }
        scaling.attach_traffic_sources(**owned)
        eventually(lambda: len(healthy(site)) == 6, within=60)
        refused = site.promote("--image", site.testbed.new)
        assert refused.code == 3
        assert f"{GROUP}:\n  is adopted (r000001) and was attached" in refused.err
        command = site.status()["next"]
        assert command.startswith("aws autoscaling detach-traffic-sources ")
        scaling.detach_traffic_sources(**owned)
        for each in site.balancers:
            eventually(lambda: len(each.registered(site.testbed.cloud)) == 3, within=120)  # noqa: B023  called at once
        again = site.promote("--image", site.testbed.new)
        assert again.code == 0, again.err
        assert again.document["adopted"] is None
        back = site.run("rollback", "--to", "r000001", "--yes", "--wait")
        assert back.code == 0, back.err
    assert (site.serving, least) == ("r000001", [3])
    assert described(scaling) == before
