"""`state show` and `state restore`: an environment's document as it stood, and putting it back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import answered
from pipeline.cli.context import Context, pass_context
from pipeline.cli.deploy import application, environment_option, yes_option

if TYPE_CHECKING:
    from pipeline.core.state.document_versions import Restoration


@click.group()
def state() -> None:
    """Show what an environment's document said before, or put an earlier version back.

    For a document that is damaged: every other command refuses it and leaves it as it is.
    """


@state.command()
@environment_option
@pass_context
def show(context: Context, environment: str) -> None:
    """List the versions of an environment's document, newest first."""
    from pipeline.app.state import copies
    from pipeline.ui.results import as_json
    from pipeline.ui.state import versions_document, versions_text

    with application(context) as app:
        found = copies(app, environment)
        context.tell(as_json(versions_document(found)) if context.json else versions_text(found))


@state.command()
@environment_option
@click.option(
    "--version",
    "number",
    type=click.IntRange(1),
    metavar="N",
    help="Which, by its number in `state show`; default: the newest that is whole.",
)
@yes_option
@pass_context
def restore(context: Context, environment: str, number: int | None, *, yes: bool) -> None:
    """Put back an earlier version of an environment's document.

    Shows the difference first and asks. What is running is not touched: `recover` or `status`
    look at that next.
    """
    from pipeline.app.state import restore as put_back
    from pipeline.core.errors import InterruptedRunError, RefusedError
    from pipeline.ui.results import as_json
    from pipeline.ui.state import restored_document, restored_text

    if not (yes or sys.stdin.isatty()):
        what = "nobody is there to answer whether to go on"
        raise RefusedError("state restore", what, context.again("--yes"))
    with application(context) as app:
        done = put_back(app, environment, number, lambda found: agreed(found, yes=yes))
        if done is None:
            what = "the answer was not yes: nothing was changed"
            raise InterruptedRunError("ami-pipeline", what, context.again())
        context.tell(as_json(restored_document(done)) if context.json else restored_text(done))


def agreed(found: Restoration, *, yes: bool) -> bool:
    """Show what would change, and ask the person at the terminal unless all is said."""
    from pipeline.ui.state import difference_text

    click.echo(difference_text(found), err=True)
    return yes or answered("restore it now? [y/N]: ")
