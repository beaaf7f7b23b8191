from __future__ import annotations

import pytest

from pipeline.core.state.deployment import Kind, Outcome, PhaseRun, Result
from pipeline.core.state.report import outputs, seconds_between, serves, took
from tests.ui.status_examples import a_deployment, a_pause, a_paused_deployment, image


def serves_after(phase: str, blue: str = "r000123", *, drained: bool = False) -> str | None:
    before = "drain" if drained else "attach"
    runs = (
        PhaseRun(name=before, seconds=1.0, fault="earlier"),
        PhaseRun(name=phase, seconds=1.0, fault="x"),
    )
    outcome = Outcome(
        result=Result.NEEDS_ATTENTION, phase="attach", reason="earlier", rollback_error="x"
    )
    return serves(a_deployment(phases=runs, outcome=outcome, blue=blue))


@pytest.mark.parametrize(
    ("result", "release"),
    [
        (Result.PROMOTED, "r000124"),
        (Result.REFUSED, "r000123"),
        (Result.ROLLED_BACK, "r000123"),
    ],
)
def test_the_outcome_determines_the_serving_release(result: Result, release: str) -> None:
    assert serves(a_deployment(outcome=Outcome(result=result))) == release


def test_the_serving_release_is_unknown_while_it_runs() -> None:
    running = a_deployment(outcome=None, ended="")
    assert serves(running) is None
    assert took(running) is None


@pytest.mark.parametrize(
    ("phase", "with_blue", "without"),
    [
        ("retire", "r000124", "r000124"),
        ("reattach", None, None),
        ("detach", "r000123", None),
        ("delete", "r000123", ""),
        ("drain", None, None),
    ],
)
def test_after_a_failed_rollback_the_last_phase_determines_the_serving_release(
    phase: str, with_blue: str | None, without: str | None
) -> None:
    assert serves_after(phase, drained=True) == with_blue
    assert serves_after(phase, blue="", drained=True) == without


def test_blue_serves_until_the_drain() -> None:
    assert [
        serves_after(phase) for phase in ("launch", "verify", "attach", "soak", "reattach")
    ] == (["r000123"] * 5)
    assert serves_after("launch", blue="") is None


def test_a_recovered_observe_proves_that_blue_had_left() -> None:
    """A recover that continues after the drain performs no drain of its own."""
    runs = tuple(PhaseRun(name=name, seconds=1.0, fault="x") for name in ("observe", "reattach"))
    outcome = Outcome(
        result=Result.NEEDS_ATTENTION, phase="observe", reason="x", rollback_error="x"
    )
    assert serves(a_deployment(phases=runs, outcome=outcome)) is None


@pytest.mark.parametrize(
    ("phase", "release"),
    [("reattach", "r000123"), ("detach", "r000124"), ("delete", "r000124")],
)
def test_a_failed_rollback_to_a_warm_group(phase: str, release: str) -> None:
    runs = (PhaseRun(name=phase, seconds=1.0, fault="x"),)
    outcome = Outcome(result=Result.NEEDS_ATTENTION, phase=phase, reason="x")
    assert serves(a_deployment(phases=runs, outcome=outcome, warm=True)) == release


def test_the_duration_is_from_beginning_to_end() -> None:
    assert took(a_deployment()) == 211.5


@pytest.mark.parametrize(
    ("began", "ended", "seconds"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00+00:00", 60.0),
        ("2026-01-01T00:01:00Z", "2026-01-01T00:00:00Z", 0.0),
        ("2026-01-01T00:01:00Z", "", None),
        ("soon", "2026-01-01T00:01:00Z", None),
        ("2026-01-01T00:01:00", "2026-01-01T00:01:00Z", None),
    ],
)
def test_seconds_between_two_times(began: str, ended: str, seconds: float | None) -> None:
    assert seconds_between(began, ended) == seconds


def test_the_outputs_for_ci() -> None:
    assert outputs(a_deployment(kind=Kind.PROMOTE)) == {
        "outcome": "promoted",
        "release": "r000124",
        "ami_id": image(124),
        "version": "1.4.0",
        "previous": "r000123",
        "serving": "r000124",
    }
    running = outputs(a_deployment(outcome=None))
    assert (running["outcome"], running["serving"]) == ("", "")


def test_a_pause_is_no_part_of_the_duration() -> None:
    ended = a_pause(since="2026-01-04T03:08:00+00:00", ended="2026-01-04T03:10:00+00:00")
    assert took(a_deployment(pauses=(ended,))) == 91.5
    paused = a_paused_deployment()
    assert (took(paused), serves(paused)) == (None, "r000123")
    assert serves(a_paused_deployment(phase="drain")) == "r000124"
    assert outputs(paused)["outcome"] == "paused"
