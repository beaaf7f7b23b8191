from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.process.process import Command, capture
from pipeline.adapters.process.survivors import INTERVAL, await_end, shared_lock
from pipeline.core.events import Event

SAID = "waiting for Terraform of the previous run to save its state and finish"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "terraform.log"
    path.touch()
    return path


def awaited(log: Path, until: int, limit: float = 60.0) -> tuple[int, list[Event]]:
    """Return how often was waited for who lets go at the wait `until`, and what was said."""
    events: list[Event] = []
    waits: list[float] = []
    with shared_lock(log) as first, shared_lock(log) as second:
        left = [os.dup(first), os.dup(second)]

    def wait(seconds: float) -> None:
        assert seconds == INTERVAL
        waits.append(seconds)
        if len(waits) >= until:
            while left:
                os.close(left.pop())

    await_end(log, limit, wait=wait, report=events.append)
    while left:
        os.close(left.pop())
    return len(waits), events


def test_a_survivor_is_waited_for_and_reported_once(log: Path) -> None:
    waits, events = awaited(log, until=7)
    assert waits == 7
    assert [getattr(each, "text", "") for each in events] == [SAID]


def test_the_wait_for_a_survivor_is_limited(log: Path) -> None:
    assert awaited(log, until=1000, limit=2.0)[0] == 20


@pytest.mark.parametrize("there", [True, False])
def test_without_a_survivor_there_is_no_wait(log: Path, there: bool) -> None:
    if not there:
        log.unlink()
    await_end(log, 60.0, wait=_never, report=_never)


def _never(_: object) -> None:
    raise AssertionError


def test_a_supervisor_holds_the_lock_and_its_child_does_not_get_it(log: Path) -> None:
    with shared_lock(log) as lock:
        code = "import os; print(len(os.listdir('/proc/self/fd')))"
        argv = [sys.executable, "-Sc", code]
        command = Command(argv=argv, cwd=log.parent, env={})
        assert capture(replace(command, kept=(lock,)), timeout=10) == capture(command, timeout=10)
