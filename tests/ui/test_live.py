from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from pipeline.core.events import Event, PhaseBegan, PhaseEnded, RollbackBegan
from pipeline.core.health.observation import Observation
from pipeline.core.state.deployment import PhaseRun
from pipeline.ui.deployment_view import DeploymentView
from pipeline.ui.live import LiveProgress, deployment_table
from pipeline.ui.progress import progress
from tests.ui.events import REASON, SIGNAL, began, promoted, rollback_events, up_to_attach, watched
from tests.ui.status_examples import RUNS


def drawn(events: Iterable[Event], *, width: int = 100, encoding: str = "utf-8") -> str:
    """Return the display at 33.1s after these events, with each phase begun at 10s."""
    board = DeploymentView(began())
    for event in events:
        board.report(event, 10.0)
    stream = io.StringIO()
    console = Console(width=width, file=stream, force_terminal=False, highlight=False)
    console.print(deployment_table(board, 33.1, encoding))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def test_the_display_shows_the_phases_both_groups_and_the_reason_to_wait() -> None:
    assert (
        drawn(up_to_attach())
        == """\
✔  launch   1m 12s
✔  verify     4.2s
▸  attach    23.1s  limit 15m
·  soak
·  drain
·  observe
·  retire

blue   r000124  1.4.0, ami-00000000000000124
                3 InService of 3; web-elb: 3 InService; web-tg: 3 healthy
green  r000125  1.5.0, ami-00000000000000125
                2 InService, 1 Pending of 3; web-elb: 1 InService, 1 OutOfService, 1 not listed

waiting: 1 of 3 members of r000125 healthy in web-elb
"""
    )


def test_the_phases_of_a_rollback_replace_the_pending_phases() -> None:
    events = (*up_to_attach(), *rollback_events())
    assert (
        drawn(events[:-4])
        == """\
✔  launch    1m 12s
✔  verify      4.2s
✖  attach    1m 31s  i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
✔  reattach    1.1s
▸  detach     23.1s  limit 15m
·  delete

blue   r000124  1.4.0, ami-00000000000000124
                3 InService of 3; web-elb: 3 InService; web-tg: 3 healthy
green  r000125  1.5.0, ami-00000000000000125
                2 InService, 1 Pending of 3; web-elb: 1 InService, 1 OutOfService, 1 not listed
"""
    )


def test_the_phases_stay_at_the_end() -> None:
    assert (
        drawn((*up_to_attach(), *rollback_events()))
        == """\
✔  launch    1m 12s
✔  verify      4.2s
✖  attach    1m 31s  i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
✔  reattach    1.1s
✔  detach       20s
✔  delete       11s
"""
    )


def test_an_unfinished_phase_is_marked() -> None:
    assert drawn((*up_to_attach(), rollback_events()[-1])).splitlines()[2:] == [
        "✖  attach          unfinished"
    ]


@pytest.mark.parametrize("width", [100, 60, 40, 24])
def test_a_narrow_terminal_wraps_and_hides_no_phase(width: int) -> None:
    text = drawn(up_to_attach(), width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert all(run.name in text for run in RUNS)
    assert "waiting: 1 of 3 members" in text


def test_icons_become_letters_in_other_encodings() -> None:
    assert drawn(up_to_attach(), encoding="ascii").isascii()
    assert drawn(up_to_attach(), encoding="latin-1").startswith("+  launch")


def test_an_unreadable_group_does_not_count_as_deleted() -> None:
    observation = Observation(at=0.0, unreadable=("DescribeAutoScalingGroups: Throttling",))
    text = drawn((*up_to_attach(), watched("", observation)))
    assert text.endswith(
        "\nblue   r000124  unreadable\ngreen  r000125  unreadable\n\n"
        "unreadable: DescribeAutoScalingGroups: Throttling\n"
    )
    assert "green  r000125  no group\n" in drawn(
        (*up_to_attach(), watched("", Observation(at=0.0)))
    )


def test_a_detached_group_has_no_traffic() -> None:
    observation = up_to_attach()[-1]
    assert hasattr(observation, "observation")
    groups = {
        name: replace(group, attached=frozenset())
        for name, group in observation.observation.groups.items()
    }
    detached = replace(observation.observation, groups=groups, targets={})
    assert "3 InService of 3; no traffic" in drawn((*up_to_attach(), watched("", detached)))


def test_an_unannounced_phase_is_shown() -> None:
    assert "✔  extra" in drawn([PhaseEnded(run=PhaseRun(name="extra", seconds=1.0))])


def all_of(events: Iterable[Event], **changes: Any) -> str:
    stream = io.StringIO()
    console = Console(**{"force_terminal": False, **changes}, width=100, file=stream)
    live = LiveProgress(stream, clock=lambda: 0.0, console=console)
    for event in events:
        live.report(event)
    live.close()
    return stream.getvalue()


def test_the_request_the_messages_the_phases_and_the_outcome_stay_on_the_screen() -> None:
    text = all_of((*up_to_attach(), SIGNAL, *rollback_events()))
    shown = [line.rstrip() for line in text.splitlines()]
    assert shown[:3] == [
        "production: promote r000125 (1.5.0, ami-00000000000000125), replacing r000124",
        "interrupted: rolling back; interrupt again to stop waiting",
        "✔  launch    1m 12s",
    ]
    assert shown[-1].endswith("rolled back: r000124 still serves production (3m 32s)")
    assert text.count(REASON) == 1


def test_a_rollback_shows_its_reason_unless_a_phase_does() -> None:
    event = RollbackBegan(reason="ada [bold]requested[/bold]", phases=("reattach",))
    assert "rolling back: ada [bold]requested[/bold]\n" in all_of((began(), event))


def test_the_phases_of_a_promotion_stay_on_the_screen() -> None:
    text = all_of(promoted())
    assert [line.split()[:2] for line in text.splitlines()[1:8]] == [
        ["✔", run.name] for run in RUNS
    ]
    assert "promoted: r000124 serves production (3m 32s)" in text


@pytest.mark.parametrize("without", [True, False])
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, *, without: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if without:
        monkeypatch.setenv("NO_COLOR", "1")
    text = all_of((*up_to_attach(), *rollback_events()), force_terminal=True)
    assert ("\x1b[31m" in text) is not without


def test_the_display_stays_after_an_exception() -> None:
    stream = io.StringIO()
    with progress(stream, live=True) as report:
        for event in up_to_attach():
            report(event)
    assert "attach" in stream.getvalue()


def test_a_closed_stream_does_not_end_the_work() -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    live = LiveProgress(Closed())
    for event in (*up_to_attach(), SIGNAL, PhaseBegan(name="soak", limit=1.0), *rollback_events()):
        live.report(event)
    live.close()
