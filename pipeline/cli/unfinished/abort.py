"""`ami-pipeline abort`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import environment_option, reason_option
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@reason_option
@pass_context
def abort(context: Context, environment: str, reason: str) -> int:
    """Undo a deployment in flight, or delete groups kept by --keep-failed."""
    from pipeline.app.abort import abort as run

    with application(context) as app:
        return print_result(
            context, run(app, environment, reason), ResultOptions(undo_requested=True)
        )
