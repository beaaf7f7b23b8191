"""Releases of one image that differ in their inputs, with real Terraform under traffic."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import LONGEST

if TYPE_CHECKING:
    from tests.e2e.site import Site
    from tests.e2e.testbed import CloudTestbed

pytestmark = [pytest.mark.long, pytest.mark.timeout(3 * LONGEST)]
POLICY = (
    '[environments.inputs.terraform.inputs.scaling_policies.cpu]\nmetric = "cpu"\ntarget = 50\n'
)
USER_DATA = 'user_data = "touch /tmp/two"\n'


def launched(site: Site, release: str) -> dict[str, Any]:
    """Return the launch template's data of a release, as AWS has it."""
    found = site.testbed.cloud.aws("ec2").describe_launch_template_versions(
        LaunchTemplateName=site.group(release), Versions=["$Latest"]
    )
    data: dict[str, Any] = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    data["UserData"] = base64.b64decode(data["UserData"]).decode()
    return data


def policies(site: Site) -> set[str]:
    found = site.testbed.cloud.aws("autoscaling").describe_policies()["ScalingPolicies"]
    ours = (each["AutoScalingGroupName"] for each in found)
    return {name for name in ours if name.startswith(site.group(""))}


def test_changed_inputs_make_a_release_and_a_cold_rollback_brings_the_old_ones_back(
    testbed: CloudTestbed,
) -> None:
    site = testbed.site("inputs", "classic", keep_previous="0s")
    assert site.promote("--image", testbed.new).code == 0
    nothing = site.promote("--image", testbed.new)
    assert (nothing.code, nothing.document["outcome"]) == (0, "unchanged")

    site.project.edit(
        "pipeline.toml",
        "[environments.inputs]\n",
        '[environments.inputs]\ninstance_type = "t3.small"\n',
    )
    site.project.edit(
        "pipeline.toml", "health_check_grace_period", f"{USER_DATA}health_check_grace_period"
    )
    text = (site.project.folder / "pipeline.toml").read_text()
    site.project.write(text + POLICY)
    shown = site.status()["configuration"]
    names = {each["name"].removeprefix("terraform.inputs.") for each in shown}
    assert names == {"instance_type", "user_data", "scaling_policies"}
    with site.under_load():
        second = site.promote("--image", testbed.new)
    assert second.code == 0, second.err
    assert site.status()["configuration"] == []
    assert launched(site, site.serving)["InstanceType"] == "t3.small"
    assert "touch /tmp/two" in launched(site, site.serving)["UserData"]
    assert policies(site) == {site.group("r000002")}

    with site.under_load():
        back = site.run("rollback", "--yes", "--wait")
    assert back.code == 0, back.err
    assert site.serving == "r000003"
    assert launched(site, "r000003")["InstanceType"] == "t3.micro"
    assert "touch /tmp/two" not in launched(site, "r000003")["UserData"]
    assert policies(site) == set()
    assert site.project.run("images").out.count("quarantined") == 0
    assert {each["name"] for each in site.status()["configuration"]} >= {"instance_type"}

    with site.under_load():
        again = site.promote("--image", testbed.new, "--redeploy")
    assert again.code == 0, again.err
    assert policies(site) == {site.group("r000004")}
