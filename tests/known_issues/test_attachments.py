"""What stands between a group and its load balancer: pains 7 and 8 of docs/known-issues.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploying import LONGEST, Ground, alone
from tests.known_issues.recipe import USUAL, Recipe, counted, targets, unharmed
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Noting

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
    """Write the recipe with an attachment of its own; its wait would wait for ever then."""
    text = USUAL.read_text()
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
    name: str, attachment: str, ground: Ground, tmp_path: Path, record_property: Noting
) -> None:
    """terraform-aws-modules/terraform-aws-autoscaling#262, #281 (detached, then created, then
    attached), hashicorp/terraform#18812 (with `create_before_destroy`: no draining).
    """
    recipe = Recipe.of(ground, name, "application", with_separate(attachment, tmp_path))
    assert recipe.deploy(ground.old).code == 0
    eventually(lambda: recipe.healthy(ground.old) == 2)
    slow = {"group": recipe.group(ground.new), "seconds": 180}  # three seconds here
    ground.cloud.client.set_behavior("boots-slowly", **slow)
    with recipe.under_load() as running:
        ran = recipe.deploy(ground.new)
        eventually(lambda: recipe.healthy(ground.new) == 2)
    assert ran.code == 0, ran.err
    assert counted(running, record_property) > 0


def test_we_attach_apart_from_the_group_and_lose_nothing(
    ground: Ground, record_property: Noting
) -> None:
    """hashicorp/terraform#18812. Ours are attached by API: in and healthy, then out and drained."""
    site = ground.site("apart-too", "application", keep_previous="none")
    assert site.promote("--image", ground.old).code == 0
    with unharmed(site, record_property):
        ran = site.promote("--image", ground.new)
    assert ran.code == 0, ran.err
    assert site.world() == alone("r000002", serving="r000002")


# --- 7: targets that are registered twice ---------------------------------------------------------

SHUT = 9
"""A port that nobody listens on."""


def register_again(ground: Ground, target_group: str, members: list[str]) -> None:
    """Register instances with another port too, as ECS does, or a registrar on the instance."""
    ground.cloud.aws("elbv2").register_targets(
        TargetGroupArn=target_group, Targets=[{"Id": each, "Port": SHUT} for each in members]
    )


def test_the_recipe_fails_a_release_that_serves_where_its_members_are_registered_twice(
    ground: Ground, tmp_path: Path, record_property: Noting
) -> None:
    """hashicorp/terraform-provider-aws#17405: of an instance's targets the one listed last counts,
    so by chance it may as well pass a release of which the other one is unhealthy.
    """
    root = tmp_path / "main.tf"
    root.write_text(USUAL.read_text().replace('"ELB"', '"EC2"'))  # as where ECS registers them
    recipe = Recipe.of(ground, "twice", "application", root)
    assert recipe.deploy(ground.old).code == 0
    group = recipe.group(ground.new)
    ground.cloud.client.set_behavior("boots-slowly", group=group, seconds=240)  # four seconds here
    running = recipe.begin(ground.new, "-var=wait_for_capacity_timeout=15s")
    eventually(lambda: len(recipe.standing(ground.new)) == 2)
    register_again(ground, recipe.balancer.arn, recipe.standing(ground.new))
    with recipe.under_load() as under:
        eventually(lambda: recipe.healthy(ground.new) == 2)
        _, err = running.communicate(timeout=LONGEST)
    assert running.returncode == 1
    assert "want at least 2 healthy instance(s) registered to Load Balancer" in err
    assert recipe.healthy(ground.new) == 2
    assert counted(under, record_property) == 0


def test_we_refuse_to_deploy_where_members_are_registered_twice_and_say_so(
    ground: Ground, record_property: Noting
) -> None:
    """hashicorp/terraform-provider-aws#17405. The worse of an instance's targets counts, always: a
    bad release never passes, but a good one is not deployed either until the second target is gone.
    """
    site = ground.site("twice-too", "application", keep_previous="none")
    assert site.promote("--image", ground.old).code == 0
    balancer = site.balancers[0]
    ground.cloud.aws("autoscaling").suspend_processes(
        AutoScalingGroupName=site.group("r000001"), ScalingProcesses=["ReplaceUnhealthy"]
    )
    register_again(ground, balancer.arn, site.members("r000001"))
    with unharmed(site, record_property):
        eventually(lambda: [s for _, _, s in targets(ground, balancer.arn)].count("unhealthy") == 2)
        ran = site.promote("--image", ground.new)
    assert ran.code == REFUSED, ran.err
    assert "unhealthy" in ran.document["error"]["what"]
    assert site.world() == alone("r000001", serving="r000001")
