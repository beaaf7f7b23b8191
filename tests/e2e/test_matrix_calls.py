"""The matrix, second half: AWS and Terraform fail, throttle or die in the middle of a deployment.

Like tests/e2e/test_matrix.py; a separate file, so that two workers share the scenarios.
"""

from __future__ import annotations

import pytest

from tests.e2e.matrix import (
    DENIED,
    DONE,
    QUICK,
    REFUSED,
    ROLLED_BACK,
    Case,
    RunningDeployment,
    rare,
    soon,
)
from tests.e2e.site import LONGEST

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST)]

MANY = {"times": 0, "share": 0.3}

# --- Terraform fails ------------------------------------------------------------------------------


def test_a_launch_that_cannot_be_planned_is_refused_and_changes_nothing(case: Case) -> None:
    green = case.green
    case.fault(service="ec2", action="DescribeLaunchTemplates", kind="error-before", **DENIED)
    result = case.promote()
    assert result.code == REFUSED, result.err
    assert "denied by this test" in result.document["error"]["what"]
    case.assert_unchanged()
    assert case.green == green


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        rare("CreateLaunchTemplate", "error-before"),
        ("CreateLaunchTemplate", "error-after"),
        rare("CreateAutoScalingGroup", "error-before"),
        rare("CreateAutoScalingGroup", "error-after"),
        rare("EnableMetricsCollection", "error-before"),
    ],
)
def test_a_launch_that_aws_refuses_is_rolled_back_whatever_was_created(
    case: Case, action: str, kind: str
) -> None:
    service = "ec2" if action.endswith("Template") else "autoscaling"
    case.fault(service=service, action=action, kind=kind, **DENIED)
    case.assert_rolled_back(case.promote(), "launch", "denied by this test")


@pytest.mark.rare
def test_a_first_launch_that_aws_refuses_after_creating_the_group_leaves_nothing(
    first: Case,
) -> None:
    action = "CreateAutoScalingGroup"
    first.fault(service="autoscaling", action=action, kind="error-after", **DENIED)
    first.assert_rolled_back(first.promote_unloaded(), "launch", "denied by this test")


@pytest.mark.rare
@pytest.mark.parametrize("kind", ["aws_launch_template", rare("aws_autoscaling_group")])
def test_a_launch_whose_terraform_is_killed_is_rolled_back(case: Case, kind: str) -> None:
    result = case.promote(f"terraform: creating {kind}", RunningDeployment.kill_terraform)
    case.assert_rolled_back(result, "launch", "terraform apply")


@pytest.mark.parametrize("action", ["DeleteAutoScalingGroup", rare("DeleteLaunchTemplate")])
def test_a_retirement_that_aws_refuses_leaves_green_in_service_and_recover_finishes_it(
    case: Case, action: str
) -> None:
    service = "ec2" if action.endswith("Template") else "autoscaling"
    case.configure(**QUICK)
    case.fault(service=service, action=action, kind="error-before", **DENIED)
    with case.under_load():
        result = case.promote_unloaded()
        case.assert_needs_attention(result, "retire")
        assert "denied by this test" in result.document["reason"]
        result = case.site.run("recover")
    case.assert_finished(result)


@pytest.mark.rare
def test_recover_finishes_a_retirement_that_cannot_be_planned(case: Case) -> None:
    case.configure(**QUICK)

    def deny(_: RunningDeployment) -> None:
        # Once for the plan in the background while the targets drain, once for the needed plan.
        many = {"times": 0, **DENIED}
        case.fault(service="ec2", action="DescribeLaunchTemplates", kind="error-before", **many)

    with case.under_load():
        result = case.promote_unloaded("drain: started", deny)
        case.cloud.clear_faults()
        case.assert_needs_attention(result, "retire")
        result = case.site.run("recover")
    case.assert_finished(result)


@pytest.mark.rare
def test_recover_finishes_a_retirement_whose_terraform_is_killed(case: Case) -> None:
    case.configure(**QUICK)
    text = "terraform: deleting aws_autoscaling_group"
    with case.under_load():
        result = case.promote_unloaded(text, RunningDeployment.kill_terraform)
        case.assert_needs_attention(result, "retire")
        result = case.site.run("recover")
    case.assert_finished(result)


# --- AWS throttles and fails ----------------------------------------------------------------------


@pytest.mark.rare
def test_a_promotion_succeeds_with_three_calls_in_ten_throttled(case: Case) -> None:
    case.fault(kind="throttle", seed=5, **MANY)
    result = case.promote()
    case.cloud.clear_faults()
    case.assert_promoted(result)


@pytest.mark.rare
def test_a_promotion_ends_cleanly_with_three_responses_in_ten_lost(case: Case) -> None:
    """If the response to a group's creation is lost, a rollback is correct; a half-way state never
    is.
    """
    case.fault(kind="error-after", seed=5, **MANY)
    result = case.promote()
    case.cloud.clear_faults()
    if result.code == DONE:
        case.assert_promoted(result)
    else:
        case.assert_rolled_back(result, "launch", "AlreadyExists")


@pytest.mark.rare
def test_a_load_balancer_that_does_not_respond_for_a_while_is_waited_for(case: Case) -> None:
    def throttle(_: RunningDeployment) -> None:
        for service in ("elb", "elbv2"):
            case.fault(service=service, kind="throttle", times=0)
        soon(case.cloud.clear_faults, 1.0)  # a minute of the cloud's time

    case.configure(soak="30s", observe="1s")
    case.assert_promoted(case.promote("soak: started", throttle))


def test_a_rollback_of_a_promotion_succeeds_with_three_calls_in_ten_throttled(case: Case) -> None:
    case.configure(hooks=[{"at": "before-traffic", "command": ["false"], "timeout": "1m"}])
    case.fault(kind="throttle", seed=6, **MANY)
    result = case.promote()
    case.cloud.clear_faults()
    case.assert_rolled_back(result, "verify", "exit code 1", ROLLED_BACK)


@pytest.mark.rare
def test_a_rollback_succeeds_with_three_calls_in_ten_throttled(case: Case) -> None:
    case.site.configure(keep_previous="next", **QUICK)
    result = case.promote()
    case.assert_result(result, DONE, outcome="promoted")
    case.fault(kind="throttle", seed=7, **MANY)
    with case.under_load():
        result = case.site.run("rollback", "--yes", "--wait")
    case.cloud.clear_faults()
    case.assert_result(result, DONE, kind="rollback", outcome="promoted", release=case.blue)
    case.assert_unchanged()
