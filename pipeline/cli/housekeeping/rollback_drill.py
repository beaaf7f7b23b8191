"""`ami-pipeline rollback drill`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import dotenv_option, environment_option, plan_option
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@plan_option
@dotenv_option
@pass_context
def rollback_drill(
    context: Context, environment: str, *, plan_only: bool, dotenv: Path | None
) -> int:
    """Prove that the previous good release can serve again.

    For a nightly job: it asks for no confirmation. It launches the release that a rollback
    would lead to, verifies it, and deletes it again. It receives no traffic. A warm group is
    verified as it is. `status` shows the result.
    """
    from pipeline.app.housekeeping.drill import drill

    with application(context, dotenv) as app:
        app.settings.environment(environment)
        done = drill(app, environment, lambda _: not plan_only)
        return print_result(context, done, ResultOptions(plan_only=plan_only, dotenv=dotenv))
