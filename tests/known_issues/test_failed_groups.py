"""A new group that never becomes healthy: its leftovers, and their effect on the next deployment.

Known issues 6, 1 and 2. The recipe fails twice and is then cleaned up by hand.
Its deployments are fixtures, so that each test can run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import LONGEST, Site, state_with
from tests.known_issues.recipe import SHORT_WAIT, Recipe, assert_no_failures, count_failures
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.e2e.project import CommandResult
    from tests.e2e.testbed import CloudTestbed
    from tests.known_issues.recipe import Recorder
    from tools.load import Load

pytestmark = [pytest.mark.long, pytest.mark.timeout(2 * LONGEST)]

DEADLINES = {"attach": "3m"}  # three seconds here
ROLLED_BACK = 4


@dataclass(frozen=True, kw_only=True)
class FirstFailure:
    """A deployment by the recipe that failed, under load, and what it left."""

    result: CommandResult
    requests: Load
    groups: frozenset[str]
    members: int
    attached: list[str]


@dataclass(frozen=True, kw_only=True)
class SecondFailure:
    """A second failed deployment by the recipe, what it left, and an attempt to go back."""

    result: CommandResult
    groups: frozenset[str]
    state: list[tuple[str, str]]
    back: CommandResult
    groups_at_end: int


@pytest.fixture(scope="module")
def recipe(testbed: CloudTestbed) -> Recipe:
    made = Recipe.of(testbed, "left", "classic")
    result = made.deploy(testbed.old)
    assert result.code == 0, result.err
    return made


@pytest.fixture(scope="module")
def third(recipe: Recipe) -> str:
    """One more image, whose group becomes as unhealthy as the second one's."""
    ec2 = recipe.testbed.cloud.aws("ec2")
    image: str = ec2.copy_image(
        SourceRegion="us-east-1", SourceImageId=recipe.testbed.new, Name="web-third"
    )["ImageId"]
    eventually(lambda: ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available")
    return image


@pytest.fixture(scope="module")
def first_failure(recipe: Recipe, testbed: CloudTestbed) -> FirstFailure:
    testbed.cloud.client.set_behavior("never-healthy", group=recipe.group(testbed.new))
    with recipe.under_load() as requests:
        result = recipe.deploy(testbed.new, SHORT_WAIT)
    groups = recipe.groups()
    return FirstFailure(
        result=result,
        requests=requests,
        groups=frozenset(groups),
        members=len(groups[recipe.group(testbed.new)]["Instances"]),
        attached=recipe.attached(testbed.new),
    )


@pytest.fixture(scope="module")
def second_failure(
    recipe: Recipe, testbed: CloudTestbed, third: str, first_failure: FirstFailure
) -> SecondFailure:
    assert first_failure.result.code == 1
    for image in (testbed.new, third):
        testbed.cloud.client.set_behavior("never-healthy", group=recipe.group(image))
    result = recipe.deploy(third, SHORT_WAIT)
    groups, state = frozenset(recipe.groups()), sorted(recipe.state())
    back = recipe.deploy(testbed.old)
    testbed.cloud.client.clear_behaviors()
    count = len(recipe.groups())
    return SecondFailure(result=result, groups=groups, state=state, back=back, groups_at_end=count)


@pytest.fixture(scope="module")
def site(testbed: CloudTestbed) -> Site:
    made = testbed.site("cleared", "classic", keep_previous="none", deadlines=DEADLINES)
    result = made.promote("--image", testbed.old)
    assert result.code == 0, result.err
    return made


def test_the_recipe_leaves_a_failed_group_and_its_instances(
    recipe: Recipe, testbed: CloudTestbed, first_failure: FirstFailure, record_property: Recorder
) -> None:
    """terraform-aws-modules/terraform-aws-autoscaling#234."""
    result = first_failure.result
    assert result.code == 1
    assert "want at least 2 healthy instance(s) registered to Load Balancer, have 0" in result.err
    assert first_failure.groups == {recipe.group(testbed.old), recipe.group(testbed.new)}
    assert first_failure.members >= 2
    assert first_failure.attached == [recipe.balancer.name]
    count_failures(first_failure.requests, record_property)


def test_the_recipe_accumulates_failed_groups_and_cannot_go_back(
    recipe: Recipe,
    testbed: CloudTestbed,
    third: str,
    second_failure: SecondFailure,
    record_property: Recorder,
) -> None:
    """hashicorp/terraform#2381, #2083. The state no longer loses the healthy group, as a maintainer
    said there, but has it as "deposed": Terraform will delete it at its next success.
    """
    assert second_failure.result.code == 1
    assert second_failure.groups == {
        recipe.group(image) for image in (testbed.old, testbed.new, third)
    }
    assert ("deposed", recipe.group(testbed.old)) in second_failure.state
    assert ("deposed", recipe.group(testbed.new)) in second_failure.state

    assert second_failure.back.code == 1
    exists = "AlreadyExists: AutoScalingGroup by this name already exists"
    assert exists in second_failure.back.err
    record_property("groups", second_failure.groups_at_end)


@pytest.mark.usefixtures("second_failure")
def test_the_recipe_has_no_group_after_a_cleanup_and_reports_success(
    recipe: Recipe, testbed: CloudTestbed, third: str, record_property: Recorder
) -> None:
    """hashicorp/terraform#17762, traveloka/terraform-aws-autoscaling#17. The plan is made before
    the failed group is cleaned up and applied afterwards, as when a person approves a plan.
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
    assert count_failures(running, record_property) > 0


def test_a_failed_promotion_leaves_nothing_of_its_group(
    site: Site, testbed: CloudTestbed, record_property: Recorder
) -> None:
    """terraform-aws-modules/terraform-aws-autoscaling#234 asks for this."""
    before = site.declared_state()
    testbed.cloud.client.set_behavior("never-healthy", group=site.group(site.next_release))
    with assert_no_failures(site, record_property):
        result = site.promote("--image", site.other_image)
    assert result.code == ROLLED_BACK, result.err
    assert site.state() == before
    record_property("seconds", result.document["seconds"])


def test_the_healthy_group_stays_the_only_one_after_two_failed_promotions(
    site: Site, testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform#2381, #2083."""
    before = site.declared_state()
    for _ in range(2):
        testbed.cloud.client.set_behavior("never-healthy", group=site.group(site.next_release))
        with assert_no_failures(site, record_property):
            result = site.promote("--image", site.other_image)
        assert result.code == ROLLED_BACK, result.err
        assert site.state() == before


def test_a_promotion_serves_all_along_after_a_failed_group_was_deleted_by_hand(
    site: Site, testbed: CloudTestbed, record_property: Recorder
) -> None:
    """hashicorp/terraform#17762. A failed group was kept for debugging and then deleted by hand:
    the next launch forgets it.
    """
    failed, image = site.group(site.next_release), site.other_image
    testbed.cloud.client.set_behavior("never-healthy", group=failed)
    scaling = testbed.cloud.aws("autoscaling")
    with assert_no_failures(site, record_property):
        result = site.promote("--image", image, "--keep-failed")
        assert result.code == ROLLED_BACK, result.err
        scaling.delete_auto_scaling_group(AutoScalingGroupName=failed, ForceDelete=True)
        named = {"AutoScalingGroupNames": [failed]}
        eventually(lambda: scaling.describe_auto_scaling_groups(**named)["AutoScalingGroups"] == [])
        result = site.promote("--image", image)
    assert result.code == 0, result.err
    green = result.document["release"]
    assert site.state() == state_with(green, serving=green)
