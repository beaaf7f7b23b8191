"""`ami-pipeline rollback`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from pipeline.cli.completion.candidates import complete_release
from pipeline.cli.confirm import confirm_plan
from pipeline.cli.context import Checked, Context, application, pass_context
from pipeline.cli.options import (
    detach_option,
    dotenv_option,
    environment_option,
    plan_option,
    recover_option,
    why_option,
    yes_option,
)
from pipeline.cli.result import ResultOptions, print_result

if TYPE_CHECKING:
    from pipeline.cli.result import Ended


class _WithDrill(click.Command):
    """A command whose completion also offers `rollback drill`, which `main` resolves."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the second word before the first option."""
        typed = {ctx.get_parameter_source(name) for name in ctx.params}
        fits = click.core.ParameterSource.COMMANDLINE not in typed and "drill".startswith(
            incomplete
        )
        drill = [CompletionItem("drill", help="Prove that it would work.")] if fits else []
        return [*drill, *super().shell_complete(ctx, incomplete)]


@click.command(cls=_WithDrill)
@environment_option
@click.option(
    "--to",
    type=Checked("target", "check_target"),
    shell_complete=complete_release,
    metavar="TARGET",
    help="Roll back to this release (r000123), AMI or version.",
)
@click.option(
    "--allow-quarantined", is_flag=True, help="Allow an image that a rollback quarantined."
)
@plan_option
@yes_option
@click.option("--wait", is_flag=True, help="Also wait until the replaced group is deleted.")
@why_option
@detach_option
@recover_option
@dotenv_option
@pass_context
def rollback(
    context: Context, /, *, plan_only: bool, yes: bool, dotenv: Path | None, **choices: Any
) -> int:
    """Put the previous good release back into service.

    This takes seconds while its group is warm; otherwise a new group of its image is launched. It
    ends when traffic is safe. A later command removes the replaced group, with --wait this one.
    The replaced image is quarantined: promote and rollback reject it without
    --allow-quarantined. `rollback drill` proves that it would work.
    """
    from pipeline.app.rollback import roll_back
    from pipeline.core.deploy.plan import RollbackRequest

    given = {name: value for name, value in choices.items() if value is not None}
    request = RollbackRequest(plan_only=plan_only, **given)
    with application(context, dotenv) as app:
        app.settings.environment(request.environment)
        confirm = confirm_plan(context, app, "rollback", yes=yes, plan_only=plan_only)
        done = roll_back(app, request, confirm)
        options = ResultOptions(
            plan_only=plan_only, undo_requested=undid_another(done), dotenv=dotenv
        )
        return print_result(context, done, options)


def undid_another(done: Ended) -> bool:
    """Return True if the rollback consisted in undoing an interrupted deployment."""
    from pipeline.core.state.deployment import Deployment, Kind

    return isinstance(done, Deployment) and done.kind is not Kind.ROLLBACK
