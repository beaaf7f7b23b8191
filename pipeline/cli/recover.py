"""`ami-pipeline recover`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import environment_option
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@pass_context
def recover(context: Context, environment: str) -> int:
    """Resume or undo an interrupted deployment."""
    from pipeline.app.recover import recover as run

    with application(context) as app:
        return print_result(context, run(app, environment), ResultOptions(undo_requested=True))
