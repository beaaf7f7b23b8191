"""The figures of `make bench`, computed from events and requests without a deployment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from benchmarks import observed, summary
from benchmarks.contenders import AmiPipeline, Recipe, WithoutRetirement, terraform_runs
from benchmarks.deployments import CAMPAIGN
from benchmarks.observed import Window, percentile
from benchmarks.pictures import stacked, ticks
from benchmarks.service import NONE, REAL
from benchmarks.starting import compiling, first_change

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


FIRST_EVENTS = [
    instance(10, "i-0", "pending", OLD),
    target(20, "i-0", "healthy"),
    instance(110, "i-1", "pending"),
    instance(110, "i-2", "pending"),
    target(120, "i-1", "initial"),
    target(120, "i-2", "initial"),
    target(130, "i-1", "healthy"),
]
HEALTHY_EVENTS = [*FIRST_EVENTS, target(135, "i-2", "healthy")]


class TestADecision:
    def test_starts_at_the_last_healthy_member_and_ends_at_the_first_call_that_detaches(
        self,
    ) -> None:
        calls = [
            call(134, "DescribeAutoScalingGroups"),
            call(134.5, "AttachTrafficSources"),
            call(136.5, "DetachTrafficSources"),
            call(150, "DeleteAutoScalingGroup", agent="Terraform"),
        ]
        assert observed.decision([*HEALTHY_EVENTS, *calls], WINDOW) == 1.5

    def test_ends_for_terraform_when_it_begins_to_shrink_the_old_group(self) -> None:
        calls = [call(140, "UpdateAutoScalingGroup", agent="APN/1.0 Terraform/1.11.4")]
        assert observed.decision([*HEALTHY_EVENTS, *calls], WINDOW) == 5
        assert (
            observed.decision([*HEALTHY_EVENTS, call(140, "UpdateAutoScalingGroup")], WINDOW) == 25
        )

    def test_ends_with_the_command_if_nothing_else_was_done(self) -> None:
        assert observed.decision(HEALTHY_EVENTS, WINDOW) == 25

    def test_is_negative_before_the_last_member_is_healthy(self) -> None:
        assert (
            observed.decision([*HEALTHY_EVENTS, call(125, "DeleteAutoScalingGroup")], WINDOW) == -10
        )

    def test_is_none_if_not_all_members_become_healthy(self) -> None:
        assert observed.decision(FIRST_EVENTS, WINDOW) is None

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
    def test_ignores_events_of_other_services(self, other: dict[str, Any]) -> None:
        assert observed.decision([*HEALTHY_EVENTS, other], WINDOW) == 25

    def test_is_no_call_that_was_refused(self) -> None:
        probe = {**call(125, "DeleteAutoScalingGroup"), "status": 412}
        assert observed.decision([*HEALTHY_EVENTS, probe], WINDOW) == 25


class TestOnlyTheNewMembersServe:
    def test_once_they_are_healthy_and_every_old_one_drains(self) -> None:
        drained = [target(137, "i-0", "draining"), target(147, "i-0", "gone")]
        assert observed.only_new_serve([*HEALTHY_EVENTS, *drained], WINDOW) == 37

    def test_once_the_last_is_healthy_if_the_old_ones_left_before(self) -> None:
        early = [*HEALTHY_EVENTS, target(125, "i-0", "draining")]
        in_order = sorted(early, key=lambda each: float(each["at"]))
        assert observed.only_new_serve(in_order, WINDOW) == 35

    @pytest.mark.parametrize("events", [HEALTHY_EVENTS, FIRST_EVENTS])
    def test_never_while_an_old_one_serves(self, events: list[dict[str, Any]]) -> None:
        assert observed.only_new_serve(events, WINDOW) is None


def test_calls_belong_to_the_tool_or_to_its_terraform() -> None:
    calls = [
        call(101, "DescribeTrafficSources"),
        call(102, "DescribeTrafficSources"),
        call(103, "CreateAutoScalingGroup", agent="APN/1.0 HashiCorp/1.0 Terraform/1.11.4"),
        call(161, "DescribeTrafficSources"),
    ]
    own, terraform = observed.counted(calls, WINDOW)
    assert own == {"autoscaling:DescribeTrafficSources": 2}
    assert terraform == {"autoscaling:CreateAutoScalingGroup": 1}


def test_requests_count_if_they_were_due_during_the_observation() -> None:
    sent = [Request(99, 503), Request(101), Request(102, 503), Request(164, 0), Request(166, 0)]
    assert observed.failed(sent, WINDOW) == 2
    assert len(observed.within(sent, WINDOW)) == 3


def test_a_call_that_proves_a_permission_is_not_counted() -> None:
    probes = [{**call(125, "DeleteAutoScalingGroup"), "status": each} for each in (400, 412)]
    own, _ = observed.counted([*probes, call(126, "AttachTrafficSources")], WINDOW)
    assert own == {"autoscaling:AttachTrafficSources": 1}


def test_running_members_of_a_failed_release_are_counted() -> None:
    assert observed.left(FIRST_EVENTS, WINDOW) == 2
    assert observed.left([*FIRST_EVENTS, instance(150, "i-1", "shutting-down")], WINDOW) == 1
    others = [instance(130, "i-9", "pending"), target(132, "i-9", "unhealthy", pool="another")]
    assert observed.left([*FIRST_EVENTS, *others], WINDOW) == 2


def test_a_rollback_ends_when_the_other_version_has_answered_for_the_last_time() -> None:
    old = b'{"version": "1.0.0"}'
    sent = [Request(101), Request(103, seconds=0.5), Request(104, body=old)]
    assert observed.rolled_back_after(sent, WINDOW, b"2.0.0") == pytest.approx(3.5)
    assert observed.rolled_back_after(sent, WINDOW, b"3.0.0") is None


def test_a_series_counts_members_by_state_and_requests_by_second() -> None:
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
def test_a_percentile_lies_between_its_neighbors(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(value)


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.95) == 7.0


def record(**how: Any) -> dict[str, Any]:
    usual = {
        "profile": "real",
        "scenario": "good",
        "members": 3,
        "contender": "ami-pipeline",
        "healthy_checks": 1,
    }
    phase_seconds = {"seconds": 60.0, "failed": 0, "memory": 80.0, "own_calls": 40, "decision": 0.5}
    return {
        **usual,
        **phase_seconds,
        "terraform": [["plan", 3.0]],
        "phases": {"launch": 9.0},
        **how,
    }


def figures(*records: dict[str, Any]) -> dict[str, tuple[float, str, bool]]:
    found = summary.figures(records)
    return {figure.name: (figure.value, figure.goal, figure.met) for figure in found}


class TestTheSummary:
    def test_compares_medians_of_the_wall_time(self) -> None:
        found = figures(
            *(record(seconds=seconds) for seconds in (50.0, 66.0, 90.0)),
            *(record(contender="recipe", seconds=seconds) for seconds in (55.0, 60.0, 65.0)),
        )
        name = "promote over the recipe, 3 members, real latencies"
        assert found[name] == (1.1, "<= 0.72", False)

    def test_has_another_goal_without_latencies(self) -> None:
        none = {"profile": "none"}
        found = figures(
            record(**none, seconds=30.0), record(**none, contender="recipe", seconds=40.0)
        )
        assert found["promote over the recipe, 3 members, no latencies"] == (0.75, "<= 1", True)

    def test_compares_a_promotion_that_leaves_the_removal_to_a_later_command(self) -> None:
        found = figures(
            record(),
            record(contender="no-wait-retire", seconds=42.0),
            record(contender="recipe", seconds=60.0),
        )
        name = "promote --no-wait-retire over the recipe, 3 members, real latencies"
        assert found[name] == (0.7, "<= 0.72", True)

    @pytest.mark.parametrize(("profile", "goal"), [("real", "<= 0.75"), ("none", "")])
    def test_compares_the_time_until_only_the_new_members_serve(
        self, profile: str, goal: str
    ) -> None:
        of = {"profile": profile, "members": 10}
        found = figures(
            record(**of, served=45.0),
            record(**of, served=None),
            record(**of, contender="recipe", served=60.0),
        )
        name = "promote until only the new members serve, over the recipe"
        how = {"real": "real latencies", "none": "no latencies"}[profile]
        assert found[f"{name}, 10 members, {how}"] == (0.75, goal, True)

    def test_keeps_promotions_with_more_healthy_checks_apart(self) -> None:
        found = figures(
            record(),
            record(contender="recipe"),
            record(healthy_checks=3, seconds=90.0, decision=2.5),
        )
        name = "promote over the recipe, 3 members, real latencies"
        assert found[name] == (1.0, "<= 0.72", False)
        name = "last member healthy to decision with the default 3 healthy checks"
        assert found[name] == (2.5, "", True)

    def test_counts_own_calls_and_how_they_grow(self) -> None:
        found = figures(record(members=10, own_calls=50), record(members=100, own_calls=57))
        assert found["promote: own calls, 10 members"] == (50, "<= 45", False)
        assert found["promote: own calls more, 10 to 100 members"] == (7, "<= 5", False)

    def test_compares_a_rollback_with_a_promotion(self) -> None:
        back = record(scenario="rollback", back=9.0, seconds=7.5)
        found = figures(record(), back)
        name = "warm rollback, real latencies: until the old group has all traffic, over promote"
        assert found[name] == (0.15, "<= 0.15", True)
        assert found["warm rollback, real latencies: the whole command"] == (7.5, "<= 8", True)

    def test_misses_the_goal_by_one_failed_request_of_ami_pipeline_and_by_none_of_the_others(
        self,
    ) -> None:
        found = figures(record(), record(contender="recipe", failed=900))
        assert found["promote: failed requests, all runs"] == (0, "<= 0", True)
        found = figures(record(), record(contender="no-wait-retire", failed=1))
        assert found["promote: failed requests, all runs"] == (1, "<= 0", False)


def test_the_campaign_contains_what_the_goals_need() -> None:
    real = next(steps for profile, steps in CAMPAIGN if profile is REAL)
    for size in summary.SIZES:
        good = [each for each in real if (each.scenario, each.members) == ("good", size)]
        assert AmiPipeline in good[0].contenders
        assert (WithoutRetirement in good[0].contenders) == (size < 100)
        assert (Recipe in good[0].contenders) == (size < 100)
    assert {each.scenario for each in real} == {"good", "never healthy", "not yet listed"}
    assert any(each.rollback for each in real)
    assert (REAL.speed, REAL.boot, REAL.draining) == (1, 30, 10)
    assert "call=0.08" in REAL.delay
    assert all(each.endswith("=0") for each in NONE.delay)


def test_terraform_runs_are_read_from_their_log() -> None:
    assert terraform_runs("10.0 12.5 plan\n20 21 apply\n") == (("plan", 2.5), ("apply", 1.0))


def test_layers_are_stacked_in_steps() -> None:
    below, above = stacked([[1, 1, 2], [1, 0, 0]], step=10, unit=5, height=20)
    assert below == "M0.0,15.0 20.0,15.0 20.0,10.0 30.0,10.0 30.0,20.0 0.0,20.0Z"
    top = "M0.0,10.0 10.0,10.0 10.0,15.0 20.0,15.0 20.0,10.0 30.0,10.0"
    assert above == f"{top} 30.0,10.0 20.0,10.0 20.0,15.0 0.0,15.0Z"


def test_an_axis_is_marked_at_round_numbers() -> None:
    assert ticks(50, 100, 3) == [(0.0, "0"), (40.0, "20"), (80.0, "40")]


def test_the_first_change_is_the_first_call_that_is_no_read() -> None:
    calls = [call(101, "GetCallerIdentity"), call(102, "DescribeTargetHealth")]
    changes = [call(103, "AttachTrafficSources"), call(104, "DetachTrafficSources")]
    assert first_change([*calls, *changes]) == 103
    with pytest.raises(StopIteration):
        first_change(calls)


def test_a_measured_program_keeps_compiled_modules() -> None:
    assert compiling({"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1"}) == {"PATH": "/bin"}
