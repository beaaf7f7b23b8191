from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.core.events import BuildEnded, BuildStarted, Message, StepBegan
from pipeline.ui.live import LiveProgress, bake_table
from pipeline.ui.plain import PlainProgress
from pipeline.ui.progress import progress
from tests.ui.events import rollback_events, up_to_attach

EVENTS = (
    Message(text="cleaned up after x"),
    BuildStarted(name="web-1", log=Path("logs/web-1.log")),
    StepBegan(build="amazon-ebs.app", text="Launching a source AWS instance..."),
    StepBegan(build="amazon-ebs.app", text="\x1b[31m::error::hostile\r\nsecond\x1b[0m"),
    BuildEnded(seconds=192.0, how="succeeded"),
    BuildEnded(seconds=4.0, how="was stopped"),
)


@pytest.fixture
def ticks() -> Iterator[float]:
    return iter((0.0, 10.0, 12.5, 115.04))


def test_the_plain_lines_of_a_bake(ticks: Iterator[float]) -> None:
    stream = io.StringIO()
    plain = PlainProgress(stream, clock=lambda: next(ticks))
    for event in EVENTS:
        plain.report(event)
    assert stream.getvalue() == (
        "cleaned up after x\n"
        "building web-1\n"
        "full log: logs/web-1.log\n"
        "   2.5s  amazon-ebs.app: Launching a source AWS instance...\n"
        " 1m 45s  amazon-ebs.app: : :error::hostile second\n"
        "packer succeeded after 3m 12s\n"
        "packer was stopped after 4s\n"
    )


def test_the_lines_are_plain_without_a_terminal() -> None:
    stream = io.StringIO()
    with progress(stream, live=False) as report:
        report(Message(text="one"))
    assert stream.getvalue() == "one\n"


ENDED = "rolled back: r000124 still serves"


@pytest.mark.parametrize("live", [False, True])
def test_how_the_last_deployment_ended_is_left_to_the_result(*, live: bool) -> None:
    stream = io.StringIO()
    with progress(stream, live=live, result_follows=True) as report:
        for event in (*up_to_attach(), *rollback_events()) * 2:
            report(event)
    assert stream.getvalue().count(ENDED) == 1


def fail_after_a_deployment(stream: io.StringIO) -> None:
    with progress(stream, live=False, result_follows=True) as report:
        for event in (*up_to_attach(), *rollback_events()):
            report(event)
        raise KeyError


def test_without_a_result_the_progress_says_how_a_deployment_ended() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyError):
        fail_after_a_deployment(stream)
    assert stream.getvalue().count(ENDED) == 1


def test_the_live_table_shows_each_build_and_disappears() -> None:
    stream = io.StringIO()
    with progress(stream, live=True) as report:
        for event in EVENTS:
            report(event)
    assert "cleaned up after x" in stream.getvalue()
    assert "packer was stopped after 4s" in stream.getvalue()
    assert "::error" not in stream.getvalue().replace(": :error", "")


def test_the_live_table_disappears_after_an_exception() -> None:
    stream = io.StringIO()
    live = LiveProgress(stream)
    live.report(BuildStarted(name="web-1", log=Path("x")))
    assert live._live.is_started
    live.close()
    assert not live._live.is_started


def test_the_live_table_has_a_row_for_each_build() -> None:
    live = LiveProgress(io.StringIO())
    assert bake_table(live._steps, 0.0, 1.0).row_count == 1
    for build in ("a", "b", "a"):
        live.report(StepBegan(build=build, text="x"))
    assert bake_table(live._steps, 0.0, 1.0).row_count == 2
