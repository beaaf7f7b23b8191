"""The serving group was deleted, or its document was lost: the command that `status` shows helps.

tests/core/deploy/test_lost_groups.py decides and sweeps these cases. Here AWS and Terraform are
real programs.
"""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.matrix import DONE, LONG, REFUSED, ROLLED_BACK, Case, kill, newest_release
from tests.e2e.site import LONGEST, state_with, wait_for_exit
from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.e2e.project import CommandResult

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST)]


def delete(case: Case, *releases: str, wait: bool = True) -> None:
    scaling = case.site.testbed.cloud.aws("autoscaling")
    names = [case.site.group(each) for each in releases]
    for name in names:
        scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    def gone() -> bool:
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=names)
        return not found["AutoScalingGroups"]

    if wait:
        eventually(gone, within=60)


def typed(case: Case, *expected: str) -> CommandResult:
    """Run the command that `status` shows."""
    case.configure()
    now = case.site.status()["next"]
    program, verb, option, environment, *rest = shlex.split(now)
    assert (program, option, environment) == ("ami-pipeline", "-e", case.site.environment)
    assert (verb, *rest) == expected
    return case.site.run(verb, "--yes", *rest)


def image_of(case: Case, release: str) -> str:
    content: dict[str, Any] = case.site.document()["content"]
    found: str = content["releases"][release]["release"]["ami_id"]
    return found


@pytest.mark.parametrize("wait", [True, False], ids=["gone", "being deleted"])
def test_the_image_of_a_deleted_serving_group_serves_again(case: Case, wait: bool) -> None:
    image = image_of(case, case.blue)
    delete(case, case.blue, wait=wait)
    result = typed(case, "promote", "--image", image)
    case.assert_result(result, DONE, outcome="promoted", ami_id=image)
    assert case.site.document()["content"]["serving"] == newest_release(case)
    green = newest_release(case)
    assert "deleted outside ami-pipeline" in result.err
    assert case.site.state() == state_with(green, serving=green)
    assert case.site.document()["content"]["retired"][0]["release"] == case.blue
    again = case.site.run("promote", "--yes", "--image", image)
    case.assert_result(again, DONE, outcome="unchanged", release=green)


def test_one_command_restores_service_after_both_groups_were_deleted_in_mid_deployment(
    case: Case,
) -> None:
    case.configure(**LONG)
    case.promote_unloaded("soak: started", kill)
    image, dead = image_of(case, case.blue), newest_release(case)
    delete(case, case.blue, dead)
    result = typed(case, "promote", "--image", image)
    case.assert_result(result, DONE, outcome="promoted", ami_id=image)
    green = newest_release(case)
    assert green not in {case.blue, dead}
    assert case.site.state() == state_with(green, serving=green)


def test_recover_reports_that_nothing_serves_and_shows_a_command(case: Case) -> None:
    case.configure(**LONG)
    case.promote_unloaded("soak: started", kill)
    image = image_of(case, case.blue)
    delete(case, case.blue, newest_release(case))
    case.configure()
    result = case.site.run("recover")
    case.assert_result(result, ROLLED_BACK, outcome="rolled back")
    assert (
        result.document["rollback_error"]
        == f"the group of {case.blue} does not exist, and no managed release serves"
    )
    assert case.site.state() == state_with(serving="")
    result = typed(case, "promote", "--image", image)
    case.assert_result(result, DONE, outcome="promoted", ami_id=image)
    assert case.site.document()["content"]["serving"] == newest_release(case)


def test_a_warm_group_serves_within_seconds_and_no_image_is_quarantined(
    case: Case,
) -> None:
    case.site.configure(keep_previous="next", soak="1s", observe="1s")
    result = case.promote_unloaded()
    case.assert_result(result, DONE, outcome="promoted")
    delete(case, newest_release(case))
    result = typed(case, "rollback")
    case.assert_result(result, DONE, outcome="promoted", release=case.blue)
    assert [each["name"] for each in result.document["phases"]] == ["reattach", "delete"]
    assert case.site.state() == state_with(case.blue, serving=case.blue)
    past = case.site.document()["content"]["retired"]
    assert [each["quarantined"] for each in past] == [False] * len(past)


def test_a_deleted_warm_group_does_not_prevent_a_promotion(case: Case) -> None:
    case.site.configure(keep_previous="next", soak="1s", observe="1s")
    case.assert_result(case.promote_unloaded(), DONE, outcome="promoted")
    delete(case, case.blue)
    case = Case(site=case.site)
    result = case.promote()
    case.assert_promoted(result)


@pytest.mark.timeout(3 * LONGEST)
@pytest.mark.parametrize("state", [True, False], ids=["state is lost, too", "state is kept"])
def test_a_lost_document_is_rebuilt_and_the_next_promotion_and_rollback_go_on(
    case: Case, state: bool
) -> None:
    site = case.site
    site.configure()
    assert site.promote("--image", site.other_image, "--allow-quarantined").code == 0
    before, store = site.content, site.path.parent.parent
    site.path.unlink()
    for lost in ("deployments", ".versions", *(["terraform"] if state else [])):
        shutil.rmtree(store / lost)
    rebuild = ("state", "rebuild", "-e", site.environment)
    assert site.status()["next"] == f"ami-pipeline {shlex.join(rebuild)}"
    for verb in ("promote", "rollback"):
        refused = site.run(verb, "--yes")
        assert refused.code == REFUSED, refused.err
        assert f"ami-pipeline {shlex.join(rebuild)}" in refused.err
    done = wait_for_exit(site.project.start("--output", "json", *rebuild, "--yes"))
    assert done.code == 0, done.err
    assert (done.document["serving"], site.serving) == (before["serving"],) * 2
    assert site.content["next"] == before["next"]
    again = wait_for_exit(site.project.start(*rebuild, "--yes"))
    assert (again.code, "only a lost one is rebuilt" in again.err) == (REFUSED, True)
    assert site.state() == state_with(*before["releases"], serving=before["serving"])
    with site.under_load():
        back = site.run("rollback", "--yes", "--wait")
        assert back.code == 0, back.err
        forth = site.promote("--image", site.other_image, "--allow-quarantined")
        assert forth.code == 0, forth.err
    assert site.next_release == f"r{before['next'] + 1:06}"


@pytest.mark.timeout(3 * LONGEST)
def test_terraforms_lost_state_gets_scaling_policies_and_schedules_back(first: Case) -> None:
    site = first.site
    site.configure()
    inputs = f"environments.{site.environment}.terraform.inputs"
    with (site.project.folder / "pipeline.toml").open("a") as file:
        file.write(f'[{inputs}.scaling_policies.cpu]\nmetric = "cpu"\ntarget = 50\n')
    assert site.promote("--image", site.other_image, "--allow-quarantined").code == 0
    shutil.rmtree(site.path.parent.parent)
    rebuild = ("state", "rebuild", "-e", site.environment, "--yes")
    done = wait_for_exit(site.project.start("--output", "json", *rebuild))
    assert done.code == 0, done.err
    assert "importing aws_autoscaling_policy" in done.err
    again = site.promote("--image", site.other_image, "--allow-quarantined")
    assert again.code == 0, again.err
