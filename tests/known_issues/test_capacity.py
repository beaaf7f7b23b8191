"""The size of the new group if the old one had grown: known issue 9."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST
from tests.e2e.testbed import CloudTestbed
from tests.known_issues.recipe import Recipe, assert_no_failures, count_failures
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Recorder

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

GROWN = 4


def test_the_recipe_shrinks_to_the_minimum_under_the_load_for_which_the_group_had_grown(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform-provider-aws#20110, cloudcaptainsh/cloudcaptain#230 (five old instances,
    two new ones), ansible/ansible#30400 (three of ten instances remained).
    """
    recipe = Recipe.of(testbed, "grown", "classic")
    assert recipe.deploy(testbed.old).code == 0
    testbed.cloud.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=recipe.group(testbed.old), DesiredCapacity=GROWN
    )
    eventually(lambda: len(recipe.in_service(testbed.old)) == GROWN)
    with recipe.under_load() as running:
        result = recipe.deploy(testbed.new)
    assert result.code == 0, result.err
    assert len(recipe.in_service(testbed.new)) == 2
    count_failures(running, record_property)


def test_ami_pipeline_gives_the_new_group_the_size_of_the_old_one(
    testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform-provider-aws#20110. The configured minimum is restored at the end."""
    site = testbed.site("grown-too", "classic", keep_previous="none")
    assert site.promote("--image", testbed.old).code == 0
    testbed.cloud.aws("autoscaling").set_desired_capacity(
        AutoScalingGroupName=site.group("r000001"), DesiredCapacity=GROWN
    )
    eventually(lambda: len(site.members("r000001")) == GROWN)
    with assert_no_failures(site, record_property):
        result = site.promote("--image", testbed.new)
    assert result.code == 0, result.err
    assert len(site.members("r000002")) == GROWN
    answer = testbed.cloud.aws("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[site.group("r000002")]
    )
    found = answer["AutoScalingGroups"][0]
    assert (found["MinSize"], found["DesiredCapacity"]) == (2, GROWN)
