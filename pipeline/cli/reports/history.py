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
def history(context: Context, environment: str, limit: int) -> int:
    """List the deployments of an environment, newest first.

    A damaged record is named, and the exit code is 3.
    """
    from datetime import UTC, datetime

    from pipeline.app.reports.history import history as read
    from pipeline.core.errors import RefusedError
    from pipeline.ui.reports.history import history_document, history_text
    from pipeline.ui.results import as_json, damaged_documents, damaged_lines

    damaged: list[RefusedError] = []
    found = read(reading_application(context), environment, limit, damaged.append)
    text = history_text(found, datetime.now(UTC), environment, context.width, context.columns)
    document = history_document(found) | {"damaged": damaged_documents(damaged)}
    text = "\n".join([text, *damaged_lines(damaged)])
    context.tell(as_json(document) if context.json else text)
    return RefusedError.exit_code if damaged else 0
