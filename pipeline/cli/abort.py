"""`ami-pipeline abort`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import environment_option
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@pass_context
def abort(context: Context, environment: str) -> int:
    """Undo an interrupted deployment, or delete groups kept by --keep-failed."""
    from pipeline.app.abort import abort as run

    with application(context) as app:
        return print_result(context, run(app, environment), ResultOptions(undo_requested=True))
