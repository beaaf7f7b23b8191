"""`ami-pipeline images`."""

from __future__ import annotations

import sys

import click

from pipeline.cli.context import Context, pass_context


@click.command()
@pass_context
def images(context: Context) -> None:
    """List the baked images, newest first, and where each is used.

    Launch templates count by their default and latest version, groups by what they
    and their members run, instances unless terminated; all in the configured region.
    """
    from datetime import UTC, datetime

    from pipeline.app import Application, Options
    from pipeline.app.bake import images as list_images
    from pipeline.ui.plain import PlainProgress
    from pipeline.ui.results import as_json, images_document, images_text

    options = Options(config=context.config)
    app = Application.start(options, PlainProgress(sys.stderr).report)
    listed = list_images(app)
    text = images_text(listed, datetime.now(UTC), app.settings.bake.keep)
    context.tell(as_json(images_document(listed)) if context.json else text)
