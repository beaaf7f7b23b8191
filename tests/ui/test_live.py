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
from pipeline.ui.board import Board
from pipeline.ui.live import LiveProgress, board_table
from pipeline.ui.progress import progress
from tests.ui.events import REASON, SIGNAL, began, promoted, put_back, seen, up_to_attach
from tests.ui.status_examples import RUNS


def drawn(events: Iterable[Event], *, width: int = 100, encoding: str = "utf-8") -> str:
    """The display after these events, each phase begun at 10 s, looked at after 33.1 s."""
    board = Board(began())
    for event in events:
        board.report(event, 10.0)
    stream = io.StringIO()
    console = Console(width=width, file=stream, force_terminal=False, highlight=False)
    console.print(board_table(board, 33.1, encoding))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def test_the_display_shows_the_phases_both_groups_and_what_is_waited_for() -> None:
    assert (
        drawn(up_to_attach())
        == """\
✔  launch   1 min 12 s
✔  verify        4.2 s
▸  attach       23.1 s  at most 15 min 00 s
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


def test_a_rollback_takes_the_place_of_the_phases_to_come() -> None:
    events = (*up_to_attach(), *put_back())
    assert (
        drawn(events[:-4])
        == """\
✔  launch    1 min 12 s
✔  verify         4.2 s
✖  attach    1 min 31 s  i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
✔  restore        1.1 s
▸  withdraw      23.1 s  at most 15 min 00 s
·  remove

blue   r000124  1.4.0, ami-00000000000000124
                3 InService of 3; web-elb: 3 InService; web-tg: 3 healthy
green  r000125  1.5.0, ami-00000000000000125
                2 InService, 1 Pending of 3; web-elb: 1 InService, 1 OutOfService, 1 not listed
"""
    )


def test_at_the_end_the_phases_stay() -> None:
    assert (
        drawn((*up_to_attach(), *put_back()))
        == """\
✔  launch    1 min 12 s
✔  verify         4.2 s
✖  attach    1 min 31 s  i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
✔  restore        1.1 s
✔  withdraw      20.0 s
✔  remove        11.0 s
"""
    )


def test_what_ended_unfinished_is_told_so() -> None:
    assert drawn((*up_to_attach(), put_back()[-1])).splitlines()[2:] == [
        "✖  attach              not finished"
    ]


@pytest.mark.parametrize("width", [100, 60, 40, 24])
def test_a_narrow_terminal_wraps_and_hides_no_phase(width: int) -> None:
    text = drawn(up_to_attach(), width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert all(run.name in text for run in RUNS)
    assert "waiting: 1 of 3 members" in text


def test_where_icons_cannot_be_drawn_there_are_letters() -> None:
    assert drawn(up_to_attach(), encoding="ascii").isascii()
    assert drawn(up_to_attach(), encoding="latin-1").startswith("+  launch")


def test_what_could_not_be_read_is_shown_and_no_group_is_taken_for_gone() -> None:
    observation = Observation(at=0.0, unreadable=("DescribeAutoScalingGroups: Throttling",))
    text = drawn((*up_to_attach(), seen("", observation)))
    assert text.endswith(
        "\nblue   r000124  not seen\ngreen  r000125  not seen\n\n"
        "not read: DescribeAutoScalingGroups: Throttling\n"
    )
    assert "green  r000125  no group\n" in drawn((*up_to_attach(), seen("", Observation(at=0.0))))


def test_a_dark_group_has_no_traffic() -> None:
    observation = up_to_attach()[-1]
    assert hasattr(observation, "observation")
    groups = {
        name: replace(group, attached=frozenset())
        for name, group in observation.observation.groups.items()
    }
    detached = replace(observation.observation, groups=groups, targets={})
    assert "3 InService of 3; no traffic" in drawn((*up_to_attach(), seen("", detached)))


def test_a_phase_nobody_announced_is_shown() -> None:
    assert "✔  extra" in drawn([PhaseEnded(run=PhaseRun(name="extra", seconds=1.0))])


def all_of(events: Iterable[Event], **changes: Any) -> str:
    stream = io.StringIO()
    console = Console(**{"force_terminal": False, **changes}, width=100, file=stream)
    live = LiveProgress(stream, clock=lambda: 0.0, console=console)
    for event in events:
        live.report(event)
    live.close()
    return stream.getvalue()


def test_on_the_screen_stay_what_was_asked_what_was_noted_the_phases_and_the_end() -> None:
    text = all_of((*up_to_attach(), SIGNAL, *put_back()))
    told = [line.rstrip() for line in text.splitlines()]
    assert told[:3] == [
        "production: promote r000125 (1.5.0, ami-00000000000000125) in the place of r000124",
        "interrupted: rolling back; interrupt again to stop waiting",
        "✔  launch    1 min 12 s",
    ]
    assert told[-1].endswith("rolled back: r000124 serves production, as before (0.0 s)")
    assert text.count(REASON) == 1


def test_a_rollback_says_why_where_no_phase_has_said_so() -> None:
    asked = RollbackBegan(reason="ada [bold]asked[/bold]", phases=("reattach",))
    assert "rolling back: ada [bold]asked[/bold]\n" in all_of((began(), asked))


def test_a_promotion_stays_as_its_phases() -> None:
    text = all_of(promoted())
    assert [line.split()[:2] for line in text.splitlines()[1:8]] == [
        ["✔", run.name] for run in RUNS
    ]
    assert "promoted: r000124 serves production (0.0 s)" in text


@pytest.mark.parametrize("without", [True, False])
def test_without_colour_there_is_no_colour(
    monkeypatch: pytest.MonkeyPatch, *, without: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if without:
        monkeypatch.setenv("NO_COLOR", "1")
    text = all_of((*up_to_attach(), *put_back()), force_terminal=True)
    assert ("\x1b[31m" in text) is not without


def test_a_deployment_that_raises_leaves_the_display_as_it_was() -> None:
    stream = io.StringIO()
    with progress(stream, live=True) as report:
        for event in up_to_attach():
            report(event)
    assert "attach" in stream.getvalue()


def test_nobody_reading_any_more_is_no_reason_to_end() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    live = LiveProgress(Gone())
    for event in (*up_to_attach(), SIGNAL, PhaseBegan(name="soak", limit=1.0), *put_back()):
        live.report(event)
    live.close()
