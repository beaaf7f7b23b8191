"""`ami-pipeline resume`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import dotenv_option, environment_option, reason_option
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@reason_option
@dotenv_option
@pass_context
def resume(context: Context, environment: str, reason: str, dotenv: Path | None) -> int:
    """Continue a paused deployment.

    It first checks that the groups are as the last phase left them, and rolls back if they are
    not.
    """
    from pipeline.app.resume import resume as run

    with application(context, dotenv) as app:
        done = run(app, environment, reason)
        return print_result(context, done, ResultOptions(dotenv=dotenv))
