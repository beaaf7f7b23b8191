from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.core.state.deployment import Deployment, Kind, Outcome, PhaseRun, Result, Runner
from pipeline.core.state.environment import NEXT, Environment
from pipeline.core.state.rollback import (
    ImageStates,
    RollbackMode,
    RollbackOption,
    rollback_option,
)
from pipeline.core.state.status import is_running
from tests.ui.status_examples import (
    ADA,
    NOW,
    a_deployment,
    a_lease,
    environment,
    image,
    record,
    retired,
)

COLD_RUNS = (PhaseRun(name="launch", seconds=60.0), PhaseRun(name="attach", seconds=20.0))
WARM_RUNS = (PhaseRun(name="reattach", seconds=9.0), PhaseRun(name="drain", seconds=9.0))


def done(kind: Kind, day: int, seconds: float, runs: tuple[PhaseRun, ...]) -> Deployment:
    ended = f"2026-01-{day:02}T00:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00"
    began = f"2026-01-{day:02}T00:00:00+00:00"
    return a_deployment(kind=kind, began=began, ended=ended, phases=runs)


def test_without_a_serving_release_no_rollback_is_possible() -> None:
    found = rollback_option(environment(serving=""), (), NOW)
    assert found == RollbackOption(mode=RollbackMode.NONE, reason="no release is recorded")


def test_the_first_release_cannot_be_rolled_back() -> None:
    found = rollback_option(environment(record(124)), (), NOW)
    assert (found.mode, found.reason) == (
        RollbackMode.NONE,
        "r000124 is the first release",
    )


def test_a_rollback_uses_a_warm_group_as_long_as_it_exists() -> None:
    until = (NOW + timedelta(minutes=5)).isoformat()
    document = environment(
        record(124), record(123, warm_until=until), retired=(retired(123), retired(122))
    )
    assert rollback_option(document, (), NOW) == RollbackOption(
        mode=RollbackMode.WARM,
        release="r000123",
        ami_id=image(123),
        version="1.3.0",
        seconds_left=300.0,
    )
    later = NOW + timedelta(minutes=6)
    found = rollback_option(document, (), later)
    assert (found.mode, found.seconds_left) == (RollbackMode.WARM, -60.0)


@pytest.mark.parametrize("until", [NEXT, ""])
def test_without_a_time_limit_no_time_remains(until: str) -> None:
    document = environment(record(124), record(123, warm_until=until), retired=(retired(123),))
    assert rollback_option(document, (), NOW).seconds_left is None


def test_without_its_group_a_rollback_is_a_new_release_of_the_image() -> None:
    found = rollback_option(environment(record(124), retired=(retired(123),)), (), NOW)
    assert (found.mode, found.release, found.ami_id) == (RollbackMode.COLD, "r000123", image(123))


def test_a_failed_group_is_not_warm() -> None:
    document = environment(record(124), record(123, failed=True), retired=(retired(123),))
    assert rollback_option(document, (), NOW).mode is RollbackMode.COLD


def test_a_quarantined_release_is_skipped() -> None:
    served = (retired(125, quarantined=True), retired(123))
    assert rollback_option(environment(record(124), retired=served), (), NOW).release == "r000123"
    only = rollback_option(environment(record(124), retired=served[:1]), (), NOW)
    assert (only.mode, only.release, only.quarantined) == (RollbackMode.COLD, "r000125", True)
    assert only.command("production") == (
        "ami-pipeline rollback -e production --to r000125 --allow-quarantined"
    )


def test_a_rollback_needs_an_image_that_exists_unless_its_group_is_warm() -> None:
    gone = ImageStates(gone=frozenset({image(123)}))
    served = (retired(123), retired(122))
    cold = environment(record(124), retired=served)
    assert rollback_option(cold, (), NOW, images=gone).release == "r000122"
    warm = environment(record(124), record(123), retired=served)
    assert rollback_option(warm, (), NOW, images=gone).release == "r000123"
    deleted = rollback_option(warm, (), NOW, frozenset({"r000123"}), gone)
    assert deleted.release == "r000122"


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ([123], f"the only earlier image ({image(123)} of r000123) is not available"),
        ([123, 122], "no earlier image (of r000123, r000122) is available"),
    ],
)
def test_without_an_image_no_rollback_is_possible(numbers: list[int], reason: str) -> None:
    document = environment(record(124), retired=tuple(map(retired, numbers)))
    gone = ImageStates(gone=frozenset(map(image, numbers)))
    found = rollback_option(document, (), NOW, images=gone)
    assert (found.mode, found.reason) == (RollbackMode.NONE, reason)


def test_an_image_that_is_tagged_as_quarantined_is_the_last_choice() -> None:
    bad = ImageStates(quarantined=frozenset({image(123)}))
    served = (retired(123), retired(122))
    document = environment(record(124), retired=served)
    assert rollback_option(document, (), NOW, images=bad).release == "r000122"
    document = environment(record(124), retired=served[:1])
    assert rollback_option(document, (), NOW, images=bad).quarantined


def test_a_new_release_of_the_serving_image_is_not_a_rollback() -> None:
    same = retired(122, ami_id=image(124))
    assert (
        rollback_option(environment(record(124), retired=(same, retired(121))), (), NOW).release
        == "r000121"
    )
    found = rollback_option(environment(record(124), retired=(same,)), (), NOW)
    assert found.reason == "every earlier release has the image of r000124, which serves"


WARM = environment(record(124), record(123), retired=(retired(123),))
COLD = environment(record(124), retired=(retired(123),))
PROMOTE = done(Kind.PROMOTE, 1, 200.0, COLD_RUNS)
OLD_WARM = done(Kind.ROLLBACK, 1, 30.0, WARM_RUNS)
NEW_WARM = done(Kind.ROLLBACK, 2, 20.0, WARM_RUNS)
COLD_BACK = done(Kind.ROLLBACK, 1, 180.0, COLD_RUNS)
FAILED = replace(done(Kind.ROLLBACK, 3, 5.0, WARM_RUNS), outcome=Outcome(result=Result.ROLLED_BACK))


@pytest.mark.parametrize(
    ("document", "history", "last", "kind"),
    [
        (WARM, (), None, ""),
        (WARM, (PROMOTE, COLD_BACK, FAILED), None, ""),
        (WARM, (OLD_WARM, NEW_WARM, FAILED, PROMOTE), 20.0, "rollback"),
        (COLD, (OLD_WARM, FAILED), None, ""),
        (COLD, (PROMOTE, NEW_WARM), 200.0, "promote"),
        (COLD, (COLD_BACK, done(Kind.PROMOTE, 2, 150.0, COLD_RUNS)), 180.0, "rollback"),
    ],
)
def test_the_last_duration_is_that_of_the_same_mode(
    document: Environment, history: tuple[Deployment, ...], last: float | None, kind: str
) -> None:
    found = rollback_option(document, history, NOW)
    assert (found.last_seconds, found.last_kind) == (last, kind)


RUNNING = environment(record(124), deployment=a_deployment(ended="", outcome=None), lease=a_lease())


def test_a_deployment_is_running_while_its_own_lease_is_valid() -> None:
    assert is_running(RUNNING, NOW)
    assert is_running(RUNNING, NOW, process=True)
    assert not is_running(RUNNING, NOW, process=False)
    assert not is_running(RUNNING, NOW + timedelta(minutes=2))
    assert not is_running(replace(RUNNING, lease=None), NOW)
    assert not is_running(replace(RUNNING, deployment=None), NOW)
    other = Runner(user="bob", host=ADA.host, pid=ADA.pid, run=ADA.run)
    assert not is_running(replace(RUNNING, lease=replace(a_lease(), owner=other)), NOW)
    assert not is_running(replace(RUNNING, lease=a_lease("soon")), NOW)
