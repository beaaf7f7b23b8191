"""`ami-pipeline history`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, pass_context, reading_application
from pipeline.cli.options import environment_option


@click.command()
@environment_option
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Show N deployments.",
)
@pass_context
def history(context: Context, environment: str, limit: int) -> None:
    """List the deployments of an environment, newest first."""
    from datetime import UTC, datetime

    from pipeline.app.reports.history import history as read
    from pipeline.ui.reports.history import history_document, history_text
    from pipeline.ui.results import as_json

    found = read(reading_application(context), environment, limit)
    text = history_text(found, datetime.now(UTC), environment, context.width)
    context.tell(as_json(history_document(found)) if context.json else text)
