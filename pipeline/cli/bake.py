"""`ami-pipeline bake`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli.context import Checked, Context, pass_context


@click.command()
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    help="Bake with the variables of [environments.NAME].",
)
@click.option(
    "--version",
    type=Checked("version", "check_version"),
    help="The version baked; default: git describe.",
)
@click.option("--force", is_flag=True, help="Bake even if nothing changed.")
@click.option(
    "--dotenv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write AMI_ID, IMAGE_NAME and VERSION here, for GitLab.",
)
@pass_context
def bake(
    context: Context, environment: str | None, version: str | None, force: bool, dotenv: Path | None
) -> None:
    """Build an image, verify it, record it, write tfvars, print its id.

    Where nothing changed since a good image was baked, that image is the result.
    """
    from pipeline.app import Application, Options
    from pipeline.app.bake import bake as run_bake
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
        result = run_bake(Application.start(options, report), options)
    click.echo(as_json(bake_document(result)) if context.json else bake_text(result))
