"""A new group that never gets healthy: what is left of it, and what that does to the next deploy.

Issues 6, 1 and 2 of docs/known-issues.md, in the order in which they happen. Two stories, the usual
recipe's and ours, whose parts follow each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST, Site, state_with
from tests.e2e.testbed import CloudTestbed
from tests.known_issues.recipe import HASTY, Recipe, counted, unharmed
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.known_issues.recipe import Noting

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

SICK = {"attach": "3m"}  # three seconds here
PUT_BACK = 4


@pytest.fixture(scope="module")
def recipe(testbed: CloudTestbed) -> Recipe:
    made = Recipe.of(testbed, "left", "classic")
    result = made.deploy(testbed.old)
    assert result.code == 0, result.err
    return made


@pytest.fixture(scope="module")
def third(recipe: Recipe) -> str:
    """An image more, as bad as the second."""
    ec2 = recipe.testbed.cloud.aws("ec2")
    image: str = ec2.copy_image(
        SourceRegion="us-east-1", SourceImageId=recipe.testbed.new, Name="web-third"
    )["ImageId"]
    eventually(lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")
    return image


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("cleared", "classic", keep_previous="none", deadlines=SICK)
    result = made.promote("--image", testbed.old)
    assert result.code == 0, result.err
    return made


def test_the_recipe_leaves_a_failed_group_and_its_instances_behind(
    recipe: Recipe, testbed: CloudTestbed, record_property: Noting
) -> None:
    """terraform-aws-modules/terraform-aws-autoscaling#234."""
    testbed.cloud.client.order("never-healthy", group=recipe.group(testbed.new))
    with recipe.under_load() as running:
        result = recipe.deploy(testbed.new, HASTY)
    assert result.code == 1
    assert "want at least 2 healthy instance(s) registered to Load Balancer, have 0" in result.err
    assert recipe.groups().keys() == {recipe.group(testbed.old), recipe.group(testbed.new)}
    assert len(recipe.groups()[recipe.group(testbed.new)]["Instances"]) >= 2
    assert recipe.attached(testbed.new) == [recipe.balancer.name]
    counted(running, record_property)


def test_the_recipe_piles_failed_groups_up_and_will_not_go_back(
    recipe: Recipe, testbed: CloudTestbed, third: str, record_property: Noting
) -> None:
    """hashicorp/terraform#2381, #2083. The healthy group is not lost from the state any more, as a
    maintainer said there; but it is "deposed": Terraform will destroy it at its next success.
    """
    for image in (testbed.new, third):
        testbed.cloud.client.order("never-healthy", group=recipe.group(image))
    result = recipe.deploy(third, HASTY)
    assert result.code == 1
    assert recipe.groups().keys() == {
        recipe.group(image) for image in (testbed.old, testbed.new, third)
    }
    known = sorted(recipe.state())
    assert ("deposed", recipe.group(testbed.old)) in known
    assert ("deposed", recipe.group(testbed.new)) in known

    back = recipe.deploy(testbed.old)
    assert back.code == 1
    assert "AlreadyExists: AutoScalingGroup by this name already exists" in back.err
    record_property("groups", len(recipe.groups()))


def test_the_recipe_has_no_group_left_after_a_cleaning_up_and_reports_success(
    recipe: Recipe, testbed: CloudTestbed, third: str, record_property: Noting
) -> None:
    """hashicorp/terraform#17762, traveloka/terraform-aws-autoscaling#17. The plan is made before
    the failed group is cleaned up and applied after it, as where somebody approves a plan.
    """
    recipe.remove(testbed.new)
    recipe.image(third)
    planned = recipe.run("plan", "-input=false", "-no-color", "-out=saved")
    assert planned.code == 0, planned.err
    recipe.remove(third)
    assert recipe.groups().keys() == {recipe.group(testbed.old)}
    with recipe.under_load() as running:
        result = recipe.run("apply", "-input=false", "-no-color", "saved")
    assert result.code == 0, result.err
    assert "Apply complete! Resources: 1 added," in result.out
    assert recipe.groups() == {}
    assert counted(running, record_property) > 0


def test_we_leave_nothing_behind_of_a_group_that_failed(
    site: Site, testbed: CloudTestbed, record_property: Noting
) -> None:
    """terraform-aws-modules/terraform-aws-autoscaling#234 asks for just this."""
    testbed.cloud.client.order("never-healthy", group=site.group("r000002"))
    with unharmed(site, record_property):
        result = site.promote("--image", testbed.new)
    assert result.code == PUT_BACK, result.err
    assert site.state() == state_with("r000001", serving="r000001")
    record_property("seconds", result.document["seconds"])


def test_we_fail_twice_in_a_row_and_the_healthy_group_stays_the_only_one(
    site: Site, testbed: CloudTestbed, record_property: Noting
) -> None:
    """hashicorp/terraform#2381, #2083."""
    testbed.cloud.client.order("never-healthy", group=site.group("r000003"))
    with unharmed(site, record_property):
        result = site.promote("--image", testbed.new)
    assert result.code == PUT_BACK, result.err
    assert site.state() == state_with("r000001", serving="r000001")


def test_we_serve_all_along_where_a_failed_group_is_cleaned_up_by_hand_and_then_deploy(
    site: Site, testbed: CloudTestbed, record_property: Noting
) -> None:
    """hashicorp/terraform#17762. A failed group that was kept for a look, and deleted by hand: the
    launch of the next one forgets it.
    """
    failed = site.group("r000004")
    testbed.cloud.client.order("never-healthy", group=failed)
    scaling = testbed.cloud.aws("autoscaling")
    with unharmed(site, record_property):
        result = site.promote("--image", testbed.new, "--keep-failed")
        assert result.code == PUT_BACK, result.err
        scaling.delete_auto_scaling_group(AutoScalingGroupName=failed, ForceDelete=True)
        named = {"AutoScalingGroupNames": [failed]}
        eventually(lambda: scaling.describe_auto_scaling_groups(**named)["AutoScalingGroups"] == [])
        result = site.promote("--image", testbed.new)
    assert result.code == 0, result.err
    green = result.document["release"]
    assert site.state() == state_with(green, serving=green)
