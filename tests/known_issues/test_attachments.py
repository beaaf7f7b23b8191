"""How a group is attached to its load balancer: known issues 7 and 8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST, state_with
from tests.e2e.testbed import CloudTestbed
from tests.known_issues.recipe import RECIPE, Recipe, assert_no_failures, count_failures, targets
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Recorder

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

REFUSED = 3
INLINE = (
    "  min_elb_capacity          = var.members\n",
    "  load_balancers            = var.load_balancers\n",
    "  target_group_arns         = var.target_group_arns\n",
)
SEPARATE = """
resource "aws_autoscaling_attachment" "this" {
  autoscaling_group_name = aws_autoscaling_group.this.name
  lb_target_group_arn    = var.target_group_arns[0]
}
"""
CREATED_FIRST = SEPARATE.replace(
    "[0]\n}", "[0]\n\n  lifecycle {\n    create_before_destroy = true\n  }\n}"
)


def with_separate(attachment: str, folder: Path) -> Path:
    """Write the recipe with a separate attachment, and without its wait, which would never end."""
    text = RECIPE.read_text()
    for line in INLINE:
        assert line in text
        text = text.replace(line, "")
    root = folder / "main.tf"
    root.write_text(text + attachment)
    return root


@pytest.mark.parametrize(
    ("name", "attachment"), [("apart", SEPARATE), ("apart-first", CREATED_FIRST)]
)
def test_the_recipe_with_a_separate_attachment_loses_requests(
    name: str, attachment: str, testbed: CloudTestbed, tmp_path: Path, record_property: Recorder
) -> None:
    """terraform-aws-modules/terraform-aws-autoscaling#262, #281 (detached, then created, then
    attached), hashicorp/terraform#18812 (with `create_before_destroy`: no draining).
    """
    recipe = Recipe.of(testbed, name, "application", with_separate(attachment, tmp_path))
    assert recipe.deploy(testbed.old).code == 0
    eventually(lambda: recipe.healthy(testbed.old) == 2)
    slow = {"group": recipe.group(testbed.new), "seconds": 180}  # three seconds here
    testbed.cloud.client.set_behavior("boots-slowly", **slow)
    with recipe.under_load() as running:
        result = recipe.deploy(testbed.new)
        eventually(lambda: recipe.healthy(testbed.new) == 2)
    assert result.code == 0, result.err
    assert count_failures(running, record_property) > 0


def test_ami_pipeline_attaches_separately_from_the_group_and_loses_nothing(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform#18812. By API: attached and healthy, then detached and drained."""
    site = testbed.site("apart-too", "application", keep_previous="none")
    assert site.promote("--image", testbed.old).code == 0
    with assert_no_failures(site, record_property):
        result = site.promote("--image", testbed.new)
    assert result.code == 0, result.err
    assert site.state() == state_with("r000002", serving="r000002")


# --- 7: targets that are registered twice ---------------------------------------------------------

CLOSED_PORT = 9
"""A port without a listener."""


def register_again(testbed: CloudTestbed, target_group: str, members: list[str]) -> None:
    """Register instances with another port too, as ECS or a registrar on the instance does."""
    testbed.cloud.aws("elbv2").register_targets(
        TargetGroupArn=target_group, Targets=[{"Id": each, "Port": CLOSED_PORT} for each in members]
    )


def test_the_recipe_fails_a_serving_release_whose_members_are_registered_twice(
    testbed: CloudTestbed, tmp_path: Path, record_property: Recorder
) -> None:
    """hashicorp/terraform-provider-aws#17405: of an instance's targets the one listed last counts,
    so the recipe may equally pass a release whose other target is unhealthy.
    """
    root = tmp_path / "main.tf"
    root.write_text(RECIPE.read_text().replace('"ELB"', '"EC2"'))  # as for ECS
    recipe = Recipe.of(testbed, "twice", "application", root)
    assert recipe.deploy(testbed.old).code == 0
    group = recipe.group(testbed.new)
    testbed.cloud.client.set_behavior("boots-slowly", group=group, seconds=240)  # four seconds here
    running = recipe.begin(testbed.new, "-var=wait_for_capacity_timeout=15s")
    eventually(lambda: len(recipe.in_service(testbed.new)) == 2)
    register_again(testbed, recipe.balancer.arn, recipe.in_service(testbed.new))
    with recipe.under_load() as under:
        eventually(lambda: recipe.healthy(testbed.new) == 2)
        _, err = running.communicate(timeout=LONGEST)
    assert running.returncode == 1
    assert "want at least 2 healthy instance(s) registered to Load Balancer" in err
    assert recipe.healthy(testbed.new) == 2
    assert count_failures(under, record_property) == 0


def test_ami_pipeline_refuses_to_deploy_with_members_that_are_registered_twice(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform-provider-aws#17405. The worse of an instance's targets always counts: a
    bad release never passes, and a good one is not deployed until the second target is gone.
    """
    site = testbed.site("twice-too", "application", keep_previous="none")
    assert site.promote("--image", testbed.old).code == 0
    balancer = site.balancers[0]
    testbed.cloud.aws("autoscaling").suspend_processes(
        AutoScalingGroupName=site.group("r000001"), ScalingProcesses=["ReplaceUnhealthy"]
    )
    register_again(testbed, balancer.arn, site.members("r000001"))
    with assert_no_failures(site, record_property):
        eventually(
            lambda: [s for _, _, s in targets(testbed, balancer.arn)].count("unhealthy") == 2
        )
        result = site.promote("--image", testbed.new)
    assert result.code == REFUSED, result.err
    assert "unhealthy" in result.document["error"]["what"]
    assert site.state() == state_with("r000001", serving="r000001")
