"""`ami-pipeline images`."""

from __future__ import annotations

import click

from pipeline.cli.completion.candidates import complete_image
from pipeline.cli.context import Checked, Context, pass_context, reading_application


@click.command()
@click.argument(
    "image",
    required=False,
    type=Checked("image", "check_image"),
    shell_complete=complete_image,
)
@click.option("--tree", is_flag=True, help="Show which images were built on which.")
@pass_context
def images(context: Context, image: str | None, *, tree: bool) -> None:
    """List the baked images, newest first, and their uses.

    A launch template uses the images of its default and latest version. Groups, their members, and
    instances that are not terminated use theirs. Only the configured region is searched.

    With IMAGE, an AMI or a version, show that image and which groups and instances run it or an
    image that is built on it. Images of every app count.
    """
    from pipeline.ui.results import as_json

    if image and tree:
        raise click.UsageError("IMAGE and --tree exclude each other.")
    text, document = _one(context, image) if image else _tree(context) if tree else _list(context)
    context.tell(as_json(document) if context.json else text)


def _list(context: Context) -> tuple[str, object]:
    from datetime import UTC, datetime

    from pipeline.app.reports.images import images as read
    from pipeline.ui.reports.images import images_document, images_text

    app = reading_application(context)
    found = read(app)
    now, keep = datetime.now(UTC), app.settings.bake.keep
    text = images_text(found.listed, now, keep, found.lineage, context.columns)
    return text, images_document(found.listed, found.lineage)


def _tree(context: Context) -> tuple[str, object]:
    from datetime import UTC, datetime

    from pipeline.app.reports.images import tree as read
    from pipeline.ui.reports.images import tree_document, tree_text

    found = read(reading_application(context))
    return tree_text(found, datetime.now(UTC), context.columns), tree_document(found)


def _one(context: Context, image: str) -> tuple[str, object]:
    from pipeline.app.reports.images import one as read
    from pipeline.ui.reports.images import image_report_document, image_text

    found = read(reading_application(context), image)
    return image_text(found, context.width), image_report_document(found)
