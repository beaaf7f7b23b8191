"""Fakes for tests of the lease: runs that want it, their clock and their reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.adapters.lease.lease import Clock, LeaseManager
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.environments import Environments
from pipeline.core.events import Event, Message
from pipeline.core.state.deployment import Runner
from pipeline.core.state.environment import Environment

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COMMAND = "ami-pipeline promote -e production"


@dataclass
class FakeClock:
    """Both clocks; `jump` sets the wall clock alone, as a person or NTP does."""

    now: datetime = NOON
    steady: float = 1000.0

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, steady=lambda: self.steady)


@dataclass
class Heard:
    """The texts that were reported."""

    texts: list[str] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Message)
        self.texts.append(event.text)


def an_owner(**changes: Any) -> Runner:
    """Return a CI job."""
    owner = Runner(user="ann", host="ci-7", pid=4242, run="https://ci.example/runs/17")
    return replace(owner, **changes)


def an_environment(**changes: Any) -> Environment:
    """Return what is known of production before its document is read."""
    fresh = Environment(
        app="web", environment="production", account="111122223333", region="eu-central-1"
    )
    return replace(fresh, **changes)


def leases(
    store: Store,
    clock: FakeClock,
    *,
    owner: Runner | None = None,
    report: Callable[[Event], None] | None = None,
) -> LeaseManager:
    """Return a run's way to a lease of a minute."""
    return LeaseManager(
        environments=Environments(store),
        owner=owner or an_owner(),
        report=report or Heard(),
        clock=clock.clock,
    )
