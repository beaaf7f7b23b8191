"""`ami-pipeline status`."""

from __future__ import annotations

import sys

import click

from pipeline.cli.context import Context, is_terminal, pass_context, reading_application
from pipeline.cli.options import environment_option


@click.command()
@environment_option
@click.option("--watch", "watched", is_flag=True, help="Refresh every 2 seconds.")
@pass_context
def status(context: Context, environment: str, watched: bool) -> None:
    """Show the serving release, the deployment in flight, and how to roll back."""
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
