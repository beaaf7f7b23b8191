from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest

from pipeline.core.events import DeploymentEnded, Event, PhaseBegan, PhaseEnded, RollbackBegan
from pipeline.core.health.observation import Observation
from pipeline.core.state.deployment import Kind, Outcome, PhaseRun, Result
from pipeline.ui.plain import SILENCE, PlainProgress
from pipeline.ui.progress import progress
from tests.ui.events import REASON, SIGNAL, began, promoted, rollback_events, up_to_attach, watched
from tests.ui.status_examples import a_deployment, rolled_back

ERROR = "::error title=promote production%3A rolled back"
HOSTILE = "x\n::error::y\r##[group]z %0A::notice::w\x1b[31m"


def lines(events: Iterable[Event], *, on_github: bool = False) -> list[str]:
    stream = io.StringIO()
    shown = PlainProgress(stream, clock=lambda: 12.0, on_github=on_github)
    for event in events:
        shown.report(event)
    shown.close()
    return stream.getvalue().splitlines()


def test_each_event_of_a_deployment_is_a_line() -> None:
    ticks = count(step=10)
    stream = io.StringIO()
    shown = PlainProgress(stream, clock=lambda: float(next(ticks)))
    for event in (*up_to_attach(), SIGNAL, *rollback_events()):
        shown.report(event)
    shown.close()
    assert (
        stream.getvalue()
        == """\
production: promote r000125 (1.5.0, ami-00000000000000125), replacing r000124
deployment 20260104T030700-7f3a: launch, verify, attach, soak, drain, observe, retire
    20s  launch: started, limit 15m
    30s  launch: done (1m 12s)
    50s  verify: started, limit 5m
     1m  verify: done (4.2s)
 1m 20s  attach: started, limit 15m
 1m 50s  attach: 1 of 3 members of r000125 healthy in web-elb
interrupted: rolling back; interrupt again to stop waiting
     2m  attach: failed: i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks \
(1m 31s)
 2m 10s  rolling back (reattach, detach, delete)
 2m 30s  reattach: started, limit 15m
 2m 40s  reattach: done (1.1s)
     3m  detach: started, limit 15m
 3m 10s  detach: done (20s)
 3m 30s  delete: started, limit 15m
 3m 40s  delete: done (11s)
rolled back: r000124 still serves production (3m 32s)
"""
    )


def test_on_github_each_phase_is_a_group_and_the_outcome_an_annotation() -> None:
    assert lines((*up_to_attach(), *rollback_events()), on_github=True) == [
        "production: promote r000125 (1.5.0, ami-00000000000000125), replacing r000124",
        "deployment 20260104T030700-7f3a: launch, verify, attach, soak, drain, observe, retire",
        "::group::launch",
        "     0s  launch: started, limit 15m",
        "::endgroup::",
        "     0s  launch: done (1m 12s)",
        "::group::verify",
        "     0s  verify: started, limit 5m",
        "::endgroup::",
        "     0s  verify: done (4.2s)",
        "::group::attach",
        "     0s  attach: started, limit 15m",
        "     0s  attach: 1 of 3 members of r000125 healthy in web-elb",
        "::endgroup::",
        f"     0s  attach: failed: {REASON} (1m 31s)",
        "     0s  rolling back (reattach, detach, delete)",
        "::group::reattach",
        "     0s  reattach: started, limit 15m",
        "::endgroup::",
        "     0s  reattach: done (1.1s)",
        "::group::detach",
        "     0s  detach: started, limit 15m",
        "::endgroup::",
        "     0s  detach: done (20s)",
        "::group::delete",
        "     0s  delete: started, limit 15m",
        "::endgroup::",
        "     0s  delete: done (11s)",
        "rolled back: r000124 still serves production (3m 32s)",
        f"{ERROR}::r000124 still serves production. attach: {REASON}",
    ]


def test_success_is_a_notice() -> None:
    assert lines(promoted(), on_github=True)[-2:] == [
        "promoted: r000124 serves production (3m 32s)",
        "::notice title=promote production%3A promoted::r000124 serves production",
    ]


@pytest.mark.parametrize(
    ("kind", "result", "command", "words"),
    [
        (Kind.PROMOTE, Result.ROLLED_BACK, "::error", "rolled back"),
        (Kind.ROLLBACK, Result.PROMOTED, "::notice", "rolled back to r000124"),
        (Kind.RECOVER, Result.ROLLED_BACK, "::error", "rolled back"),
        (Kind.ABORT, Result.ROLLED_BACK, "::notice", "rolled back"),
        (Kind.ABORT, Result.NEEDS_ATTENTION, "::error", "needs attention"),
        (Kind.PROMOTE, Result.REFUSED, "::error", "refused"),
    ],
)
def test_the_request_determines_whether_an_outcome_is_a_success(
    kind: Kind, result: Result, command: str, words: str
) -> None:
    ended = a_deployment(kind=kind, outcome=Outcome(result=result))
    output = lines([began(), DeploymentEnded(deployment=ended)], on_github=True)
    assert output[-1].startswith(f"{command} title={kind} production%3A {words}::")


def test_without_github_no_line_is_a_workflow_command() -> None:
    output = lines((*up_to_attach(), *rollback_events(), *promoted()))
    assert [line for line in output if line.startswith("::")] == []


def test_an_open_group_is_closed_after_an_exception() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with progress(stream, live=False, environ={"GITHUB_ACTIONS": "true"}) as report:
            for event in up_to_attach():
                report(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().splitlines()[-1] == "::endgroup::"


@pytest.mark.parametrize("said", [None, "false"])
def test_there_are_groups_only_on_github(said: str | None) -> None:
    stream = io.StringIO()
    environ = {} if said is None else {"GITHUB_ACTIONS": said}
    with progress(stream, live=False, environ=environ) as report:
        report(PhaseBegan(name="launch", limit=1.0))
    assert "::" not in stream.getvalue()


def waits(*reasons: tuple[float, str]) -> list[str]:
    """Return the lines for observations at these times, each with its reason."""
    stream, times = io.StringIO(), [0.0]
    shown = PlainProgress(stream, clock=lambda: times[0])
    shown.report(PhaseBegan(name="attach", limit=900.0))
    for times[0], waiting in reasons:
        shown.report(watched(waiting))
    return stream.getvalue().splitlines()[1:]


def test_a_reason_is_a_line_only_if_it_changes() -> None:
    assert waits((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a"), (6, "")) == [
        "     1s  attach: a",
        "     3s  attach: b",
        "     5s  attach: a",
    ]


def test_a_changed_duration_is_not_a_change() -> None:
    assert waits((1, "soak: 1m 01s left"), (2, "soak: 59.9s left"), (3, "soak: alarm x")) == [
        "     1s  attach: soak: 1m 01s left",
        "     3s  attach: soak: alarm x",
    ]
    assert len(waits((1, "1 of 3 healthy"), (2, "2 of 3 healthy"))) == 2


def test_a_reason_is_repeated_after_a_long_silence() -> None:
    output = waits((1, "a"), (SILENCE, "a"), (SILENCE + 1, "a"), (SILENCE + 2, "a"))
    assert output == ["     1s  attach: a", " 1m 01s  attach: a"]


def test_a_reason_is_repeated_in_the_next_phase() -> None:
    first, second = (PhaseBegan(name=name, limit=1.0) for name in ("attach", "soak"))
    output = lines((first, watched("a"), second, watched("a")))
    assert len([line for line in output if line.endswith(": a")]) == 2


def test_a_rollback_shows_its_reason_unless_a_phase_does() -> None:
    event = RollbackBegan(reason="requested by ada", phases=("reattach",))
    assert lines([event]) == ["     0s  rolling back (reattach): requested by ada"]


def test_an_unreadable_observation_is_reported() -> None:
    observation = Observation(at=0.0, unreadable=("DescribeTargetHealth: Throttling",))
    assert lines([watched("", observation)]) == [
        "     0s  attach: DescribeTargetHealth: Throttling"
    ]


@pytest.mark.parametrize("on_github", [False, True])
def test_foreign_text_cannot_become_a_workflow_command(on_github: bool) -> None:
    fault = PhaseRun(name="attach", seconds=1.0, fault=HOSTILE)
    outcome = Outcome(
        result=Result.NEEDS_ATTENTION, phase="x", reason=HOSTILE, rollback_error=HOSTILE
    )
    start = began()
    events = (
        replace(start, deployment=replace(start.deployment, version=HOSTILE, image=HOSTILE)),
        replace(SIGNAL, text=HOSTILE),
        PhaseBegan(name=HOSTILE, limit=1.0),
        watched(HOSTILE),
        PhaseEnded(run=fault),
        RollbackBegan(reason=HOSTILE, phases=("reattach",)),
        DeploymentEnded(deployment=replace(rolled_back(), outcome=outcome)),
    )
    output = lines(events, on_github=on_github)
    commands = [line.split("::")[1].split(" ")[0] for line in output if line.startswith("::")]
    assert commands == (["group", "endgroup", "error"] if on_github else [])
    assert not any("##[" in line or "\x1b" in line for line in output)
    executed = [line for line in output if line.startswith("::")]
    assert not any("%0A" in line for line in executed)


def test_a_closed_stream_does_not_end_the_work() -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    PlainProgress(Closed()).report(SIGNAL)
