from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.core.state.deployment import Deployment, Kind, Outcome, PhaseRun, Result, Runner
from pipeline.core.state.environment import NEXT, Environment
from pipeline.core.state.status import RollbackMode, RollbackOption, alive, way_back
from tests.ui.status_examples import ADA, NOW, a_deployment, a_lease, environment, image, record, retired

COLD_RUNS = (PhaseRun(name="launch", seconds=60.0), PhaseRun(name="attach", seconds=20.0))
WARM_RUNS = (PhaseRun(name="reattach", seconds=9.0), PhaseRun(name="drain", seconds=9.0))


def done(kind: Kind, day: int, seconds: float, runs: tuple[PhaseRun, ...]) -> Deployment:
    ended = f"2026-01-{day:02}T00:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00"
    began = f"2026-01-{day:02}T00:00:00+00:00"
    return a_deployment(kind=kind, began=began, ended=ended, phases=runs)


def test_where_nothing_serves_there_is_no_way_back() -> None:
    found = way_back(environment(serving=""), (), NOW)
    assert found == RollbackOption(way=RollbackMode.NONE, reason="nothing serves yet")


def test_the_first_release_has_no_way_back() -> None:
    found = way_back(environment(record(124)), (), NOW)
    assert (found.way, found.reason) == (
        RollbackMode.NONE,
        "r000124 is the first release that served",
    )


def test_a_warm_group_is_gone_back_to_for_as_long_as_it_stands() -> None:
    until = (NOW + timedelta(minutes=5)).isoformat()
    document = environment(record(124), record(123, warm_until=until), retired=(retired(123), retired(122)))
    assert way_back(document, (), NOW) == RollbackOption(
        way=RollbackMode.WARM, release="r000123", ami_id=image(123), version="1.3.0", left=300.0
    )
    later = NOW + timedelta(minutes=6)
    found = way_back(document, (), later)
    assert (found.way, found.left) == (RollbackMode.WARM, -60.0)


@pytest.mark.parametrize("until", [NEXT, ""])
def test_without_a_time_nobody_counts(until: str) -> None:
    document = environment(record(124), record(123, warm_until=until), retired=(retired(123),))
    assert way_back(document, (), NOW).left is None


def test_without_its_group_a_release_comes_back_as_a_new_one_of_its_image() -> None:
    found = way_back(environment(record(124), retired=(retired(123),)), (), NOW)
    assert (found.way, found.release, found.ami_id) == (RollbackMode.COLD, "r000123", image(123))


def test_a_group_that_failed_is_not_warm() -> None:
    document = environment(record(124), record(123, failed=True), retired=(retired(123),))
    assert way_back(document, (), NOW).way is RollbackMode.COLD


def test_what_was_rolled_back_from_is_passed_over() -> None:
    served = (retired(125, quarantined=True), retired(123))
    assert way_back(environment(record(124), retired=served), (), NOW).release == "r000123"
    found = way_back(environment(record(124), retired=served[:1]), (), NOW)
    assert (found.way, found.reason) == (
        RollbackMode.NONE,
        "no earlier image is good: quarantined with r000125",
    )


def test_a_new_release_of_the_image_that_serves_is_no_way_back() -> None:
    same = retired(122, ami_id=image(124))
    assert way_back(environment(record(124), retired=(same, retired(121))), (), NOW).release == "r000121"
    found = way_back(environment(record(124), retired=(same,)), (), NOW)
    assert found.reason == "every earlier release is of the image that r000124 serves"


WARM = environment(record(124), record(123), retired=(retired(123),))
COLD = environment(record(124), retired=(retired(123),))
PROMOTE = done(Kind.PROMOTE, 1, 200.0, COLD_RUNS)
OLD_WARM = done(Kind.ROLLBACK, 1, 30.0, WARM_RUNS)
NEW_WARM = done(Kind.ROLLBACK, 2, 20.0, WARM_RUNS)
COLD_BACK = done(Kind.ROLLBACK, 1, 180.0, COLD_RUNS)
FAILED = replace(done(Kind.ROLLBACK, 3, 5.0, WARM_RUNS), outcome=Outcome(result=Result.ROLLED_BACK))


@pytest.mark.parametrize(
    ("document", "history", "last", "measured"),
    [
        (WARM, (), None, ""),
        (WARM, (PROMOTE, COLD_BACK, FAILED), None, ""),
        (WARM, (OLD_WARM, NEW_WARM, FAILED, PROMOTE), 20.0, "rollback"),
        (COLD, (OLD_WARM, FAILED), None, ""),
        (COLD, (PROMOTE, NEW_WARM), 200.0, "promote"),
        (COLD, (COLD_BACK, done(Kind.PROMOTE, 2, 150.0, COLD_RUNS)), 180.0, "rollback"),
    ],
)
def test_how_long_it_took_is_that_of_the_last_one_that_went_the_same_way(
    document: Environment, history: tuple[Deployment, ...], last: float | None, measured: str
) -> None:
    found = way_back(document, history, NOW)
    assert (found.last, found.measured) == (last, measured)


RUNNING = environment(record(124), deployment=a_deployment(ended="", outcome=None), lease=a_lease())


def test_a_runner_lives_while_the_lease_is_its_own_and_unexpired() -> None:
    assert alive(RUNNING, NOW)
    assert alive(RUNNING, NOW, process=True)
    assert not alive(RUNNING, NOW, process=False)
    assert not alive(RUNNING, NOW + timedelta(minutes=2))
    assert not alive(replace(RUNNING, lease=None), NOW)
    assert not alive(replace(RUNNING, deployment=None), NOW)
    other = Runner(user="bob", host=ADA.host, pid=ADA.pid, run=ADA.run)
    assert not alive(replace(RUNNING, lease=replace(a_lease(), owner=other)), NOW)
    assert not alive(replace(RUNNING, lease=a_lease("soon")), NOW)
