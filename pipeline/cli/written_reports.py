"""Write the HTML report of each deployment of a command, at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core import commands
from pipeline.core.events import Message

if TYPE_CHECKING:
    from pipeline.app import Application

LONGEST = 10.0
"""Seconds that the end of a command waits for a report: a store may be slow."""


def write_reports(app: Application) -> None:
    """Write the reports and print their paths; what fails is only printed."""
    for name, environment in app.deployed.items():
        written: list[str] = []
        thread = threading.Thread(target=_attempt(app, name, environment, written), daemon=True)
        thread.start()
        thread.join(LONGEST)
        late = f"the report is not written: the store is slow; later: {commands.report(name)}"
        app.report(Message(text=written[0] if written else late))


def _attempt(
    app: Application, name: str, environment: str, written: list[str]
) -> Callable[[], None]:
    def write() -> None:
        try:
            written.append(f"report: {_write(app, name, environment)}")
        except Exception as error:  # noqa: BLE001 - the deployment is over, whatever this is
            written.append(f"the report is not written: {error}; later: {commands.report(name)}")

    return write


def _write(app: Application, name: str, environment: str) -> Path:
    from pipeline.app.reports.report import report, save_automatically
    from pipeline.ui.reports.html_report import report_html

    record = report(app, name, environment)
    return save_automatically(app, record.deployment, report_html(record))
