"""`status` and `history`: what stands, and what was."""

from __future__ import annotations

import sys

import click

from pipeline.cli.context import Context, pass_context
from pipeline.cli.deploy import environment_option


@click.command()
@environment_option
@click.option("--watch", "watched", is_flag=True, help="Show it anew every few seconds.")
@pass_context
def status(context: Context, environment: str, watched: bool) -> None:
    """Show what serves, what is in flight, and what a rollback would do."""
    from pipeline.app import Application, Options
    from pipeline.app.status import Looking
    from pipeline.ui.plain import PlainProgress
    from pipeline.ui.results import as_json
    from pipeline.ui.status import status_text
    from pipeline.ui.status_document import status_document
    from pipeline.ui.watch import watch

    report = PlainProgress(sys.stderr).report
    looking = Looking(Application.start(Options(config=context.config), report), environment)
    if watched:
        watch(looking.status, sys.stdout, looking.seconds, now=lambda: looking.now().astimezone())
        return
    found, now = looking.status(), looking.now()
    text = status_text(found, now.astimezone(), context.width)
    context.tell(as_json(status_document(found, now)) if context.json else text)


@click.command()
@environment_option
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="How many.",
)
@pass_context
def history(context: Context, environment: str, limit: int) -> None:
    """List the deployments of an environment, newest first."""
    from datetime import UTC, datetime

    from pipeline.app import Application, Options
    from pipeline.app.status import Looking
    from pipeline.ui.history import history_document, history_text
    from pipeline.ui.plain import PlainProgress
    from pipeline.ui.results import as_json

    report = PlainProgress(sys.stderr).report
    app = Application.start(Options(config=context.config), report)
    found = Looking(app, environment).history(limit)
    text = history_text(found, datetime.now(UTC), environment)
    context.tell(as_json(history_document(found)) if context.json else text)
