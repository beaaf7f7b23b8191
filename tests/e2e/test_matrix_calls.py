"""The matrix, second half: AWS and Terraform fail, throttle or die in the middle of a deployment.

As tests/e2e/test_matrix.py, and apart from it so that two workers share them.
"""

from __future__ import annotations

import pytest

from tests.e2e.deploying import LONGEST
from tests.e2e.matrix import DENIED, DONE, PUT_BACK, REFUSED, Case, RunningDeployment, rare, soon

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST)]

QUICK = {"soak": "1s", "observe": "1s"}
MANY = {"times": 0, "share": 0.3}

# --- Terraform fails ------------------------------------------------------------------------------


def test_a_launch_that_cannot_be_planned_is_refused_and_changes_nothing(case: Case) -> None:
    green = case.green
    case.fault(service="ec2", action="DescribeLaunchTemplates", kind="error-before", **DENIED)
    result = case.promote()
    assert result.code == REFUSED, result.err
    assert "nobody may do that today" in result.document["error"]["what"]
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
def test_a_launch_that_aws_refuses_is_put_back_whatever_was_made(
    case: Case, action: str, kind: str
) -> None:
    service = "ec2" if action.endswith("Template") else "autoscaling"
    case.fault(service=service, action=action, kind=kind, **DENIED)
    case.assert_rolled_back(case.promote(), "launch", "nobody may do that today")


@pytest.mark.rare
def test_a_first_launch_that_aws_refuses_after_it_made_the_group_leaves_nothing(
    first: Case,
) -> None:
    action = "CreateAutoScalingGroup"
    first.fault(service="autoscaling", action=action, kind="error-after", **DENIED)
    first.assert_rolled_back(first.promote_unloaded(), "launch", "nobody may do that today")


@pytest.mark.rare
@pytest.mark.parametrize("kind", ["aws_launch_template", rare("aws_autoscaling_group")])
def test_a_launch_whose_terraform_is_killed_is_put_back(case: Case, kind: str) -> None:
    result = case.promote(f"terraform: creating {kind}", RunningDeployment.kill_terraform)
    case.assert_rolled_back(result, "launch", "terraform apply")


@pytest.mark.parametrize("action", ["DeleteAutoScalingGroup", rare("DeleteLaunchTemplate")])
def test_a_retirement_that_aws_refuses_leaves_green_in_service_and_recover_finishes(
    case: Case, action: str
) -> None:
    service = "ec2" if action.endswith("Template") else "autoscaling"
    case.configure(**QUICK)
    case.fault(service=service, action=action, kind="error-before", **DENIED)
    with case.under_load():
        result = case.promote_unloaded()
        case.assert_needs_attention(result, "retire")
        assert "nobody may do that today" in result.document["reason"]
        result = case.site.run("recover")
    case.assert_finished(result)


@pytest.mark.rare
def test_a_retirement_that_cannot_be_planned_is_finished_by_recover(case: Case) -> None:
    case.configure(**QUICK)

    def deny(_: RunningDeployment) -> None:
        # Once for the plan that is made while the targets drain, once for the one that is needed.
        many = {"times": 0, **DENIED}
        case.fault(service="ec2", action="DescribeLaunchTemplates", kind="error-before", **many)

    with case.under_load():
        result = case.promote_unloaded("drain: at most", deny)
        case.cloud.clear_faults()
        case.assert_needs_attention(result, "retire")
        result = case.site.run("recover")
    case.assert_finished(result)


@pytest.mark.rare
def test_a_retirement_whose_terraform_is_killed_is_finished_by_recover(case: Case) -> None:
    case.configure(**QUICK)
    said = "terraform: deleting aws_autoscaling_group"
    with case.under_load():
        result = case.promote_unloaded(said, RunningDeployment.kill_terraform)
        case.assert_needs_attention(result, "retire")
        result = case.site.run("recover")
    case.assert_finished(result)


# --- AWS throttles and fails ----------------------------------------------------------------------


@pytest.mark.rare
def test_a_promotion_succeeds_though_three_calls_in_ten_are_throttled(case: Case) -> None:
    case.fault(kind="throttle", seed=5, **MANY)
    result = case.promote()
    case.cloud.clear_faults()
    case.assert_promoted(result)


@pytest.mark.rare
def test_a_promotion_ends_well_though_three_answers_in_ten_are_lost(case: Case) -> None:
    """Where Terraform's creation of a group was one of them, it may be put back; never half."""
    case.fault(kind="error-after", seed=5, **MANY)
    result = case.promote()
    case.cloud.clear_faults()
    if result.code == DONE:
        case.assert_promoted(result)
    else:
        case.assert_rolled_back(result, "launch", "AlreadyExists")


@pytest.mark.rare
def test_a_load_balancer_that_does_not_answer_for_a_while_is_waited_for(case: Case) -> None:
    def throttle(_: RunningDeployment) -> None:
        for service in ("elb", "elbv2"):
            case.fault(service=service, kind="throttle", times=0)
        soon(case.cloud.clear_faults, 1.0)  # a minute of the cloud's

    case.configure(soak="30s", observe="1s")
    case.assert_promoted(case.promote("soak: at most", throttle))


def test_a_deployment_is_put_back_though_three_calls_in_ten_are_throttled(case: Case) -> None:
    case.configure(verify=[{"command": ["false"], "timeout": "1m"}])
    case.fault(kind="throttle", seed=6, **MANY)
    result = case.promote()
    case.cloud.clear_faults()
    case.assert_rolled_back(result, "verify", "exit code 1", PUT_BACK)


@pytest.mark.rare
def test_a_rollback_succeeds_though_three_calls_in_ten_are_throttled(case: Case) -> None:
    case.site.configure(keep_previous="next", **QUICK)
    result = case.promote()
    case.assert_result(result, DONE, outcome="promoted")
    case.fault(kind="throttle", seed=7, **MANY)
    with case.under_load():
        result = case.site.run("rollback", "--yes")
    case.cloud.clear_faults()
    case.assert_result(result, DONE, kind="rollback", outcome="promoted", release=case.blue)
    case.assert_unchanged()
