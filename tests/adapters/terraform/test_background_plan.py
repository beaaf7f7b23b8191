"""Plans made beside other work: each is taken over once, or forgotten once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipeline.adapters.terraform.background_plan import BackgroundPlanner, PlanRequest
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.plan_guard import Plan

NONE: frozenset[str] = frozenset()


def question(*deletes: str) -> PlanRequest:
    return PlanRequest(wanted=(), creates=NONE, deletes=frozenset(deletes))


class Planner:
    """Makes plans once it may, one after another; knows which were forgotten."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.made: list[PlanRequest] = []
        self.forgotten: list[Path | None] = []
        self.ahead = BackgroundPlanner(
            make=self.make, forget=lambda plan: self.forgotten.append(plan.file)
        )

    def make(self, asked: PlanRequest) -> Plan:
        assert self.may.wait(10)
        self.made.append(asked)
        if "refused" in asked.deletes:
            raise RefusedError("here", "no", "do else")
        return Plan(file=Path(f"{len(self.made)}.tfplan"), changes=())


@pytest.fixture
def planner() -> Planner:
    return Planner()


def test_what_was_begun_is_taken_over_once(planner: Planner) -> None:
    planner.ahead.begin(question("r000001"))
    assert planner.made == []  # nobody waited
    planner.may.set()
    plan = planner.ahead.take(question("r000001"))
    assert plan is not None
    assert plan.file == Path("1.tfplan")
    assert planner.ahead.take(question("r000001")) is None
    assert planner.forgotten == []


def test_the_plan_of_something_else_is_forgotten(planner: Planner) -> None:
    planner.may.set()
    planner.ahead.begin(question("r000001"))
    assert planner.ahead.take(question("r000002")) is None
    assert planner.forgotten == [Path("1.tfplan")]


def test_a_later_beginning_replaces_the_earlier_one(planner: Planner) -> None:
    planner.ahead.begin(question("r000001"))
    planner.ahead.begin(question("r000002"))
    planner.may.set()
    plan = planner.ahead.take(question("r000002"))
    assert plan is not None
    assert plan.file == Path("2.tfplan")
    assert planner.forgotten == [Path("1.tfplan")]


def test_what_nobody_asks_for_is_forgotten_once_it_has_ended(planner: Planner) -> None:
    planner.may.set()
    planner.ahead.begin(question("r000001"))
    planner.ahead.drop()
    planner.ahead.drop()
    assert planner.forgotten == [Path("1.tfplan")]


def test_a_plan_that_failed_is_none(planner: Planner) -> None:
    planner.may.set()
    planner.ahead.begin(question("refused"))
    assert planner.ahead.take(question("refused")) is None
    planner.ahead.begin(question("refused"))
    planner.ahead.drop()
    assert planner.forgotten == []


def test_where_nothing_was_begun_there_is_nothing_to_take_or_forget(planner: Planner) -> None:
    planner.ahead.drop()
    assert planner.ahead.take(question("r000001")) is None
