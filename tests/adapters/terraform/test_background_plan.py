"""Plans in the background: each is used once or discarded once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipeline.adapters.terraform.background_plan import BackgroundPlanner, PlanRequest
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.plan_guard import Plan

NONE: frozenset[str] = frozenset()


def request_for(*deletes: str) -> PlanRequest:
    return PlanRequest(releases=(), creates=NONE, deletes=frozenset(deletes))


class Planner:
    """Makes plans once it may, one after another; records the discarded ones."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.made: list[PlanRequest] = []
        self.discarded: list[Path | None] = []
        self.background = BackgroundPlanner(
            make=self.make, discard=lambda plan: self.discarded.append(plan.file)
        )

    def make(self, request: PlanRequest) -> Plan:
        assert self.may.wait(10)
        self.made.append(request)
        if "refused" in request.deletes:
            raise RefusedError("here", "no", "do else")
        return Plan(file=Path(f"{len(self.made)}.tfplan"), changes=())


@pytest.fixture
def planner() -> Planner:
    return Planner()


def test_a_plan_in_the_background_is_used_once(planner: Planner) -> None:
    planner.background.begin(request_for("r000001"))
    assert planner.made == []  # `begin` did not wait
    planner.may.set()
    plan = planner.background.take(request_for("r000001"))
    assert plan is not None
    assert plan.file == Path("1.tfplan")
    assert planner.background.take(request_for("r000001")) is None
    assert planner.discarded == []


def test_the_plan_of_another_request_is_discarded(planner: Planner) -> None:
    planner.may.set()
    planner.background.begin(request_for("r000001"))
    assert planner.background.take(request_for("r000002")) is None
    assert planner.discarded == [Path("1.tfplan")]


def test_a_later_request_replaces_the_earlier_one(planner: Planner) -> None:
    planner.background.begin(request_for("r000001"))
    planner.background.begin(request_for("r000002"))
    planner.may.set()
    plan = planner.background.take(request_for("r000002"))
    assert plan is not None
    assert plan.file == Path("2.tfplan")
    assert planner.discarded == [Path("1.tfplan")]


def test_an_unused_plan_is_discarded_once_it_has_ended(planner: Planner) -> None:
    planner.may.set()
    planner.background.begin(request_for("r000001"))
    planner.background.drop()
    planner.background.drop()
    assert planner.discarded == [Path("1.tfplan")]


def test_a_failed_plan_is_dropped(planner: Planner) -> None:
    planner.may.set()
    planner.background.begin(request_for("refused"))
    assert planner.background.take(request_for("refused")) is None
    planner.background.begin(request_for("refused"))
    planner.background.drop()
    assert planner.discarded == []


def test_without_a_plan_there_is_nothing_to_use_or_discard(planner: Planner) -> None:
    planner.background.drop()
    assert planner.background.take(request_for("r000001")) is None
