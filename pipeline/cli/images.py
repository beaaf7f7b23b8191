"""`ami-pipeline images`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, pass_context, reading_application


@click.command()
@pass_context
def images(context: Context) -> None:
    """List the baked images, newest first, and their uses.

    A launch template uses the images of its default and latest version. Groups, their members, and
    instances that are not terminated use theirs. Only the configured region is searched.
    """
    from datetime import UTC, datetime

    from pipeline.app.bake import images as list_images
    from pipeline.ui.results import as_json, images_document, images_text

    app = reading_application(context)
    listed = list_images(app)
    text = images_text(listed, datetime.now(UTC), app.settings.bake.keep)
    context.tell(as_json(images_document(listed)) if context.json else text)
