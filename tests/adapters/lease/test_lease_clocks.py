"""The lease where this machine's clock is an hour off: the store is S3, and its clock counts.

Wired as a run wires it: only what this machine's clock says is made wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.lease import lease as lease_module
from pipeline.adapters.store import s3 as store_module
from pipeline.adapters.store.s3 import S3Store
from pipeline.app.environment.lease import EnvironmentLease
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.status import StatusReader
from pipeline.core.errors import LeaseHeldError
from pipeline.core.state.status import is_running
from tests.adapters.lease.lease_fakes import NOON, FakeClock, an_environment

HOUR = 3600.0
Run = Callable[[str], EnvironmentLease]


def off(clock: FakeClock, seconds: float) -> type[datetime]:
    """Return a `datetime` as a machine knows it whose clock is so many seconds ahead."""

    class Off(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return (clock.now + timedelta(seconds=seconds)).astimezone(tz)

    return Off


@pytest.fixture(params=[HOUR, -HOUR], ids=["an hour ahead", "an hour behind"])
def run(
    request: pytest.FixtureRequest,
    aws: Clients,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Return what begins a run of a job; S3 says the time, this machine another."""
    aws.s3().create_bucket(Bucket="state")

    def stamp(response_dict: dict[str, Any], **_: Any) -> None:
        response_dict["headers"]["date"] = format_datetime(clock.now, usegmt=True)

    aws.s3().meta.events.register("before-parse.s3", stamp)
    monkeypatch.setattr(store_module, "uptime", lambda: clock.steady)
    monkeypatch.setattr(store_module, "datetime", off(clock, request.param))
    monkeypatch.setattr(lease_module, "datetime", off(clock, request.param))

    def begin(job: str) -> EnvironmentLease:
        wanted = an_environment()
        settings = SimpleNamespace(
            app=wanted.app,
            region=wanted.region,
            environment=lambda _: SimpleNamespace(account=wanted.account),
        )
        environ = {"CI_JOB_URL": f"https://ci.example/{job}"}
        app: Any = SimpleNamespace(settings=settings, environ=environ, report=lambda _: None)
        app.store = lambda *_: S3Store(aws, "state", "")
        reader = EnvironmentReader(app=app, environment=wanted.environment)
        return EnvironmentLease(reader=reader)

    return begin


def test_a_lease_lasts_a_minute_by_s3s_clock_for_every_machine(run: Run, clock: FakeClock) -> None:
    """One story, for each bucket takes a while: taken, respected, renewed, taken over."""
    first, watching = run("one").take("promote"), run("three")
    lease = first.read().lease
    assert lease
    assert (lease.since, lease.expires) == ("2026-11-21T12:00:00Z", "2026-11-21T12:01:00Z")
    clock.tick(30)
    with pytest.raises(LeaseHeldError, match="for 30s; expires in 30s unless renewed"):
        run("two").take("promote")
    first.renew()
    clock.tick(50)
    first.fence()
    assert is_alive(watching)
    with pytest.raises(LeaseHeldError, match="expires in 10s unless renewed"):
        run("two").take("promote")
    clock.tick(11)
    assert not is_alive(watching)
    second = run("two").take("promote")
    assert second.epoch == first.epoch + 1
    with pytest.raises(LeaseHeldError, match="this run lost its lease"):
        first.fence()
    second.fence()
    status = StatusReader(watching.reader.app, "production")
    status.reader = watching.reader
    assert status.now() == NOON + timedelta(seconds=91)


def is_alive(watching: EnvironmentLease) -> bool:
    """Return True if `status` shows the deployment of the lease's holder as running."""
    document, _ = watching.read()
    assert document.lease
    dead: Any = SimpleNamespace(by=document.lease.owner, pause=None)
    return is_running(replace(document, deployment=dead), watching.reader.now())
