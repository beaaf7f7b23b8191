"""`ami-pipeline bake`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli.context import Checked, Context, pass_context
from pipeline.cli.options import dotenv_option, version_option


@click.command()
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    metavar="NAME",
    help="Use the variables of [environments.NAME].",
)
@version_option
@click.option("--force", is_flag=True, help="Bake even if no input changed.")
@dotenv_option
@pass_context
def bake(
    context: Context, environment: str | None, version: str | None, force: bool, dotenv: Path | None
) -> None:
    """Build, verify and record an image; write tfvars; print the image's id.

    If no input changed since the last good image was baked, that image is the result.
    """
    from pipeline.app import Application, Options
    from pipeline.app.bake import bake as run
    from pipeline.ui.progress import progress
    from pipeline.ui.results import as_json, bake_document, bake_text

    options = Options(
        config=context.config,
        environment=environment or "",
        version=version or "",
        force=force,
        dotenv=dotenv,
    )
    with progress(sys.stderr, live=context.live) as report:
        result = run(Application.start(options, report), options)
    context.tell(as_json(bake_document(result)) if context.json else bake_text(result))
