"""`ami-pipeline diff`."""

from __future__ import annotations

import click

from pipeline.cli.completion.candidates import complete_environment, complete_image
from pipeline.cli.context import Checked, Context, pass_context, reading_application


@click.command()
@click.argument("before", type=Checked("image", "check_target"), shell_complete=complete_image)
@click.argument("after", type=Checked("image", "check_target"), shell_complete=complete_image)
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    shell_complete=complete_environment,
    metavar="NAME",
    help="Name the environment of a release (default: the only one).",
)
@pass_context
def diff(context: Context, before: str, after: str, environment: str | None) -> None:
    """Compare two releases or images.

    BEFORE and AFTER are each a release, an AMI or a version. Commits, the source image, packages,
    inputs and sizes are compared; each part says why it is unknown.
    """
    from pipeline.app.reports.diff import diff as compare
    from pipeline.ui.changes import changes_document, changes_text, same_text
    from pipeline.ui.results import as_json

    changes = compare(reading_application(context), before, after, environment or "")
    document = {"before": before, "after": after, **(changes_document(changes) or {})}
    lines = changes_text(changes, context.width) or ["no difference is known"]
    text = "\n".join([f"{before} -> {after}", "", *lines, *same_text(changes)])
    context.tell(as_json(document) if context.json else text)
