"""`ami-pipeline rebuild`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.confirm import confirm_plan, require_reason
from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import (
    dotenv_option,
    environment_option,
    override_freeze_option,
    pause_option,
    recover_option,
    version_option,
    why_option,
)
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@version_option
@click.option(
    "--only-if",
    type=click.Choice(["packages"]),
    help="Promote only an image with a changed package.",
)
@why_option
@override_freeze_option
@pause_option
@recover_option
@dotenv_option
@pass_context
def rebuild(
    context: Context,
    /,
    environment: str,
    version: str | None,
    *,
    dotenv: Path | None,
    **choices: Any,
) -> int:
    """Bake if an input changed, then promote if another image serves.

    For a nightly job: it asks for no confirmation. It fails if a person rolled back to the serving
    release or promoted another version. With --only-if packages, an image whose packages are those
    of the serving one is not promoted. If the packages are unknown, it is.
    """
    from pipeline.app import Options
    from pipeline.app.rebuild import rebuild as run
    from pipeline.core.deploy.plan import PromoteRequest

    require_reason(choices["why"], override_freeze=choices["override_freeze"])
    given = {name: value for name, value in choices.items() if value is not None}
    request = PromoteRequest(environment=environment, **given)
    with application(context, dotenv) as app:
        options = Options(
            config=context.config,
            environment=environment,
            version=version or "",
            rebuilds=environment,
        )
        done = run(app, options, request, confirm_plan(context, app, "rebuild", yes=True))
        return print_result(context, done, ResultOptions(nothing="nothing new", dotenv=dotenv))
