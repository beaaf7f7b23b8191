"""`ami-pipeline resume`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.confirm import require_reason
from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import (
    dotenv_option,
    environment_option,
    override_freeze_option,
    reason_option,
)
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@reason_option
@override_freeze_option
@dotenv_option
@pass_context
def resume(
    context: Context, environment: str, reason: str, *, override_freeze: bool, dotenv: Path | None
) -> int:
    """Continue a paused deployment.

    It first checks that the groups are as the last phase left them, and rolls back if they are
    not.
    """
    from pipeline.app.resume import resume as run

    require_reason(reason, "--reason", override_freeze=override_freeze)
    with application(context, dotenv) as app:
        done = run(app, environment, reason, override_freeze=override_freeze)
        return print_result(context, done, ResultOptions(dotenv=dotenv))
