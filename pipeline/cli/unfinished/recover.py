"""`ami-pipeline recover`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import environment_option
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@click.option(
    "--expired",
    is_flag=True,
    help="Only end a pause whose time is over.",
)
@pass_context
def recover(context: Context, environment: str, *, expired: bool) -> int:
    """Finish or undo an interrupted deployment.

    It also removes the group that a rollback left for a later command.
    """
    from pipeline.app.recover import recover as run
    from pipeline.app.recover import recover_expired
    from pipeline.ui.results import as_json

    with application(context) as app:
        done = recover_expired(app, environment) if expired else run(app, environment)
        if done is None:
            text = f"nothing to do: no pause of {environment} is over"
            document = {"outcome": "unchanged", "environment": environment}
            context.tell(as_json(document) if context.json else text)
            return 0
        return print_result(context, done, ResultOptions(undo_requested=True))
