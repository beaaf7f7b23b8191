"""The reader of the dashboard: it shows what can be read, and reads seldom."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.store.records.deployments import Deployments
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.reports import dashboard
from pipeline.app.reports.dashboard import DashboardReader
from pipeline.core.errors import RefusedError
from pipeline.core.state.status import Status
from tests.ui.status_examples import a_deployment, in_flight


class FakeStatusReader:
    """Counts its reads; a name of `down` cannot be read."""

    reads: list[str]

    def __init__(self, _app: Any, name: str) -> None:
        self.name = name

    def status(self) -> Status:
        self.reads.append(self.name)
        if self.name == "down":
            raise RefusedError("sts:GetCallerIdentity", "no AWS credentials found", "aws configure")
        return in_flight()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> DashboardReader:
    monkeypatch.setattr(FakeStatusReader, "reads", [], raising=False)
    monkeypatch.setattr(dashboard, "StatusReader", FakeStatusReader)
    monkeypatch.setattr(dashboard, "tree", refuse)
    monkeypatch.setattr(EnvironmentReader, "document", lambda _: in_flight().environment)
    monkeypatch.setattr(Deployments, "history", lambda *_: (a_deployment(),))
    names = {"production": None, "down": None}
    settings = SimpleNamespace(
        environments=names, environment=names.__getitem__, region="eu-central-1", app="web"
    )
    store = SimpleNamespace(read=lambda _: None)
    app: Any = SimpleNamespace(settings=settings, store=lambda _: store)
    return DashboardReader(app=app)


def refuse(*_: object) -> None:
    raise RefusedError("ec2:DescribeImages", "access denied", "")


def test_an_environment_that_cannot_be_read_shows_its_history_and_why(
    reader: DashboardReader,
) -> None:
    found = reader.environment("down")
    assert (found.status, found.error) == (
        None,
        "sts:GetCallerIdentity: no AWS credentials found",
    )
    assert len(found.history) == 1
    assert found.document.serving == "r000124"
    assert found.running
    assert [each.error for each in reader.overview()] == ["", found.error]
    assert reader.images().error == "ec2:DescribeImages: access denied"
    assert [each.environment for each in reader.images().environments] == ["production"]


def test_the_deployment_in_flight_has_a_record_even_without_a_timeline(
    reader: DashboardReader,
) -> None:
    running = reader.environment("production").running
    assert running
    assert [each.name for each in running.spans] == ["launch", "verify"]


def test_many_pages_read_an_environment_once_in_two_seconds(
    reader: DashboardReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731 - a fake clock
    monkeypatch.setattr(time, "monotonic", clock)
    for _ in range(5):
        reader.environment("production")
        reader.overview()
    assert FakeStatusReader.reads == ["production", "down"]
    now[0] += dashboard.FRESH
    reader.environment("production")
    assert FakeStatusReader.reads == ["production", "down", "production"]
