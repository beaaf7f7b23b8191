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
from tests.ui.events import REASON, SIGNAL, began, promoted, put_back, seen, up_to_attach
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


def test_a_deployment_is_a_line_for_each_thing_that_happened() -> None:
    ticks = count(step=10)
    stream = io.StringIO()
    shown = PlainProgress(stream, clock=lambda: float(next(ticks)))
    for event in (*up_to_attach(), SIGNAL, *put_back()):
        shown.report(event)
    shown.close()
    assert (
        stream.getvalue()
        == """\
production: promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124
deployment 20260104T030700-7f3a: launch, verify, attach, soak, drain, observe, retire
   20.0 s  launch: at most 15 min 00 s
   30.0 s  launch: done (1 min 12 s)
   50.0 s  verify: at most 5 min 00 s
   60.0 s  verify: done (4.2 s)
   80.0 s  attach: at most 15 min 00 s
  110.0 s  attach: 1 of 3 members of r000125 healthy in web-elb
interrupted: rolling back; interrupt again to stop waiting
  120.0 s  attach: failed: i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks \
(1 min 31 s)
  130.0 s  rolling back, to come: restore, withdraw, remove
  150.0 s  restore: at most 15 min 00 s
  160.0 s  restore: done (1.1 s)
  180.0 s  withdraw: at most 15 min 00 s
  190.0 s  withdraw: done (20.0 s)
  210.0 s  remove: at most 15 min 00 s
  220.0 s  remove: done (11.0 s)
  230.0 s  rolled back: r000124 serves production, as before
"""
    )


def test_on_github_each_phase_is_a_fold_and_the_end_an_annotation() -> None:
    assert lines((*up_to_attach(), *put_back()), on_github=True) == [
        "production: promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124",
        "deployment 20260104T030700-7f3a: launch, verify, attach, soak, drain, observe, retire",
        "::group::launch",
        "    0.0 s  launch: at most 15 min 00 s",
        "::endgroup::",
        "    0.0 s  launch: done (1 min 12 s)",
        "::group::verify",
        "    0.0 s  verify: at most 5 min 00 s",
        "::endgroup::",
        "    0.0 s  verify: done (4.2 s)",
        "::group::attach",
        "    0.0 s  attach: at most 15 min 00 s",
        "    0.0 s  attach: 1 of 3 members of r000125 healthy in web-elb",
        "::endgroup::",
        f"    0.0 s  attach: failed: {REASON} (1 min 31 s)",
        "    0.0 s  rolling back, to come: restore, withdraw, remove",
        "::group::restore",
        "    0.0 s  restore: at most 15 min 00 s",
        "::endgroup::",
        "    0.0 s  restore: done (1.1 s)",
        "::group::withdraw",
        "    0.0 s  withdraw: at most 15 min 00 s",
        "::endgroup::",
        "    0.0 s  withdraw: done (20.0 s)",
        "::group::remove",
        "    0.0 s  remove: at most 15 min 00 s",
        "::endgroup::",
        "    0.0 s  remove: done (11.0 s)",
        "    0.0 s  rolled back: r000124 serves production, as before",
        f"{ERROR}::r000124 serves production, as before. attach: {REASON}",
    ]


def test_success_is_a_notice() -> None:
    assert lines(promoted(), on_github=True)[-2:] == [
        "    0.0 s  promoted: r000124 serves production",
        "::notice title=promote production%3A promoted::r000124 serves production",
    ]


@pytest.mark.parametrize(
    ("kind", "result", "command"),
    [
        (Kind.PROMOTE, Result.ROLLED_BACK, "::error"),
        (Kind.ROLLBACK, Result.PROMOTED, "::notice"),
        (Kind.RECOVER, Result.ROLLED_BACK, "::error"),
        (Kind.ABORT, Result.ROLLED_BACK, "::notice"),
        (Kind.ABORT, Result.NEEDS_ATTENTION, "::error"),
        (Kind.PROMOTE, Result.REFUSED, "::error"),
    ],
)
def test_what_was_asked_decides_whether_an_end_is_good(
    kind: Kind, result: Result, command: str
) -> None:
    ended = a_deployment(kind=kind, outcome=Outcome(result=result))
    told = lines([began(), DeploymentEnded(deployment=ended)], on_github=True)
    assert told[-1].startswith(f"{command} title={kind} production%3A {result}::")


def test_elsewhere_nothing_is_a_workflow_command() -> None:
    told = lines((*up_to_attach(), *put_back(), *promoted()))
    assert [line for line in told if line.startswith("::")] == []


def test_a_fold_that_is_open_is_closed_when_the_work_raises() -> None:
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
def test_there_are_folds_on_github_only(said: str | None) -> None:
    stream = io.StringIO()
    environ = {} if said is None else {"GITHUB_ACTIONS": said}
    with progress(stream, live=False, environ=environ) as report:
        report(PhaseBegan(name="launch", limit=1.0))
    assert "::" not in stream.getvalue()


def waits(*told: tuple[float, str]) -> list[str]:
    """The lines of the looks at these times, each with its reason."""
    stream, times = io.StringIO(), [0.0]
    shown = PlainProgress(stream, clock=lambda: times[0])
    shown.report(PhaseBegan(name="attach", limit=900.0))
    for times[0], waiting in told:
        shown.report(seen(waiting))
    return stream.getvalue().splitlines()[1:]


def test_a_reason_is_told_when_it_changes_not_at_each_observation() -> None:
    assert waits((1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "a"), (6, "")) == [
        "    1.0 s  attach: a",
        "    3.0 s  attach: b",
        "    5.0 s  attach: a",
    ]


def test_that_only_its_seconds_pass_is_no_change() -> None:
    assert waits((1, "soak: 59.0 s left"), (2, "soak: 58.0 s left"), (3, "soak: alarm x")) == [
        "    1.0 s  attach: soak: 59.0 s left",
        "    3.0 s  attach: soak: alarm x",
    ]
    assert len(waits((1, "1 of 3 healthy"), (2, "2 of 3 healthy"))) == 2


def test_a_long_silence_is_broken() -> None:
    told = waits((1, "a"), (SILENCE, "a"), (SILENCE + 1, "a"), (SILENCE + 2, "a"))
    assert told == ["    1.0 s  attach: a", "   61.0 s  attach: a"]


def test_a_reason_is_told_anew_in_the_next_phase() -> None:
    first, second = (PhaseBegan(name=name, limit=1.0) for name in ("attach", "soak"))
    told = lines((first, seen("a"), second, seen("a")))
    assert len([line for line in told if line.endswith(": a")]) == 2


def test_a_rollback_says_why_where_no_phase_has_said_so() -> None:
    asked = RollbackBegan(reason="ada asked for it", phases=("reattach",))
    assert lines([asked]) == ["    0.0 s  rolling back, to come: restore: ada asked for it"]


def test_what_could_not_be_read_is_told_where_nothing_else_is_waited_for() -> None:
    observation = Observation(at=0.0, unreadable=("DescribeTargetHealth: Throttling",))
    assert lines([seen("", observation)]) == ["    0.0 s  attach: DescribeTargetHealth: Throttling"]


@pytest.mark.parametrize("on_github", [False, True])
def test_no_foreign_text_becomes_a_workflow_command(on_github: bool) -> None:
    fault = PhaseRun(name="attach", seconds=1.0, fault=HOSTILE)
    outcome = Outcome(result=Result.NEEDS_ATTENTION, phase="x", reason=HOSTILE, rollback_error=HOSTILE)
    start = began()
    events = (
        replace(start, deployment=replace(start.deployment, version=HOSTILE, image=HOSTILE)),
        replace(SIGNAL, text=HOSTILE),
        PhaseBegan(name=HOSTILE, limit=1.0),
        seen(HOSTILE),
        PhaseEnded(run=fault),
        RollbackBegan(reason=HOSTILE, phases=("reattach",)),
        DeploymentEnded(deployment=replace(rolled_back(), outcome=outcome)),
    )
    told = lines(events, on_github=on_github)
    commands = [line.split("::")[1].split(" ")[0] for line in told if line.startswith("::")]
    assert commands == (["group", "endgroup", "error"] if on_github else [])
    assert not any("##[" in line or "\x1b" in line for line in told)
    obeyed = [line for line in told if line.startswith("::")]
    assert not any("%0A" in line for line in obeyed)


def test_nobody_reading_any_more_is_no_reason_to_end() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    PlainProgress(Gone()).report(SIGNAL)
