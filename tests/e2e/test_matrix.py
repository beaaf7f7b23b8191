"""The matrix, first half: faults of green, its image, hooks, alarms and signals in a deployment.

Each scenario runs under 100 requests per second, none of which may fail, and ends as declared.
Nothing is left that `status` does not show. A scenario takes ten processor seconds, too long for
every commit. `make matrix` runs the most different ones on the Terraform stand-in. `make e2e` runs
all on real Terraform, and on the stand-in behind each kind of load balancer alone.
"""

from __future__ import annotations

import json
import signal

import pytest

from tests.e2e.matrix import (
    ALARM,
    DONE,
    INTERRUPTED,
    LONG,
    QUICK,
    REFUSED,
    Case,
    RunningDeployment,
    first_failure,
    rare,
)
from tests.e2e.project import wait_for
from tests.e2e.site import LONGEST

pytestmark = [pytest.mark.long, pytest.mark.timeout(LONGEST)]

HOOK = {"at": "before-traffic", "command": ["sleep", "5"], "timeout": "1m"}

# --- success --------------------------------------------------------------------------------------


def test_a_promotion_moves_the_traffic_and_leaves_nothing_of_blue(case: Case) -> None:
    case.assert_promoted(case.promote())


@pytest.mark.rare
def test_green_has_the_size_to_which_blue_grew_before_it_serves_alone(case: Case) -> None:
    scaling, blue = case.site.testbed.cloud.aws("autoscaling"), case.site.group(case.blue)

    def grow(_: RunningDeployment) -> None:
        scaling.set_desired_capacity(AutoScalingGroupName=blue, DesiredCapacity=3)

    case.configure(soak="1m", observe="1s")
    result = case.promote("soak: started", grow)
    case.assert_promoted(result)
    green = result.document["release"]
    assert len(case.site.members(green)) == 3
    scaling.set_desired_capacity(AutoScalingGroupName=case.site.group(green), DesiredCapacity=2)


@pytest.mark.rare
def test_a_rollback_to_the_warm_group_leaves_blue_alone(case: Case) -> None:
    case.site.configure(keep_previous="next", **QUICK)
    result = case.promote()
    case.assert_result(result, DONE, outcome="promoted")
    with case.under_load():
        result = case.site.run("rollback", "--yes", "--wait")
    case.assert_result(result, DONE, kind="rollback", outcome="promoted", release=case.blue)
    case.assert_unchanged()


@pytest.mark.rare
def test_a_rollback_without_a_warm_group_is_a_new_release_of_the_previous_image(case: Case) -> None:
    before = case.image
    with case.under_load():
        result = case.promote_unloaded()
        case.assert_result(result, DONE, outcome="promoted")
        result = case.site.run("rollback", "--yes", "--wait")
    assert result.document["ami_id"] != before
    case.assert_promoted(result, kind="rollback")


# --- failing green --------------------------------------------------------------------------------


@pytest.mark.rare
def test_green_that_never_becomes_healthy_is_rolled_back(case: Case) -> None:
    case.order("never-healthy")
    case.configure(deadlines={"attach": "1m"})
    case.assert_rolled_back(case.promote(), "attach", "gave up after 1m")


@pytest.mark.rare
def test_green_that_boots_past_the_deadline_is_rolled_back(case: Case) -> None:
    case.order("boots-slowly", seconds=3000)
    case.configure(deadlines={"attach": "1m"})
    case.assert_rolled_back(case.promote(), "attach", "gave up after 1m")


@pytest.mark.rare
def test_green_without_capacity_is_rolled_back(case: Case) -> None:
    case.order("no-capacity")
    case.configure(deadlines={"launch": "2m"})
    case.assert_rolled_back(case.promote(), "launch", "a launch failed: ")


@pytest.mark.rare
def test_green_that_lacks_capacity_for_too_long_is_rolled_back(case: Case) -> None:
    case.order("no-capacity")
    case.configure(capacity_timeout="1m")
    case.assert_rolled_back(case.promote(), "launch", "AWS has had no capacity for 1m")


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        ("kms-denied", "Client.InternalError: Client error on launch"),
        pytest.param(
            "unsupported-configuration",
            "The requested configuration is currently not supported",
            marks=pytest.mark.rare,
        ),
        pytest.param("not-free-tier", "not eligible for Free Tier", marks=pytest.mark.rare),
        pytest.param("volume-too-small", "expect size >= 30GB", marks=pytest.mark.rare),
        pytest.param("image-not-allowed", "does not exist", marks=pytest.mark.rare),
        pytest.param(
            "pending-verification",
            "accessing resources in this region is being validated",
            marks=pytest.mark.rare,
        ),
        pytest.param("volume-limit", "Client.VolumeLimitExceeded", marks=pytest.mark.rare),
    ],
)
def test_green_that_ec2_cannot_launch_is_rolled_back_at_once(
    case: Case, behavior: str, reason: str
) -> None:
    case.order(behavior)
    case.assert_rolled_back(case.promote(), "launch", reason)


@pytest.mark.rare
def test_green_whose_instances_shut_themselves_down_is_rolled_back_at_once(case: Case) -> None:
    case.order("exits")
    result = case.promote()
    assert result.document["phase"] in {"launch", "attach"}  # it may be in service for a moment
    case.assert_rolled_back(result, result.document["phase"], "launches and terminates in a loop")


@pytest.mark.rare
def test_green_with_a_flapping_service_is_rolled_back(case: Case) -> None:
    case.order("flaps", seconds=60)
    case.configure(soak="5m", deadlines={"attach": "5m"})
    with case.losing(20):
        result = case.promote_unloaded()
    assert result.document["phase"] in {"attach", "soak"}
    case.assert_rolled_back(result, result.document["phase"], "")


@pytest.mark.parametrize("phase", ["soak", pytest.param("observe", marks=pytest.mark.rare)])
def test_a_member_of_green_that_dies_while_it_serves_causes_a_rollback(
    case: Case, phase: str
) -> None:
    case.configure(**{**QUICK, phase.replace("-", "_"): "10m"})
    green = case.green

    def kill(_: RunningDeployment) -> None:
        one = case.site.members(green)[0]
        case.cloud.set_behavior("dies", instance=one, seconds=0)

    with case.losing(2):
        result = case.promote_unloaded(f"{phase}: started", kill)
    case.assert_rolled_back(result, phase, "became unhealthy while it served")


@pytest.mark.rare
def test_green_that_dies_as_a_whole_after_the_drain_is_replaced_by_blue(case: Case) -> None:
    case.configure(soak="1s", observe="10m")
    green = case.green

    def kill_all(_: RunningDeployment) -> None:
        for one in case.site.members(green):
            case.cloud.set_behavior("dies", instance=one, seconds=0)

    with case.losing(6):
        result = case.promote_unloaded("observe: started", kill_all)
    # Auto Scaling terminates them at the same time; the reason is whichever is observed first.
    case.assert_rolled_back(result, "observe", "")
    reasons = ("became unhealthy while it served", "launches and terminates in a loop")
    assert any(reason in result.document["reason"] for reason in reasons)


@pytest.mark.rare
@pytest.mark.usefixtures("alarm")
def test_green_that_answers_500_despite_passing_checks_is_rolled_back_by_an_alarm(
    case: Case,
) -> None:
    case.order("broken")
    case.configure(soak="10m", alarms=[ALARM])
    with case.losing(5) as running:

        def ring(_: RunningDeployment) -> None:
            first_failure(running)
            set_alarm(case, "ALARM")

        result = case.promote_unloaded("attach: started", ring)
    case.assert_rolled_back(result, "soak", f"{ALARM}: too many")


@pytest.mark.rare
def test_green_that_answers_500_despite_passing_checks_is_promoted_without_an_alarm(
    case: Case,
) -> None:
    """A deployment cannot detect what no health check, hook or alarm detects."""
    case.site.configure(keep_previous="next", **QUICK)
    case.order("broken")
    with case.losing(60):
        result = case.promote_unloaded()
        case.assert_result(result, DONE, outcome="promoted")
        result = case.site.run("rollback", "--yes", "--wait")
    case.assert_result(result, DONE, kind="rollback", outcome="promoted", release=case.blue)
    case.assert_unchanged()


# --- hooks and alarms -----------------------------------------------------------------------------


def test_a_hook_that_fails_keeps_green_detached(case: Case) -> None:
    green = case.site.group(case.green)
    case.configure(
        hooks=[
            {
                "at": "before-traffic",
                "command": ["sh", "-c", "echo no good; exit 7"],
                "timeout": "1m",
            }
        ]
    )
    result = case.promote()
    case.assert_rolled_back(result, "verify", "exit code 7\n| no good")
    kept = case.site.project.folder / ".ami-pipeline/deployments" / result.document["id"]
    entries = [json.loads(path.read_text())["content"] for path in kept.glob("0*.json")]
    attached = {each["facts"]["group"] for each in entries if each["step"] == "attach"}
    assert attached == {case.site.group(case.blue)} != {green}


@pytest.mark.rare
def test_a_hook_that_never_ends_keeps_green_detached(case: Case) -> None:
    case.configure(hooks=[{"at": "before-traffic", "command": ["sleep", "600"], "timeout": "1s"}])
    case.assert_rolled_back(case.promote(), "verify", "did not end within 1s")


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("phase", [pytest.param("soak", marks=pytest.mark.rare), "observe"])
def test_a_firing_alarm_causes_a_rollback(case: Case, phase: str) -> None:
    case.configure(**{**QUICK, phase.replace("-", "_"): "10m"}, alarms=[ALARM])
    result = case.promote(f"{phase}: started", lambda _: set_alarm(case, "ALARM"))
    case.assert_rolled_back(result, phase, f"{ALARM}: too many")


@pytest.fixture
def alarm(case: Case) -> None:
    metric = {"Namespace": "web", "MetricName": "5xx", "Statistic": "Sum", "Period": 60}
    limit = {"EvaluationPeriods": 1, "Threshold": 1.0}
    case.site.testbed.cloud.aws("cloudwatch").put_metric_alarm(
        AlarmName=ALARM, ComparisonOperator="GreaterThanThreshold", **metric, **limit
    )
    set_alarm(case, "OK")


def set_alarm(case: Case, state: str) -> None:
    client = case.site.testbed.cloud.aws("cloudwatch")
    client.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="too many")


# --- signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "phases"),
    [
        rare("terraform: creating aws_launch_template", {"launch"}),
        ("terraform: creating aws_autoscaling_group", {"launch"}),
        rare("before-traffic hook sleep", {"verify"}),
        ("attach: started", {"attach"}),
        rare("soak: started", {"soak"}),
        rare("drain: started", {"drain", "observe"}),
        ("observe: started", {"observe"}),
    ],
)
def test_an_interrupt_rolls_everything_back(case: Case, text: str, phases: set[str]) -> None:
    past = text.startswith(("drain", "observe"))
    hooks = {"hooks": [HOOK]} if text.startswith("before-traffic") else {}
    case.configure(**{**LONG, **({"soak": "1s"} if past else {})}, **hooks)
    result = case.promote(text, lambda running: running.signal(signal.SIGINT))
    assert result.document["phase"] in phases
    case.assert_result(result, INTERRUPTED, interrupted=True)
    case.assert_rolled_back(
        result, result.document["phase"], "interrupted by a signal", INTERRUPTED
    )


@pytest.mark.rare
def test_a_sigterm_acts_like_an_interrupt(case: Case) -> None:
    case.configure(**LONG)
    result = case.promote("soak: started", lambda running: running.signal(signal.SIGTERM))
    case.assert_rolled_back(result, "soak", "interrupted by a signal", INTERRUPTED)


@pytest.mark.rare
def test_an_interrupt_before_anything_was_created_changes_nothing(case: Case) -> None:
    green, history = case.green, case.site.run("history").out
    result = case.promote("terraform plan", lambda running: running.signal(signal.SIGINT))
    assert result.code == INTERRUPTED, result.err
    case.assert_unchanged()
    assert (case.green, case.site.run("history").out) == (green, history)


def test_recover_finishes_after_a_second_interrupt(case: Case) -> None:
    case.configure(**LONG)

    def interrupt_twice(running: RunningDeployment) -> None:
        running.signal(signal.SIGINT)
        wait_for(running.process, "delete: started")
        running.signal(signal.SIGINT)

    with case.under_load():
        result = case.promote_unloaded("soak: started", interrupt_twice)
        case.assert_needs_attention(result, "soak")
        result = case.site.run("recover")
    case.assert_result(result, DONE, outcome="rolled back")
    case.assert_unchanged()


@pytest.mark.rare
def test_an_interrupted_retirement_leaves_green_in_service_and_recover_finishes_it(
    case: Case,
) -> None:
    case.configure(**QUICK)
    text = "terraform: deleting aws_autoscaling_group"
    with case.under_load():
        result = case.promote_unloaded(text, lambda running: running.signal(signal.SIGINT))
        case.assert_needs_attention(result, "retire")
        result = case.site.run("recover")
    case.assert_finished(result)


# --- without a release in service -----------------------------------------------------------------


@pytest.mark.rare
def test_a_first_green_that_never_becomes_healthy_leaves_nothing(first: Case) -> None:
    first.order("never-healthy")
    first.configure(deadlines={"attach": "1m"})
    first.assert_rolled_back(first.promote_unloaded(), "attach", "gave up after 1m")


@pytest.mark.rare
def test_a_first_green_whose_hook_fails_leaves_nothing(first: Case) -> None:
    first.configure(hooks=[{"at": "before-traffic", "command": ["false"], "timeout": "1m"}])
    first.assert_rolled_back(first.promote_unloaded(), "verify", "exit code 1")


@pytest.mark.rare
@pytest.mark.parametrize(
    "text",
    [rare("terraform: creating aws_launch_template"), rare("attach: started"), "soak: started"],
)
def test_an_interrupt_of_a_first_promotion_leaves_nothing(first: Case, text: str) -> None:
    first.configure(**LONG)
    result = first.promote_unloaded(text, lambda running: running.signal(signal.SIGINT))
    first.assert_rolled_back(
        result, result.document["phase"], "interrupted by a signal", INTERRUPTED
    )


def test_a_promotion_is_refused_while_the_serving_group_has_an_instance_refresh(
    case: Case,
) -> None:
    asg = case.site.testbed.cloud.aws("autoscaling")
    named = {"AutoScalingGroupName": case.site.group(case.blue)}
    asg.suspend_processes(**named, ScalingProcesses=["InstanceRefresh"])
    try:
        asg.start_instance_refresh(**named)
        result = case.promote()
        assert "has an active instance refresh" in result.err
        case.assert_result(result, REFUSED)
        case.assert_unchanged()
    finally:
        asg.cancel_instance_refresh(**named)
        asg.resume_processes(**named, ScalingProcesses=["InstanceRefresh"])
