"""`ami-pipeline report`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Checked, Context, pass_context, reading_application
from pipeline.cli.options import optional_environment_option


@click.command()
@click.argument("deployment", required=False, type=Checked("deployment", "check_deployment"))
@optional_environment_option
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write one HTML file that needs no network.",
)
@pass_context
def report(
    context: Context, deployment: str | None, environment: str | None, html: Path | None
) -> None:
    """Show one deployment: its failure, phases, members and requests.

    DEPLOYMENT is an id that history shows; the default is the newest one.
    """
    from datetime import UTC, datetime

    from pipeline.app.reports.report import report as read
    from pipeline.ui.reports.report import report_document, report_text
    from pipeline.ui.results import as_json

    found = read(reading_application(context), deployment or "", environment or "")
    if html:
        from pipeline.app.reports.report import save
        from pipeline.ui.reports.html_report import report_html

        save(html, report_html(found))
    now = datetime.now(UTC).astimezone()
    text = (
        as_json(report_document(found)) if context.json else report_text(found, now, context.width)
    )
    context.tell(text)
