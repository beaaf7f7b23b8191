"""`lock show` and `lock break`: who holds an environment, and taking it from a run that hangs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import answered
from pipeline.cli.context import Context, pass_context
from pipeline.cli.deploy import application, environment_option, yes_option

if TYPE_CHECKING:
    from pipeline.app.lock import LeaseStatus


@click.group()
def lock() -> None:
    """Show who holds an environment, or take it away from a run that hangs.

    A run that died is not in the way: its lease ends by itself within a minute, and the next run
    takes it over.
    """


@lock.command()
@environment_option
@pass_context
def show(context: Context, environment: str) -> None:
    """Show who holds an environment, since when, doing what."""
    from pipeline.app.lock import standing

    with application(context) as app:
        tell(context, standing(app, environment))


@lock.command("break")
@environment_option
@yes_option
@pass_context
def break_(context: Context, environment: str, *, yes: bool) -> None:
    """Take an environment away from the run that holds it.

    That run changes nothing more once it notices, and ends with exit code 6. What it had begun
    is finished by `recover`.
    """
    from pipeline.app.lock import break_lease
    from pipeline.core.errors import InterruptedRunError, RefusedError

    if not (yes or sys.stdin.isatty()):
        what = "nobody is there to answer whether to go on"
        raise RefusedError("lock break", what, context.again("--yes"))
    with application(context) as app:
        broken = break_lease(app, environment, lambda found: yes or agreed(found))
        if broken is None:
            what = "the answer was not yes: nothing was changed"
            raise InterruptedRunError("ami-pipeline", what, context.again())
        tell(context, broken)


def agreed(found: LeaseStatus) -> bool:
    """Ask the person at the terminal."""
    from pipeline.ui.lock import warning

    click.echo(warning(found.environment, found.now.astimezone()), err=True)
    return answered("break it now? [y/N]: ")


def tell(context: Context, found: LeaseStatus) -> None:
    """Print who holds it."""
    from pipeline.ui.lock import lock_document, lock_text
    from pipeline.ui.results import as_json

    document = lock_document(found.environment, found.ended)
    text = lock_text(found.environment, found.ended, found.now.astimezone())
    context.tell(as_json(document) if context.json else text)
