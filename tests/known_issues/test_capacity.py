"""How many members the new group has where the old one had grown: 9 in docs/known-issues.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST
from tests.e2e.testbed import CloudTestbed
from tests.known_issues.recipe import Recipe, counted, unharmed
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Noting

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

GROWN = 4


def test_the_recipe_falls_back_to_the_minimum_under_the_load_it_had_grown_for(
    testbed: CloudTestbed, record_property: Noting
) -> None:
    """hashicorp/terraform-provider-aws#20110, cloudcaptainsh/cloudcaptain#230 (five old instances,
    two new ones), ansible/ansible#30400 (of ten instances three were left).
    """
    recipe = Recipe.of(testbed, "grown", "classic")
    assert recipe.deploy(testbed.old).code == 0
    testbed.cloud.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=recipe.group(testbed.old), DesiredCapacity=GROWN
    )
    eventually(lambda: len(recipe.standing(testbed.old)) == GROWN)
    with recipe.under_load() as running:
        result = recipe.deploy(testbed.new)
    assert result.code == 0, result.err
    assert len(recipe.standing(testbed.new)) == 2
    counted(running, record_property)


def test_we_give_the_new_group_the_size_that_the_old_one_has(
    testbed: CloudTestbed, record_property: Noting
) -> None:
    """hashicorp/terraform-provider-aws#20110. The configured minimum is back at the end."""
    site = testbed.site("grown-too", "classic", keep_previous="none")
    assert site.promote("--image", testbed.old).code == 0
    testbed.cloud.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=site.group("r000001"), DesiredCapacity=GROWN
    )
    eventually(lambda: len(site.members("r000001")) == GROWN)
    with unharmed(site, record_property):
        result = site.promote("--image", testbed.new)
    assert result.code == 0, result.err
    assert len(site.members("r000002")) == GROWN
    answer = testbed.cloud.aws("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[site.group("r000002")]
    )
    found = answer["AutoScalingGroups"][0]
    assert (found["MinSize"], found["DesiredCapacity"]) == (2, GROWN)
