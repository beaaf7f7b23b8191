"""`ami-pipeline status`."""

from __future__ import annotations

import sys

import click

from pipeline.cli.context import Context, is_terminal, pass_context, reading_application
from pipeline.cli.options import optional_environment_option


@click.command()
@optional_environment_option
@click.option("--watch", "watched", is_flag=True, help="Refresh every 2 seconds (needs -e).")
@pass_context
def status(context: Context, environment: str | None, watched: bool) -> int:
    """Show the serving release, the deployment in flight, and how to roll back.

    Without an environment, show all of them, one line for each.
    """
    if environment is None:
        if watched:
            raise click.UsageError("--watch needs an environment: add -e NAME.")
        return _show_all(context)
    _show(context, environment, watched=watched)
    return 0


def _show_all(context: Context) -> int:
    """Print one line for each environment; 3 if one could not be read."""
    from datetime import UTC, datetime

    from pipeline.app.housekeeping.overview import overview
    from pipeline.core.errors import RefusedError
    from pipeline.ui.housekeeping.overview import overview_document, overview_text
    from pipeline.ui.results import as_json

    found, now = overview(reading_application(context)), datetime.now(UTC)
    document = as_json(overview_document(found, now))
    context.tell(document if context.json else overview_text(found, now, context.columns))
    return RefusedError.exit_code if any(each.error for each in found) else 0


def _show(context: Context, environment: str, *, watched: bool) -> None:
    from pipeline.app.status import StatusReader
    from pipeline.ui.results import as_json
    from pipeline.ui.status import status_text
    from pipeline.ui.status_document import status_document
    from pipeline.ui.watch import watch

    reader = StatusReader(reading_application(context), environment)
    if watched:
        watch(
            reader.status,
            sys.stdout,
            reader.interval,
            live=is_terminal(sys.stdout),
            now=lambda: reader.now().astimezone(),
        )
        return
    found, now = reader.status(), reader.now()
    text = status_text(found, now.astimezone(), context.width)
    context.tell(as_json(status_document(found, now)) if context.json else text)
