"""How members come into service, stay there and leave."""

from __future__ import annotations

import pytest

from local_cloud.scaling import attachments, launch_and_service, lifecycle, processes, requests
from local_cloud.scaling import group as groups
from local_cloud.scaling.errors import RefusedRequestError
from local_cloud.scaling.model import Activity, Member
from local_cloud.scaling.ports import LifecycleHook
from tests.local_cloud.scaling.fakes import LAUNCHING, TERMINATING, Trial

STOPPED = (
    "At 2026-01-02T03:04:28Z an instance was taken out of service in response to an EC2 health "
    "check indicating it has been terminated or stopped."
)
REPLACES = (
    "At 2026-01-02T03:04:28Z an instance was launched in response to an unhealthy instance "
    "needing to be replaced."
)


def hook(default: str = "ABANDON", timeout: float = 60.0, name: str = "h") -> LifecycleHook:
    return LifecycleHook(name=name, timeout=timeout, default=default)


def balanced(*, health_check_type: str = "ELB", grace: int = 0, delay: float = 0.0) -> Trial:
    trial = Trial()
    trial.settings.health_check_type = health_check_type
    trial.settings.health_check_grace_period = grace
    attachments.attach_at_creation(trial.group, "elbv2", ["tg"])
    trial.ports.delays["tg"] = delay
    return trial


def described(trial: Trial, index: int) -> Activity:
    return trial.group.activities[index]


def refusal(call: pytest.ExceptionInfo[RefusedRequestError]) -> tuple[str, str]:
    return call.value.code, call.value.message


@pytest.mark.parametrize("state", ["stopping", "stopped", "shutting-down", "terminated"])
def test_a_member_that_is_not_running_is_replaced(state: str) -> None:
    trial = Trial()
    trial.with_members(1)
    trial.ports.states["i-1"] = state
    trial.step()
    trial.step(launch_and_service.NOTICED_AFTER)
    assert trial.states()[-1] == "Pending"
    assert trial.members[-1].instance_id == "i-2"
    assert described(trial, -2).cause == STOPPED
    assert described(trial, -1).cause == REPLACES


@pytest.mark.parametrize("process", ["HealthCheck", "ReplaceUnhealthy", "Terminate"])
def test_a_member_that_is_not_running_stays_while_a_process_is_suspended(process: str) -> None:
    trial = Trial()
    trial.with_members(1)
    processes.suspend(trial.group, [process], trial.ports.stamp())
    trial.ports.states["i-1"] = "stopped"
    trial.step()
    trial.step(launch_and_service.NOTICED_AFTER)
    assert trial.states() == ["InService"]
    healthy = process == "HealthCheck"
    assert trial.members[0].health_status == ("Healthy" if healthy else "Unhealthy")


def test_an_instance_that_ends_before_it_is_in_service_cancels_its_launch() -> None:
    trial = Trial()
    trial.want(1)
    trial.step()
    trial.ports.states["i-1"] = "terminated"
    trial.step()
    launch = described(trial, 0)
    assert launch.status_code == "Cancelled"
    assert launch.status_message == (
        "Instance became unhealthy while waiting for instance to be in InService state. "
        "Termination Reason: Client.UserInitiatedShutdown: User initiated shutdown"
    )
    assert trial.states() == []
    trial.step(20)
    assert trial.states() == ["Pending"]


def test_a_hook_holds_a_new_member_until_it_is_completed() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {LAUNCHING: [hook()]}
    trial.want(1)
    trial.run()
    assert trial.states() == ["Pending:Wait"]
    assert trial.newest().status_code == "MidLifecycleAction"
    action = lifecycle.active(trial.group, "h", token=None, instance="i-1")
    assert action
    assert lifecycle.active(trial.group, "h", token=action.token, instance=None) is action
    action.result = "CONTINUE"
    trial.step()
    assert trial.states() == ["InService"]
    assert lifecycle.active(trial.group, "h", token=action.token, instance=None) is None


def test_a_hook_that_times_out_abandons_the_launch_by_default() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {LAUNCHING: [hook(timeout=30)]}
    trial.want(1)
    trial.run()
    trial.step(29)
    assert trial.states() == ["Pending:Wait"]
    trial.step(2)
    launch = described(trial, 0)
    assert trial.states() == ["Terminating"]
    assert launch.status_code == "Cancelled"
    assert str(launch.status_message).startswith("Instance failed to complete user's Lifecycle")
    assert launch.description.endswith("was abandoned: Heartbeat Timeout")
    trial.step(20)
    assert trial.states() == ["Terminating", "Pending"]


def test_a_hook_that_times_out_with_continue_lets_the_member_in() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {LAUNCHING: [hook("CONTINUE", 30)]}
    trial.want(1)
    trial.run()
    trial.step(31)
    assert trial.states() == ["InService"]


def test_a_heartbeat_extends_a_hook_by_its_timeout() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {LAUNCHING: [hook(timeout=30)]}
    trial.want(1)
    trial.run()
    trial.step(20)
    action = lifecycle.active(trial.group, "h", token=None, instance="i-1")
    assert action
    lifecycle.record_heartbeat(action, trial.ports.now)
    trial.step(29)
    assert trial.states() == ["Pending:Wait"]
    trial.step(2)
    assert trial.states() == ["Terminating"]


def test_every_hook_of_a_launch_must_complete() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {LAUNCHING: [hook(name="h"), hook(name="i")]}
    trial.want(1)
    trial.run()
    for name, state in (("h", "Pending:Wait"), ("i", "InService")):
        action = lifecycle.active(trial.group, name, token=None, instance="i-1")
        assert action
        action.result = "CONTINUE"
        trial.step()
        assert trial.states() == [state]


def test_a_hook_holds_a_member_on_its_way_out() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {TERMINATING: [hook("CONTINUE", 30)]}
    trial.with_members(1)
    trial.want(0)
    trial.step()
    assert (trial.states(), trial.ports.states["i-1"]) == (["Terminating:Wait"], "running")
    trial.step(31)
    assert (trial.states(), trial.ports.states["i-1"]) == (["Terminating:Proceed"], "shutting-down")


def test_an_abandoned_termination_keeps_the_instance_if_the_group_retains_it() -> None:
    trial = Trial()
    trial.settings.instance_lifecycle_policy = {
        "RetentionTriggers": {"TerminateHookAbandon": "retain"}
    }
    trial.ports.lifecycle_hooks = {TERMINATING: [hook("ABANDON", 30)]}
    trial.with_members(1)
    trial.want(0)
    trial.step()
    trial.step(31)
    assert (trial.states(), trial.ports.states["i-1"]) == (["Terminating:Retained"], "running")
    trial.run()
    assert (trial.states(), trial.group.capacity) == (["Terminating:Retained"], 0)
    now = trial.ports.now
    requests.terminate(trial.group, trial.members[0], trial.ports, now, fewer=False)
    trial.run()
    assert trial.states() == []


def test_a_forced_deletion_terminates_members_held_by_hooks() -> None:
    trial = Trial()
    trial.ports.lifecycle_hooks = {TERMINATING: [hook()]}
    trial.with_members(1)
    trial.want(0)
    trial.step()
    groups.delete(trial.group, trial.ports, trial.ports.now, force=True)
    trial.run()
    assert trial.states() == []


def test_a_member_is_registered_before_it_is_in_service() -> None:
    trial = balanced()
    trial.with_members(2)
    assert trial.ports.targets["tg"] == {"i-1": "initial", "i-2": "initial"}


def test_a_member_launched_while_addtoloadbalancer_is_suspended_is_never_added() -> None:
    trial = balanced()
    processes.suspend(trial.group, ["AddToLoadBalancer"], trial.ports.stamp())
    trial.with_members(1)
    processes.resume(trial.group, [])
    trial.step()
    assert trial.ports.targets.get("tg", {}) == {}


def test_a_member_that_a_load_balancer_finds_unhealthy_is_replaced() -> None:
    trial = balanced()
    trial.with_members(1)
    trial.ports.targets["tg"]["i-1"] = "unhealthy"
    trial.step()
    assert described(trial, -2).cause == (
        "At 2026-01-02T03:04:08Z an instance was taken out of service in response to an ELB "
        "system health check failure."
    )
    assert trial.states() == ["Terminating", "Pending"]


@pytest.mark.parametrize("state", ["initial", "unused", "unavailable", "draining"])
def test_only_unhealthy_counts_as_unhealthy(state: str) -> None:
    trial = balanced()
    trial.with_members(1)
    trial.ports.targets["tg"]["i-1"] = state
    trial.step()
    assert trial.states() == ["InService"]


def test_a_group_of_type_ec2_ignores_load_balancers() -> None:
    trial = balanced(health_check_type="EC2")
    trial.with_members(1)
    trial.ports.targets["tg"]["i-1"] = "unhealthy"
    trial.step(1000)
    assert trial.states() == ["InService"]


def test_the_grace_period_begins_when_the_member_is_in_service() -> None:
    trial = balanced(grace=100)
    trial.want(1)
    trial.step(500)
    trial.run()
    trial.ports.targets["tg"]["i-1"] = "unhealthy"
    trial.step(99)
    assert trial.states() == ["InService"]
    trial.step(2)
    assert trial.states() == ["Terminating", "Pending"]


def test_a_stopped_member_is_replaced_within_the_grace_period() -> None:
    trial = balanced(grace=1000)
    trial.with_members(1)
    trial.ports.states["i-1"] = "stopped"
    trial.step()
    trial.step(launch_and_service.NOTICED_AFTER)
    assert trial.states() == ["Terminating", "Pending"]


def test_the_next_health_check_finds_a_member_that_is_not_running() -> None:
    trial = Trial()
    trial.with_members(1)
    trial.ports.states["i-1"] = "stopped"
    trial.step()
    trial.step(launch_and_service.NOTICED_AFTER - 1)
    assert trial.states() == ["InService"]
    trial.step(2)
    assert trial.states() == ["Terminating", "Pending"]


def test_a_member_that_runs_again_before_it_was_noticed_stays() -> None:
    trial = Trial()
    trial.with_members(1)
    for state, seconds in (
        ("stopped", launch_and_service.NOTICED_AFTER - 1),
        ("running", 1),
        ("stopped", 1),
    ):
        trial.ports.states["i-1"] = state
        trial.step()
        trial.step(seconds)
    assert trial.states() == ["InService"]


def test_a_leaving_member_is_deregistered_and_drained_before_it_is_terminated() -> None:
    trial = balanced(delay=300)
    trial.with_members(1)
    trial.want(0)
    trial.step()
    assert trial.ports.targets["tg"] == {"i-1": "draining"}
    assert trial.ports.states["i-1"] == "running"
    assert trial.newest().status_code == "WaitingForELBConnectionDraining"
    assert trial.newest().description == (
        "Terminating EC2 instance: i-1 - Waiting For ELB Connection Draining."
    )
    del trial.ports.targets["tg"]["i-1"]
    trial.step()
    assert trial.ports.states["i-1"] == "shutting-down"
    assert trial.newest().status_code == "InProgress"
    assert trial.newest().description == "Terminating EC2 instance: i-1"


def test_a_source_that_still_lists_a_member_is_not_drained() -> None:
    trial = balanced(delay=300)
    trial.with_members(1)
    trial.want(0)
    trial.step()
    trial.ports.targets["tg"]["i-1"] = "healthy"
    trial.step()
    assert trial.ports.states["i-1"] == "running"


def test_draining_is_bounded_by_the_delay() -> None:
    trial = balanced(delay=300)
    trial.with_members(1)
    trial.want(0)
    trial.step()
    trial.step(311)
    assert trial.ports.states["i-1"] == "shutting-down"


def test_a_forced_deletion_does_not_wait_for_draining() -> None:
    trial = balanced(delay=300)
    trial.with_members(1)
    groups.delete(trial.group, trial.ports, trial.ports.now, force=True)
    trial.step()
    assert trial.ports.states["i-1"] == "shutting-down"


@pytest.mark.parametrize(("fewer", "states"), [(True, []), (False, ["Pending"])])
def test_a_user_terminates_a_member(states: list[str], *, fewer: bool) -> None:
    trial = Trial()
    (member,) = trial.with_members(1)
    activity = requests.terminate(trial.group, member, trial.ports, trial.ports.now, fewer=fewer)
    change = ", shrinking the capacity from 1 to 0." if fewer else "."
    assert activity.description == "Terminating EC2 instance: i-1"
    assert activity.cause == (
        "At 2026-01-02T03:04:07Z instance i-1 was taken out of service in response to a user "
        f"request{change}"
    )
    assert (activity.status_code, activity.progress) == ("InProgress", 0)
    trial.step()
    assert trial.states() == ["Terminating", *states]


def test_the_minimum_forbids_a_termination_that_lowers_the_capacity() -> None:
    trial = Trial()
    (member,) = trial.with_members(1)
    trial.settings.min_size = 1
    with pytest.raises(RefusedRequestError) as refused:
        requests.terminate(trial.group, member, trial.ports, 0.0, fewer=True)
    assert refusal(refused)[0] == "ValidationError"
    assert refusal(refused)[1].startswith("Currently, desiredSize equals minSize (1).")


def test_a_detached_member_drains_and_keeps_running() -> None:
    trial = balanced(delay=300)
    trial.with_members(1)
    (activity,) = requests.detach(trial.group, ["i-1"], trial.ports, 3.0, fewer=True)
    trial.step()
    assert trial.states() == ["Detaching"]
    trial.ports.targets["tg"].clear()
    trial.step()
    assert (trial.states(), trial.ports.released) == ([], ["i-1"])
    assert trial.ports.states["i-1"] == "running"
    assert activity.description == "Detaching EC2 instance: i-1"
    assert activity.cause == (
        "At 2026-01-02T03:04:07Z instance i-1 was detached in response to a user request, "
        "shrinking the capacity from 1 to 0."
    )


def test_a_member_goes_to_standby_and_comes_back() -> None:
    trial = balanced(delay=300)
    trial.with_members(1)
    (activity,) = requests.enter_standby(trial.group, ["i-1"], trial.ports, 3.0, fewer=True)
    trial.step()
    assert (trial.states(), trial.settings.desired_capacity) == (["EnteringStandby"], 0)
    assert activity.description.startswith("Moving EC2 instance to Standby: i-1")
    trial.ports.targets["tg"].clear()
    trial.step()
    assert trial.states() == ["Standby"]
    (activity,) = requests.exit_standby(trial.group, ["i-1"], trial.ports)
    assert (trial.states(), trial.settings.desired_capacity) == (["Pending"], 1)
    assert (activity.status_code, activity.progress) == ("PreInService", 30)
    trial.step()
    assert trial.states() == ["InService"]
    assert trial.ports.targets["tg"] == {"i-1": "initial"}


def test_standby_without_lowering_the_capacity_launches_another() -> None:
    trial = Trial()
    trial.with_members(1)
    requests.enter_standby(trial.group, ["i-1"], trial.ports, 3.0, fewer=False)
    trial.step()
    assert trial.states() == ["Standby", "Pending"]


def test_standby_is_not_health_checked() -> None:
    trial = Trial()
    trial.with_members(1)
    requests.enter_standby(trial.group, ["i-1"], trial.ports, 3.0, fewer=True)
    trial.step()
    trial.ports.states["i-1"] = "stopped"
    trial.step()
    assert trial.states() == ["Standby"]


def test_only_members_in_service_go_to_standby() -> None:
    trial = Trial()
    trial.want(1)
    trial.step()
    with pytest.raises(RefusedRequestError) as refused:
        requests.enter_standby(trial.group, ["i-1"], trial.ports, 0.0, fewer=True)
    assert refusal(refused) == ("ValidationError", "The instance i-1 is not in InService.")


def test_only_members_in_service_or_standby_can_be_protected() -> None:
    trial = Trial()
    trial.want(1)
    trial.step()
    with pytest.raises(RefusedRequestError) as refused:
        requests.protect(trial.group, ["i-1"], protected=True)
    assert "not in InService or EnteringStandby or Standby" in refusal(refused)[1]
    with pytest.raises(RefusedRequestError) as refused:
        requests.protect(trial.group, ["i-9"], protected=True)
    assert refusal(refused)[1] == "The instance i-9 is not part of Auto Scaling group web."


@pytest.mark.parametrize(("respect", "count"), [(True, 1), (False, 2)])
def test_set_instance_health_respects_the_grace_period_by_default(
    count: int, *, respect: bool
) -> None:
    trial = Trial()
    trial.settings.health_check_grace_period = 300
    (member,) = trial.with_members(1)
    requests.set_health(
        trial.group, member, trial.ports, trial.ports.now, healthy=False, respect=respect
    )
    trial.step()
    assert len(trial.members) == count


def test_set_instance_health_has_the_words_of_aws() -> None:
    trial = Trial()
    (member,) = trial.with_members(1)
    requests.set_health(
        trial.group, member, trial.ports, trial.ports.now, healthy=False, respect=True
    )
    trial.step()
    assert described(trial, -2).cause == (
        "At 2026-01-02T03:04:08Z an instance was taken out of service in response to a user "
        "health-check."
    )


@pytest.mark.parametrize(
    ("state", "target"),
    [
        ("Pending", "InService"),
        ("InService", "InService"),
        ("Terminating:Wait", "Terminated"),
        ("Detaching", "Detached"),
        ("EnteringStandby", "Standby"),
        ("Warmed:Pending:Wait", "Warmed:Running"),
        ("Warmed:Stopped", "Warmed:Stopped"),
    ],
)
def test_a_member_moves_to_a_steady_state(state: str, target: str) -> None:
    member = Member(
        instance_id="i-1",
        instance_type="t3.micro",
        availability_zone="us-east-1a",
        subnet=None,
        auto_scaling_group_name="g",
        launched=0.0,
        lifecycle_state=state,
    )
    assert lifecycle.target_state(member) == target
