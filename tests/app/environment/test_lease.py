"""Waiting for the lease of another run, with `promote --wait`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.lease.lease import LeaseManager
from pipeline.app.environment.lease import POLL, EnvironmentLease
from pipeline.core.errors import LeaseHeldError
from pipeline.core.events import Message
from tests.adapters.lease.lease_fakes import NOON
from tests.ui.status_examples import a_lease, environment

HELD = LeaseHeldError("the lease on production", "held by ada", "ami-pipeline status -e production")


class Waiting:
    """A reader whose lease another run holds for a number of reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reads: int) -> None:
        self.reads, self.slept = reads, list[float]()
        self.messages: list[str] = []
        self.signal: Callable[[], None] = lambda: None
        self.environment, self.key = "production", environment()
        self.pace = SimpleNamespace(clock=lambda: sum(self.slept))
        self.app: Any = SimpleNamespace(
            report=self.report, interrupts=SimpleNamespace(sleep=self.sleep), environ={}
        )
        monkeypatch.setattr(LeaseManager, "require_free", lambda *_: self.read())
        monkeypatch.setattr(LeaseManager, "take", lambda *_: self.read())

    def now(self) -> Any:
        return NOON

    documents = None

    def document(self) -> Any:
        return environment(lease=a_lease())

    def read(self) -> str:
        if self.reads:
            self.reads -= 1
            raise HELD
        return "taken"

    def sleep(self, seconds: float) -> None:
        self.signal()
        self.slept.append(seconds)

    def report(self, event: Any) -> None:
        assert isinstance(event, Message)
        self.messages.append(event.text)

    def lease(self, until: float | None) -> EnvironmentLease:
        reader: Any = self
        return EnvironmentLease(reader=reader, until=until)


def test_it_waits_until_the_other_run_ends_and_says_once_who_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Waiting(monkeypatch, 3)
    assert run.lease(60.0).take("promote") == "taken"  # type: ignore[comparison-overlap]
    assert run.slept == [POLL] * 3
    [text] = run.messages
    assert text.startswith("waiting for ada@ci-7 (pid 4711) since ")
    assert text.endswith("; Ctrl-C ends that")


def test_it_waits_no_longer_than_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Waiting(monkeypatch, 100)
    with pytest.raises(LeaseHeldError):
        run.lease(12.0).require_free()
    assert run.slept == [5.0, 5.0, 2.0]


def test_without_the_option_it_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Waiting(monkeypatch, 1)
    with pytest.raises(LeaseHeldError):
        run.lease(None).require_free()
    assert (run.slept, run.messages) == ([], [])


def test_a_signal_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Waiting(monkeypatch, 100)

    def interrupt() -> None:
        raise KeyboardInterrupt

    run.signal = interrupt
    with pytest.raises(KeyboardInterrupt):
        run.lease(60.0).take("promote")
