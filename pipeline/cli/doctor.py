"""`ami-pipeline doctor`."""

from __future__ import annotations

import click

from pipeline.cli.context import Checked, Context, application, pass_context

PROBLEM = 3
"""The exit code of RefusedError: a command that needs the checked thing would end with it."""


@click.command()
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    metavar="NAME",
    help="Also check a deployment to this environment.",
)
@pass_context
def doctor(context: Context, environment: str | None) -> int:
    """Check the store, the tools and the files, and print a fix for each problem."""
    from pipeline.app.doctor import checkup
    from pipeline.core.doctor import all_passed
    from pipeline.ui.doctor import checkup_document, checkup_text
    from pipeline.ui.results import as_json

    with application(context) as app:
        found = tuple(checkup(app, environment or ""))
        context.tell(as_json(checkup_document(found)) if context.json else checkup_text(found))
    return 0 if all_passed(found) else PROBLEM
