"""Start the application for a command: its configuration, its signals, and its progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.context import Context

if TYPE_CHECKING:
    from pipeline.app import Application


@contextmanager
def application(context: Context, dotenv: Path | None = None) -> Iterator[Application]:
    """Give the application to a command that may change an environment, and show its progress.

    Signals are held until the block ends, because a deployment handles them itself. A signal that
    is raised came before anything was changed; one that comes after the end changes nothing. A
    dotenv file that cannot be written is an error before anything is done.
    """
    from pipeline.app import Application, Options
    from pipeline.app.ci_outputs import require_dotenv
    from pipeline.core.errors import InterruptedRunError
    from pipeline.ui.progress import progress

    require_dotenv(dotenv)
    try:
        with progress(sys.stderr, live=context.live, environ=os.environ) as report:
            app = Application.start(Options(config=context.config), report)
            with app.interrupts.held():
                yield app
                app.interrupts.answer()
    except KeyboardInterrupt:
        what = "interrupted by a signal; nothing was changed"
        raise InterruptedRunError("ami-pipeline", what, context.again()) from None


def reading_application(context: Context) -> Application:
    """Return the application for a command that only reads; its progress is plain lines."""
    from pipeline.app import Application, Options
    from pipeline.ui.plain import PlainProgress

    return Application.start(Options(config=context.config), PlainProgress(sys.stderr).report)
