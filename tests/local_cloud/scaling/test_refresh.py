"""How an instance refresh replaces the members of a group."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from local_cloud.scaling import group as groups
from local_cloud.scaling import refresh
from local_cloud.scaling.errors import RefusedRequestError
from local_cloud.scaling.refresh import Preferences, Refresh
from tests.local_cloud.scaling.fakes import Trial

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def refreshing(trial: Trial, **preferences: Any) -> Refresh:
    started = Refresh(preferences=Preferences(**preferences), started=NOW)
    refresh.start(trial.group, started)
    return started


def ids(trial: Trial) -> set[str]:
    return {member.instance_id for member in trial.members if member.counts}


def test_every_member_is_replaced_one_at_a_time_by_default() -> None:
    trial = Trial()
    old = {member.instance_id for member in trial.with_members(3)}
    started = refreshing(trial)
    least, causes = 3, set()
    for _ in range(12):
        trial.run()
        least = min(least, trial.states().count("InService"))
        causes |= {activity.cause for activity in trial.group.activities}
    assert (started.status, started.count, started.waiting) == ("Successful", 3, [])
    assert started.ended is not None
    assert least == 2
    assert len(ids(trial)) == 3
    assert not ids(trial) & old
    assert any(cause.endswith(refresh.BY_REFRESH) for cause in causes)


@pytest.mark.parametrize(("healthy", "gone"), [(100, 1), (90, 1), (50, 2), (0, 4)])
def test_no_more_members_leave_than_the_least_healthy_share_allows(healthy: int, gone: int) -> None:
    trial = Trial()
    trial.with_members(4)
    refreshing(trial, healthy=healthy)
    trial.step()
    assert trial.states().count("Terminating") == gone


def test_the_next_member_is_replaced_after_the_warm_up_of_the_new_one() -> None:
    trial = Trial()
    trial.with_members(2)
    refreshing(trial, warmup=60)
    for _ in range(3):
        trial.run()
    assert trial.states() == ["InService", "InService"]
    trial.step(60)
    assert "Terminating" in trial.states()


def test_members_of_the_present_template_are_skipped_if_asked() -> None:
    trial = Trial()
    old = trial.with_members(1)[0].instance_id
    trial.ports.version = "2"
    trial.want(2)
    trial.run()
    (new,) = ids(trial) - {old}
    started = refreshing(trial, skip_matching=True)
    for _ in range(5):
        trial.run()
    assert (started.status, started.count) == ("Successful", 1)
    assert new in ids(trial)
    assert old not in ids(trial)


@pytest.mark.parametrize(
    ("protected", "status", "replaced"),
    [("Wait", "InProgress", 1), ("Ignore", "Successful", 1), ("Refresh", "Successful", 2)],
)
def test_protected_members_are_waited_for_ignored_or_replaced(
    protected: str, status: str, replaced: int
) -> None:
    trial = Trial()
    old = trial.with_members(2)
    old[0].protected_from_scale_in = True
    before = ids(trial)
    started = refreshing(trial, protected=protected)
    for _ in range(8):
        trial.run()
    assert started.status == status
    assert len(before - ids(trial)) == replaced


def test_a_cancelled_refresh_finishes_the_replacement_that_it_began() -> None:
    trial = Trial()
    trial.with_members(3)
    before = ids(trial)
    started = refreshing(trial)
    trial.step()
    refresh.cancel(trial.group)
    trial.step()
    assert started.status == "Cancelling"
    for _ in range(3):
        trial.run()
    assert started.status == "Cancelled"
    assert len(before - ids(trial)) == 1


def versions(trial: Trial) -> list[str]:
    return [m.launch_template["Version"] for m in trial.members if m.launch_template]


def test_a_refresh_that_is_rolled_back_restores_and_replaces_the_new_members() -> None:
    trial = Trial()
    trial.with_members(2)
    started = refreshing(trial, warmup=60)
    started.undo = lambda: setattr(trial.ports, "version", "1")
    trial.ports.version = "2"
    trial.run()
    trial.run()
    assert sorted(versions(trial)) == ["1", "2"]
    refresh.roll_back(trial.group, trial.ports, trial.ports.now)
    for _ in range(3):
        trial.run()
        trial.step(60)
    assert started.status == "RollbackSuccessful"
    assert versions(trial) == ["1", "1"]


def test_a_refresh_without_progress_fails_after_an_hour() -> None:
    trial = Trial()
    trial.with_members(1)[0].protected_from_scale_in = True
    started = refreshing(trial)
    trial.step(3600)
    assert started.status == "InProgress"
    trial.step(3601)
    assert (started.status, started.reason) == (
        "Failed",
        "No instance could be replaced for an hour.",
    )


def test_the_deletion_of_the_group_cancels_its_refresh() -> None:
    trial = Trial()
    trial.with_members(1)
    started = refreshing(trial)
    groups.delete(trial.group, trial.ports, trial.ports.now, force=True)
    trial.step()
    assert started.status == "Cancelled"


def test_one_refresh_at_a_time_and_none_that_is_over() -> None:
    trial = Trial()
    trial.with_members(1)
    refreshing(trial)
    with pytest.raises(RefusedRequestError) as second:
        refreshing(trial)
    assert second.value.code == "InstanceRefreshInProgress"
    for _ in range(4):
        trial.run()
    with pytest.raises(RefusedRequestError) as over:
        refresh.cancel(trial.group)
    assert over.value.code == "ActiveInstanceRefreshNotFound"
    refreshing(trial)
    assert [each.status for each in trial.group.refreshes] == ["Pending", "Successful"]
