"""What a group does next, told by a ports that tests write."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from local_cloud.scaling import capacity, processes
from local_cloud.scaling import group as groups
from local_cloud.scaling.ports import LaunchRefusedError
from tests.local_cloud.scaling.fakes import FakePorts, Trial

GONE = "The image id '[ami-1]' does not exist"
FULL = "We currently do not have sufficient t3.micro capacity in the Availability Zone (a)."


def test_a_launch_is_pending_until_ec2_says_running() -> None:
    trial = Trial()
    trial.want(2)
    trial.step()
    assert trial.states() == ["Pending", "Pending"]
    assert [m.health_status for m in trial.members] == ["Healthy", "Healthy"]
    assert not trial.step()
    trial.ports.states["i-1"] = "running"
    trial.step()
    assert trial.states() == ["InService", "Pending"]


def test_the_activity_of_a_launch_has_the_words_of_aws() -> None:
    trial = Trial()
    trial.want(2, capacity.BY_CREATION)
    trial.step()
    activity = trial.newest()
    assert activity.description == "Launching a new EC2 instance: i-2"
    assert activity.cause == (
        "At 2026-01-02T03:04:05Z a user request created an AutoScalingGroup changing the desired "
        "capacity from 0 to 2.  At 2026-01-02T03:04:06Z an instance was started in response to a "
        "difference between desired and actual capacity, increasing the capacity from 0 to 2."
    )
    assert activity.details == '{"Subnet ID":"subnet-b","Availability Zone":"b"}'
    assert (activity.status_code, activity.end_time) == ("PreInService", None)
    trial.run()
    assert (activity.status_code, activity.progress) == ("Successful", 100)
    assert activity.end_time is not None


def test_launches_are_spread_over_the_zones() -> None:
    trial = Trial(ports=FakePorts(zones=("a", "b", "c")))
    trial.with_members(5)
    assert sorted(m.availability_zone for m in trial.members) == ["a", "a", "b", "b", "c"]


def test_scale_in_has_the_words_of_aws_and_takes_from_the_fullest_zone() -> None:
    trial = Trial()
    trial.with_members(3)
    trial.want(2)
    trial.step()
    assert trial.states() == ["Terminating", "InService", "InService"]
    assert trial.newest().description == "Terminating EC2 instance: i-1"
    assert trial.newest().cause == (
        "At 2026-01-02T03:04:07Z a user request explicitly set group desired capacity changing "
        "the desired capacity from 3 to 2.  At 2026-01-02T03:04:08Z an instance was taken out of "
        "service in response to a difference between desired and actual capacity, shrinking the "
        "capacity from 3 to 2.  At 2026-01-02T03:04:08Z instance i-1 was selected for termination."
    )


def test_a_terminating_member_is_listed_until_ec2_says_terminated() -> None:
    trial = Trial()
    trial.with_members(1)
    trial.want(0)
    trial.step()
    assert (trial.states(), trial.ports.states["i-1"]) == (["Terminating"], "shutting-down")
    assert trial.newest().end_time is None
    trial.ports.states["i-1"] = "terminated"
    trial.step()
    assert trial.states() == []
    assert trial.newest().status_code == "Successful"


def test_members_protected_from_scale_in_stay() -> None:
    trial = Trial()
    first, second = trial.with_members(2)
    first.protected_from_scale_in = True
    trial.want(0)
    trial.step()
    assert [m.lifecycle_state for m in (first, second)] == ["InService", "Terminating"]


@pytest.mark.parametrize(("process", "from_", "to"), [("Launch", 0, 2), ("Terminate", 2, 0)])
def test_a_suspended_process_waits_until_it_is_resumed(process: str, from_: int, to: int) -> None:
    trial = Trial()
    trial.with_members(from_)
    processes.suspend(trial.group, [process], trial.ports.stamp())
    trial.want(to)
    trial.run()
    assert len(trial.members) == from_
    processes.resume(trial.group, [process])
    trial.run()
    assert len(trial.members) == to


def test_a_failed_launch_is_an_activity_and_no_error() -> None:
    trial = Trial()
    trial.ports.refuses = dict.fromkeys("ab", LaunchRefusedError(GONE))
    trial.want(1)
    trial.step()
    activity = trial.newest()
    assert activity.status_code == "Failed"
    assert activity.progress == 100
    assert activity.status_message == f"{GONE}. Launching EC2 instance failed."
    assert activity.description == (
        f"Launching a new EC2 instance.  Status Reason: {GONE}. Launching EC2 instance failed."
    )
    assert trial.members == []


def test_failed_launches_are_repeated_with_growing_pauses_up_to_five_minutes() -> None:
    trial = Trial()
    trial.ports.refuses = dict.fromkeys("ab", LaunchRefusedError(GONE))
    trial.want(1)
    for _ in range(1500):
        trial.step()
    began = [activity.start_time for activity in trial.group.activities]
    pauses = [(after - before).seconds for before, after in itertools.pairwise(began)]
    assert pauses == [11, 21, 41, 81, 161, 301, 301, 301]


def test_the_group_recovers_when_the_cause_of_failed_launches_is_fixed() -> None:
    trial = Trial()
    trial.ports.refuses = dict.fromkeys("ab", LaunchRefusedError(GONE))
    trial.want(1)
    trial.step()
    trial.ports.refuses = {}
    trial.step(5)
    assert trial.states() == []
    trial.step(10)
    assert trial.states() == ["Pending"]


def test_a_request_ends_the_pause() -> None:
    trial = Trial()
    trial.ports.refuses = dict.fromkeys("ab", LaunchRefusedError(GONE))
    trial.want(1)
    trial.step()
    trial.ports.refuses = {}
    trial.want(1)
    trial.step()
    assert trial.states() == ["Pending"]


def test_a_zone_without_capacity_is_replaced_by_another() -> None:
    trial = Trial()
    trial.ports.refuses = {"a": LaunchRefusedError(FULL, elsewhere=True)}
    trial.want(2)
    trial.step()
    assert [m.availability_zone for m in trial.members] == ["b", "b"]
    assert [a.status_code for a in trial.group.activities] == [
        "Failed",
        "PreInService",
        "PreInService",
    ]


def test_the_default_policy_takes_the_oldest_template_version_of_the_zone() -> None:
    trial = Trial(ports=FakePorts(zones=("a",)))
    trial.ports.version = "2"
    trial.with_members(1)
    trial.ports.version = "1"
    trial.want(2)
    trial.run()
    trial.want(1)
    trial.step()
    assert trial.states() == ["InService", "Terminating"]


@pytest.mark.parametrize(
    ("policy", "leaves"),
    [("OldestInstance", "i-1"), ("NewestInstance", "i-3"), ("OldestLaunchTemplate", "i-2")],
)
def test_a_termination_policy_selects_the_member(policy: str, leaves: str) -> None:
    trial = Trial(ports=FakePorts(zones=("a",)))
    for count, version in enumerate("213", 1):
        trial.ports.version = version
        trial.want(count)
        trial.run()
    trial.settings.termination_policies = [policy]
    trial.want(2)
    trial.step()
    assert [m.instance_id for m in trial.members if m.lifecycle_state == "Terminating"] == [leaves]


def test_a_deleted_group_stays_while_its_deletion_is_in_progress() -> None:
    trial = Trial()
    groups.delete(trial.group, trial.ports, 0.0, force=False)
    assert trial.settings.status == "Delete in progress"
    assert not groups.is_gone(trial.group, trial.ports, 1.0)
    assert groups.is_gone(trial.group, trial.ports, 5.0)


def test_a_forced_deletion_ignores_protection_and_suspension() -> None:
    trial = Trial()
    trial.with_members(2)
    trial.members[0].protected_from_scale_in = True
    processes.suspend(trial.group, ["Terminate"], trial.ports.stamp())
    groups.delete(trial.group, trial.ports, trial.ports.now, force=True)
    trial.run()
    trial.step(10)
    assert trial.states() == []
    assert groups.is_gone(trial.group, trial.ports, trial.ports.now)


def test_suspending_without_names_suspends_everything_with_the_time() -> None:
    trial = Trial()
    processes.suspend(trial.group, [], trial.ports.stamp())
    assert set(trial.group.suspended) == set(processes.NAMES)
    assert trial.group.suspended["Launch"] == "User suspended at 2026-01-02T03:04:05Z"


def test_a_step_without_events_changes_nothing_in_a_large_group() -> None:
    trial = Trial(settings=replace(Trial().settings, max_size=100))
    trial.with_members(100)
    count = len(trial.group.activities)
    assert not trial.step()
    assert len(trial.group.activities) == count
