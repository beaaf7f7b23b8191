"""`ami-pipeline stats`."""

from __future__ import annotations

from datetime import timedelta

import click

from pipeline.cli.context import Checked, Context, pass_context, reading_application
from pipeline.cli.options import optional_environment_option


@click.command()
@optional_environment_option
@click.option(
    "--since",
    "period",
    default="90d",
    show_default=True,
    type=Checked("period", "check_period"),
    metavar="PERIOD",
    help="Count this period until now, such as 30d.",
)
@pass_context
def stats(context: Context, environment: str | None, period: timedelta) -> int:
    """Show how often, how fast and how safely releases are deployed.

    These are the DORA figures. They are computed from the recorded history. A damaged record is
    named, and the exit code is 3.
    """
    from datetime import UTC, datetime

    from pipeline.app.reports.stats import stats as read
    from pipeline.core.errors import RefusedError
    from pipeline.ui.reports.stats import stats_document, stats_text
    from pipeline.ui.results import as_json, damaged_documents, damaged_lines

    damaged: list[RefusedError] = []
    found = read(reading_application(context), environment, period, damaged.append)
    text = stats_text(found, datetime.now(UTC).astimezone())
    text = "\n".join([text, *damaged_lines(damaged)])
    document = stats_document(found) | {"damaged": damaged_documents(damaged)}
    context.tell(as_json(document) if context.json else text)
    return RefusedError.exit_code if damaged else 0
