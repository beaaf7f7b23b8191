"""A group that a person made is taken over: its configuration is read, a release replaces it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST
from tests.e2e.testbed import build_fast_testbed
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.site import Site

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST + 20)]
SCRIPT = "#!/bin/sh\nset -f\ntest \"${unset}\" = ''\n"
"""User data that would fail inside the module's own script, which has `set -u`."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with build_fast_testbed(tmp_path) as testbed:
        yield testbed.site("adopted", "application")


def make_group(site: Site) -> Any:
    """Make a group by hand behind the site's target group; return the client of Auto Scaling."""
    cloud, made = site.testbed.cloud, site.testbed.made
    data = {
        "ImageId": site.testbed.old,
        "InstanceType": "t3.small",
        "SecurityGroupIds": made["security_group_ids"],
        "IamInstanceProfile": {"Name": made["instance_profile"]},
        "UserData": base64.b64encode(SCRIPT.encode()).decode(),
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "shop"}]}
        ],
    }
    cloud.aws("ec2").create_launch_template(LaunchTemplateName="by-hand", LaunchTemplateData=data)
    scaling = cloud.aws("autoscaling")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="by-hand",
        LaunchTemplate={"LaunchTemplateName": "by-hand", "Version": "$Latest"},
        MinSize=1,
        MaxSize=5,
        DesiredCapacity=3,
        HealthCheckType="ELB",
        HealthCheckGracePeriod=600,
        VPCZoneIdentifier=",".join(made["subnet_ids"]),
        TargetGroupARNs=[site.balancers[0].arn],
    )
    eventually(lambda: len(healthy(site)) == 3, within=60)
    return scaling


def healthy(site: Site) -> set[str]:
    answer = site.testbed.cloud.aws("elbv2").describe_target_health(
        TargetGroupArn=site.balancers[0].arn
    )["TargetHealthDescriptions"]
    return {e["Target"]["Id"] for e in answer if e["TargetHealth"]["State"] == "healthy"}


def configure(site: Site, configuration: str) -> None:
    """Write pipeline.toml as a person does: the printed tables below the top, and short pauses."""
    path = site.project.folder / "pipeline.toml"
    head = path.read_text().split("[environments.")[0]
    pauses = '[environments.adopted.promote]\nsoak = "10s"\nobserve = "10s"\n'
    path.write_text(f"{head}{configuration}\n{pauses}")


def test_a_release_of_the_printed_configuration_replaces_the_group_without_a_failed_request(
    site: Site,
) -> None:
    scaling = make_group(site)
    with site.under_load():
        plan = site.run("adopt", "--group", "by-hand", "--plan")
        assert plan.code == 0, plan.err
        assert {each["setting"] for each in plan.document["gaps"]} == {"metadata service"}
        configure(site, plan.document["configuration"])
        done = site.promote("--image", site.testbed.old)
        assert done.code == 0, done.err
        assert len(healthy(site)) == 6
        source = {"Identifier": site.balancers[0].arn, "Type": "elbv2"}
        scaling.detach_traffic_sources(AutoScalingGroupName="by-hand", TrafficSources=[source])
        eventually(lambda: len(site.balancers[0].registered(site.testbed.cloud)) == 3, within=60)
    [green] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[site.group("r000001")])[
        "AutoScalingGroups"
    ]
    sizes = [green[key] for key in ("MinSize", "DesiredCapacity", "MaxSize")]
    assert sizes == [1, 3, 5]
    assert {each["InstanceType"] for each in green["Instances"]} == {"t3.small"}
    again = site.promote("--image", site.testbed.old)
    assert (again.code, site.serving, site.next_release) == (0, "r000001", "r000002"), again.err
