"""`ami-pipeline destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import answer, not_confirmed, require_terminal, show
from pipeline.cli.context import Checked, Context, application, pass_context
from pipeline.cli.options import environment_option
from pipeline.cli.result import ResultOptions, print_result

if TYPE_CHECKING:
    from pipeline.core.state.environment import Environment


@click.command()
@environment_option
@click.option(
    "--confirm",
    "typed",
    type=Checked("environment", "check_environment"),
    metavar="NAME",
    help="Confirm by the environment's name (required without a terminal).",
)
@click.option("--with-traffic", is_flag=True, help="Also delete groups that receive traffic.")
@pass_context
def destroy(context: Context, environment: str, typed: str | None, *, with_traffic: bool) -> int:
    """Delete all groups and launch templates of an environment, through Terraform.

    The network, the load balancers, the images and the history stay.
    """
    from pipeline.app.housekeeping.destroy import destroy as run

    if typed not in {None, environment}:
        raise click.UsageError(f"--confirm {typed} is not the environment {environment}.")
    require_terminal(context, "destroy", yes=typed is not None, option=("--confirm", environment))

    def confirm(document: Environment) -> bool:
        return typed is not None or _types_name(document)

    with application(context) as app:
        done = run(app, environment, confirm, with_traffic=with_traffic)
        if done is None:
            raise not_confirmed(context)
        return print_result(context, done, ResultOptions())


def _types_name(document: Environment) -> bool:
    """Show what is deleted, and return True if a person types the environment's name."""
    from pipeline.core.deploy.recovery import removable
    from pipeline.ui.housekeeping.destroy import destroy_text

    name = document.environment
    show(destroy_text(document, removable(document)))
    return answer(f"type {name} to delete them: ") == name
