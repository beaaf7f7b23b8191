"""The pages of the dashboard by their paths."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.adapters.web.server import Answer
from pipeline.app import Application
from pipeline.app.reports.dashboard import DashboardReader
from pipeline.core import commands
from pipeline.core.errors import InternalError, PipelineError, RefusedError
from pipeline.core.validation.deployment_values import check_deployment
from pipeline.ui.reports import dashboard as ui
from pipeline.ui.reports.pages import asset

FILES = {"/style.css": "text/css", "/dashboard.js": "text/javascript", "/icon.svg": "image/svg+xml"}
_PATH = re.compile(r"/(environments|deployments)/([^/]+)")


def _now() -> datetime:
    return datetime.now(UTC).astimezone()


class DashboardSite:
    """Implements `adapters.web.server.Site` on what the app reads."""

    def __init__(self, app: Application, now: Callable[[], datetime] = _now) -> None:
        self._reader = DashboardReader(app=app)
        self._app = app.settings.app
        self._now = now

    def answer(self, path: str) -> Answer:
        """Return the answer for a path; an error is a page, too."""
        if path in FILES:
            return Answer(text=asset(path[1:]), kind=FILES[path])
        try:
            return Answer(text=self._page(path))
        except PipelineError as error:
            return Answer(text=ui.error_page(self._app, error), status=404)
        except Exception as error:  # noqa: BLE001 - a page must not end the server
            return Answer(text=ui.error_page(self._app, _internal(error)), status=500)

    def live(self, path: str) -> str | None:
        """Return the part of a page that changes, or the error that is there now.

        A browser does not ask again for a stream that was refused (HTML standard, "Server-sent
        events"), so an error that passes must not end the stream.
        """
        try:
            return self._live(path)
        except PipelineError as error:
            return ui.error_part(error)
        except Exception as error:  # noqa: BLE001 - as above
            return ui.error_part(_internal(error))

    def _live(self, path: str) -> str | None:
        if path == "/":
            return ui.overview_part(self._reader.overview(), self._now())
        kind, name = self._parse(path)
        if kind != "environments" or name not in self._reader.names:
            return None
        return ui.environment_part(self._environment(name))

    def _page(self, path: str) -> str:
        if path == "/":
            return ui.overview_page(self._app, self._reader.overview(), self._now())
        if path == "/images":
            found = self._reader.images()
            return ui.images_page(
                self._app, found.report, found.environments, found.error, self._now()
            )
        kind, name = self._parse(path)
        if kind == "environments" and name in self._reader.names:
            return ui.environment_page(self._app, self._environment(name), self._reader.names)
        if kind == "deployments":
            return ui.deployment_page(self._app, self._reader.deployment(_checked(name)))
        raise _missing(path)

    def _environment(self, name: str) -> dict[str, Any]:
        found = self._reader.environment(name)
        known = found.status or found.document
        problems = tuple(each for each in (found.error, *found.damaged) if each)
        return ui.environment_facts(
            name, known, problems, found.history, found.running, self._now()
        )

    def _parse(self, path: str) -> tuple[str, str]:
        found = _PATH.fullmatch(path)
        return (found[1], found[2]) if found else ("", "")


def _internal(error: Exception) -> InternalError:
    what = f"{type(error).__name__}: {error}"
    return InternalError("dashboard", what, "report this bug of ami-pipeline")


def _checked(name: str) -> str:
    try:
        return check_deployment(name)
    except ValueError as error:
        raise RefusedError("dashboard", str(error), commands.report()) from error


def _missing(path: str) -> RefusedError:
    return RefusedError("dashboard", f"there is no page {path}", "go back to the environments")
