"""What the figures of `make bench` mean: moments and requests in, values out; no deployment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from benchmarks import observed, summary
from benchmarks.contenders import Ours, Recipe, terraform_runs
from benchmarks.deployments import CAMPAIGN
from benchmarks.observed import Window, percentile
from benchmarks.pictures import stacked, ticks
from benchmarks.service import NONE, REAL

POOL, KEY, OLD, NEW = "pool", "one", "ami-old", "ami-new"
WINDOW = Window(key=KEY, pool=POOL, image=NEW, members=2, began=100.0, ended=160.0, until=165.0)


@dataclass(frozen=True)
class Request:
    at: float
    status: int = 200
    seconds: float = 0.1
    body: bytes = b'{"version": "2.0.0"}'


def instance(at: float, id_: str, state: str, image: str = NEW) -> dict[str, Any]:
    return {"kind": "instance", "at": at, "id": id_, "image": image, "state": state}


def target(at: float, id_: str, state: str, pool: str = POOL) -> dict[str, Any]:
    return {"kind": "target", "at": at, "id": id_, "pool": pool, "state": state}


def call(at: float, action: str, agent: str = "Boto3", key: str = KEY) -> dict[str, Any]:
    made = {"kind": "call", "at": at, "service": "autoscaling", "action": action}
    return {**made, "agent": agent, "key": key, "status": 200, "seconds": 0.01}


BORN = [
    instance(10, "i-0", "pending", OLD),
    target(20, "i-0", "healthy"),
    instance(110, "i-1", "pending"),
    instance(110, "i-2", "pending"),
    target(120, "i-1", "initial"),
    target(120, "i-2", "initial"),
    target(130, "i-1", "healthy"),
]
WELL = [*BORN, target(135, "i-2", "healthy")]


class TestADecision:
    def test_is_from_the_last_member_healthy_to_the_first_call_that_takes_traffic(
        self,
    ) -> None:
        calls = [
            call(134, "DescribeAutoScalingGroups"),
            call(134.5, "AttachTrafficSources"),
            call(136.5, "DetachTrafficSources"),
            call(150, "DeleteAutoScalingGroup", agent="Terraform"),
        ]
        assert observed.decision([*WELL, *calls], WINDOW) == 1.5

    def test_of_terraform_is_where_it_begins_to_shrink_the_old_group(self) -> None:
        calls = [call(140, "UpdateAutoScalingGroup", agent="APN/1.0 Terraform/1.11.4")]
        assert observed.decision([*WELL, *calls], WINDOW) == 5
        assert observed.decision([*WELL, call(140, "UpdateAutoScalingGroup")], WINDOW) == 25

    def test_is_the_end_of_the_command_if_nothing_else_was_done(self) -> None:
        assert observed.decision(WELL, WINDOW) == 25

    def test_before_the_last_member_is_healthy_is_below_zero(self) -> None:
        assert observed.decision([*WELL, call(125, "DeleteAutoScalingGroup")], WINDOW) == -10

    def test_there_is_none_if_not_all_members_get_healthy(self) -> None:
        assert observed.decision(BORN, WINDOW) is None

    @pytest.mark.parametrize(
        "other",
        [
            call(136, "DetachTrafficSources", key="another"),
            call(90, "DetachTrafficSources"),
            target(159, "i-1", "healthy", pool="another"),
            target(159, "i-0", "healthy"),
            target(159, "i-2", "healthy"),
        ],
    )
    def test_is_not_moved_by_what_is_anothers(self, other: dict[str, Any]) -> None:
        assert observed.decision([*WELL, other], WINDOW) == 25


def test_calls_are_a_tools_own_or_those_of_its_terraform() -> None:
    calls = [
        call(101, "DescribeTrafficSources"),
        call(102, "DescribeTrafficSources"),
        call(103, "CreateAutoScalingGroup", agent="APN/1.0 HashiCorp/1.0 Terraform/1.11.4"),
        call(161, "DescribeTrafficSources"),
    ]
    own, terraform = observed.counted(calls, WINDOW)
    assert own == {"autoscaling:DescribeTrafficSources": 2}
    assert terraform == {"autoscaling:CreateAutoScalingGroup": 1}


def test_requests_count_that_were_due_while_it_was_looked_at() -> None:
    sent = [Request(99, 503), Request(101), Request(102, 503), Request(164, 0), Request(166, 0)]
    assert observed.failed(sent, WINDOW) == 2
    assert len(observed.within(sent, WINDOW)) == 3


def test_what_a_failed_release_leaves_running_is_counted() -> None:
    assert observed.left(BORN, WINDOW) == 2
    assert observed.left([*BORN, instance(150, "i-1", "shutting-down")], WINDOW) == 1
    others = [instance(130, "i-9", "pending"), target(132, "i-9", "unhealthy", pool="another")]
    assert observed.left([*BORN, *others], WINDOW) == 2


def test_traffic_is_back_when_the_other_version_has_answered_for_the_last_time() -> None:
    old = b'{"version": "1.0.0"}'
    sent = [Request(101), Request(103, seconds=0.5), Request(104, body=old)]
    assert observed.back_again(sent, WINDOW, b"2.0.0") == pytest.approx(3.5)
    assert observed.back_again(sent, WINDOW, b"3.0.0") is None


def test_a_series_tells_members_by_state_and_requests_by_second() -> None:
    window = replace(WINDOW, until=106.0, ended=105.0)
    moments = [
        instance(10, "i-0", "pending", OLD),
        target(20, "i-0", "healthy"),
        instance(100.5, "i-1", "pending"),
        target(101.5, "i-1", "initial"),
        target(102.5, "i-1", "healthy"),
        target(103.5, "i-0", "draining"),
        target(104.5, "i-0", "gone"),
        instance(105.5, "i-0", "shutting-down", OLD),
    ]
    sent = [Request(100.1), Request(100.2, 503), Request(105.9)]
    assert observed.series(moments, sent, window) == {
        "step": 1.0,
        "ended": 5.0,
        "members": {
            "old waiting": [0, 0, 0, 0, 1, 0],
            "old healthy": [1, 1, 1, 0, 0, 0],
            "old draining": [0, 0, 0, 1, 0, 0],
            "new waiting": [1, 1, 0, 0, 0, 0],
            "new healthy": [0, 0, 1, 1, 1, 1],
        },
        "ok": [1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
        "failed": [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    }


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)])
def test_a_percentile_lies_between_its_neighbours(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(value)


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.95) == 7.0


def record(**how: Any) -> dict[str, Any]:
    usual = {"profile": "real", "scenario": "good", "members": 3, "way": "ours", "looks": 1}
    spent = {"seconds": 60.0, "failed": 0, "memory": 80.0, "own_calls": 40, "decision": 0.5}
    return {**usual, **spent, "terraform": [["plan", 3.0]], "phases": {"launch": 9.0}, **how}


def figures(*records: dict[str, Any]) -> dict[str, tuple[float, str, bool]]:
    found = summary.figures(records)
    return {figure.name: (figure.value, figure.goal, figure.met) for figure in found}


class TestTheSummary:
    def test_compares_medians_of_the_wall_time(self) -> None:
        found = figures(
            *(record(seconds=seconds) for seconds in (50.0, 66.0, 90.0)),
            *(record(way="recipe", seconds=seconds) for seconds in (55.0, 60.0, 65.0)),
        )
        name = "promote over the recipe, 3 members, real latencies"
        assert found[name] == (1.1, "<= 1.1", True)

    def test_has_no_goal_where_there_are_no_latencies(self) -> None:
        none = {"profile": "none"}
        found = figures(record(**none, seconds=30.0), record(**none, way="recipe", seconds=20.0))
        assert found["promote over the recipe, 3 members, no latencies"] == (1.5, "", True)

    def test_keeps_a_promotion_with_more_looks_apart(self) -> None:
        found = figures(record(), record(way="recipe"), record(looks=3, seconds=90.0, decision=2.5))
        assert found["promote over the recipe, 3 members, real latencies"] == (1.0, "<= 1.1", True)
        name = "last member healthy to decision with the default 3 looks"
        assert found[name] == (2.5, "", True)

    def test_counts_own_calls_and_how_they_grow(self) -> None:
        found = figures(record(members=10, own_calls=50), record(members=100, own_calls=57))
        assert found["promote: own calls, 10 members"] == (50, "<= 60", True)
        assert found["promote: own calls more, 10 to 100 members"] == (7, "<= 5", False)

    def test_compares_the_way_back_with_the_way_there(self) -> None:
        back = record(scenario="rollback", back=9.0, seconds=30.0)
        found = figures(record(), back)
        name = "warm rollback, real latencies: until the old group has all traffic, over promote"
        assert found[name] == (0.15, "<= 0.15", True)
        assert found["warm rollback, real latencies: the whole command"] == (30.0, "", True)

    def test_fails_by_one_lost_request_of_ours_and_by_none_of_the_others(self) -> None:
        found = figures(record(), record(way="recipe", failed=900))
        assert found["promote: failed requests, all runs"] == (0, "<= 0", True)
        found = figures(record(failed=1))
        assert found["promote: failed requests, all runs"] == (1, "<= 0", False)


def test_the_campaign_has_what_the_goals_are_about() -> None:
    real = next(steps for profile, steps in CAMPAIGN if profile is REAL)
    for size in summary.SIZES:
        good = [each for each in real if (each.scenario, each.members) == ("good", size)]
        assert Ours in good[0].ways
        assert (Recipe in good[0].ways) == (size < 100)
    assert {each.scenario for each in real} == {"good", "never healthy", "not yet listed"}
    assert any(each.rollback for each in real)
    assert (REAL.speed, REAL.boot, REAL.draining) == (1, 30, 10)
    assert "call=0.08" in REAL.delay
    assert all(each.endswith("=0") for each in NONE.delay)


def test_runs_of_terraform_are_read_from_their_log() -> None:
    assert terraform_runs("10.0 12.5 plan\n20 21 apply\n") == (("plan", 2.5), ("apply", 1.0))


def test_layers_stand_on_each_other_in_steps() -> None:
    below, above = stacked([[1, 1, 2], [1, 0, 0]], step=10, unit=5, height=20)
    assert below == "M0.0,15.0 20.0,15.0 20.0,10.0 30.0,10.0 30.0,20.0 0.0,20.0Z"
    top = "M0.0,10.0 10.0,10.0 10.0,15.0 20.0,15.0 20.0,10.0 30.0,10.0"
    assert above == f"{top} 30.0,10.0 20.0,10.0 20.0,15.0 0.0,15.0Z"


def test_an_axis_is_marked_at_round_numbers() -> None:
    assert ticks(50, 100, 3) == [(0.0, "0"), (40.0, "20"), (80.0, "40")]
