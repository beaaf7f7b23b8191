"""`ami-pipeline lock show` and `ami-pipeline lock break`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import ask, not_confirmed, require_terminal
from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import environment_option, yes_option

if TYPE_CHECKING:
    from pipeline.app.operations.lock import LeaseStatus


@click.group()
def lock() -> None:
    """Show or break the lease on an environment.

    The lease of a run that died expires within a minute. The next run takes it over.
    """


@lock.command()
@environment_option
@pass_context
def show(context: Context, environment: str) -> None:
    """Show which run holds the lease, since when, and its command."""
    from pipeline.app.operations.lock import lease_status

    with application(context) as app:
        print_lease(context, lease_status(app, environment))


@lock.command("break")
@environment_option
@yes_option
@pass_context
def break_(context: Context, environment: str, *, yes: bool) -> None:
    """Take the lease away from a run that hangs.

    That run changes nothing more and ends with exit code 6. Finish its deployment with recover.
    """
    from pipeline.app.operations.lock import break_lease

    require_terminal(context, "lock break", yes=yes)
    with application(context) as app:
        broken = break_lease(app, environment, lambda found: yes or confirm_break(found))
        if broken is None:
            raise not_confirmed(context)
        print_lease(context, broken)


def confirm_break(found: LeaseStatus) -> bool:
    """Ask the person at the terminal."""
    from pipeline.ui.operations.lock import warning

    return ask(
        "break it now? [y/N]: ", lambda _: warning(found.environment, found.now.astimezone())
    )


def print_lease(context: Context, found: LeaseStatus) -> None:
    """Print who holds the lease."""
    from pipeline.ui.operations.lock import lock_document, lock_text
    from pipeline.ui.results import as_json

    document = lock_document(found.environment, found.ended)
    text = lock_text(found.environment, found.ended, found.now.astimezone())
    context.tell(as_json(document) if context.json else text)
