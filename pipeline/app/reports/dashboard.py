"""Read what the dashboard shows: environments, deployments and images, from the store and AWS.

A browser asks every two seconds, and may have many pages open. Each answer is kept for a moment, so
that AWS gets no more calls than from one `status --watch`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.deployments import Deployments
from pipeline.adapters.store.records.timelines import Timelines
from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.reports.images import tree
from pipeline.app.reports.report import report
from pipeline.app.status import StatusReader
from pipeline.core.changes.lineage import LineageReport
from pipeline.core.errors import PipelineError
from pipeline.core.image import Image
from pipeline.core.overview import Overview, failed_overview, overview_of
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.status import Status
from pipeline.core.timeline.record import DeploymentRecord

FRESH = 2.0
"""Seconds for which the status of an environment is not read again."""
SLOW = 30.0
"""The same for images and for the history, which change seldom."""
SHOWN = 30
"""Deployments of an environment that a page lists."""

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentView:
    """One environment: its status, or why that is unknown; its history, newest first.

    `document` is what the store says, also without AWS. `running` is the record of the deployment
    in flight, None without one. `damaged` says which records the history leaves out.
    """

    name: str
    document: Environment
    status: Status | None
    error: str
    history: tuple[Deployment, ...]
    running: DeploymentRecord | None
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagesView:
    """What was built on what, and the documents that say which release uses each image.

    `report` is None if the images cannot be read, and `error` says why.
    """

    report: LineageReport | None
    environments: tuple[Environment, ...]
    error: str

    @property
    def images(self) -> tuple[Image, ...]:
        """The images of the app, newest first."""
        known = self.report.lineage.images if self.report else ()
        return tuple(each for each in known if self.report and each.app == self.report.app)


@dataclass(kw_only=True)
class DashboardReader:
    """Reads for one dashboard; its methods are safe for threads and raise PipelineError."""

    app: Application
    _cache: dict[str, tuple[float, Any]] = field(default_factory=dict, init=False)
    _locks: dict[str, threading.Lock] = field(default_factory=dict, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the environments, in the order of pipeline.toml."""
        return tuple(self.app.settings.environments)

    def overview(self) -> tuple[Overview, ...]:
        """Return an overview of each environment."""
        images = self.images().images
        return tuple(self._overview(name, images) for name in self.names)

    def environment(self, name: str) -> EnvironmentView:
        """Return one environment, whatever of it can be read."""
        self.app.settings.environment(name)
        status, error = self._status(name)
        document = status.environment if status else self._document(name)
        flight = document.deployment
        history, damaged = self._kept(f"history {name}", SLOW / 6, lambda: self._history(name))
        return EnvironmentView(
            name=name,
            document=document,
            status=status,
            error=error,
            history=history,
            damaged=damaged,
            running=self._running(flight) if flight else None,
        )

    def deployment(self, name: str) -> DeploymentRecord:
        """Return one deployment; raises RefusedError if there is none of this id."""
        return self._kept(f"deployment {name}", FRESH, lambda: report(self.app, name, ""))

    def images(self) -> ImagesView:
        """Return the images, and why they cannot be read."""
        return self._kept("images", SLOW, self._images)

    def _overview(self, name: str, images: tuple[Image, ...]) -> Overview:
        status, _ = self._status(name)
        if status is None:
            return failed_overview(name, self._error(name))
        return overview_of(status, images, "")

    def _status(self, name: str) -> tuple[Status | None, str]:
        """Return the status of an environment, or why it is unknown."""
        found = self._kept(f"status {name}", FRESH, lambda: self._read_status(name))
        if isinstance(found, PipelineError):
            return None, f"{found.where}: {found.what}"
        return found, ""

    def _error(self, name: str) -> PipelineError:
        found = self._kept(f"status {name}", FRESH, lambda: self._read_status(name))
        assert isinstance(found, PipelineError)  # noqa: S101 - the caller has just seen it
        return found

    def _read_status(self, name: str) -> Status | PipelineError:
        try:
            return self._kept(f"reader {name}", float("inf"), lambda: self._reader(name)).status()
        except PipelineError as error:
            return error

    def _reader(self, name: str) -> StatusReader:
        return StatusReader(self.app, name)

    def _document(self, name: str) -> Environment:
        reader = EnvironmentReader(app=self.app, environment=name)
        return self._kept(f"document {name}", FRESH, reader.document)

    def _history(self, name: str) -> tuple[tuple[Deployment, ...], tuple[str, ...]]:
        damaged: list[PipelineError] = []
        found = Deployments(self._store).history(name, SHOWN, damaged.append)
        return found, tuple(f"{each.where}: {each.what}; {each.remedy}" for each in damaged)

    def _running(self, flight: Deployment) -> DeploymentRecord:
        timeline = self._kept(
            f"timeline {flight.id}", FRESH, lambda: Timelines(self._store).read(flight.id)
        )
        return DeploymentRecord(deployment=flight, timeline=timeline)

    def _images(self) -> ImagesView:
        documents = [self._status(name)[0] for name in self.names]
        environments = tuple(each.environment for each in documents if each)
        try:
            return ImagesView(report=tree(self.app), environments=environments, error="")
        except PipelineError as error:
            what = f"{error.where}: {error.what}"
            return ImagesView(report=None, environments=environments, error=what)

    @cached_property
    def _clients(self) -> Clients:
        return Clients(self.app.settings.region)

    @cached_property
    def _store(self) -> Store:
        return self.app.store(self._clients)

    def _kept(self, key: str, seconds: float, read: Callable[[], Value]) -> Value:
        """Return a value that was read less than `seconds` ago, else read it; one thread reads."""
        with self._locks.setdefault(key, threading.Lock()):
            at, value = self._cache.get(key, (float("-inf"), None))
            if time.monotonic() - at >= seconds:
                value = read()
                self._cache[key] = time.monotonic(), value
            found: Value = value
            return found
