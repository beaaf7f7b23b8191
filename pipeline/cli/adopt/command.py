"""The command `adopt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import ask, is_yes, not_confirmed, require_terminal
from pipeline.cli.context import (
    Checked,
    Context,
    application,
    pass_context,
    reading_application,
)
from pipeline.cli.options import environment_option, yes_option

if TYPE_CHECKING:
    from pipeline.core.adoption.record import Adopted


@click.command()
@environment_option
@click.option(
    "--group",
    type=Checked("group", "check_group"),
    metavar="NAME",
    help="Adopt this Auto Scaling group.",
)
@click.option("--plan", "plan_only", is_flag=True, help="Show the configuration, change nothing.")
@click.option(
    "--undo", "undoes", is_flag=True, help="Forget the group; works until the first promotion."
)
@click.option(
    "--keep-configuration",
    is_flag=True,
    help="Accept a configuration that is not as the group is.",
)
@yes_option
@pass_context
def adopt(
    context: Context,
    environment: str,
    group: str | None,
    *,
    plan_only: bool,
    undoes: bool,
    keep_configuration: bool,
    yes: bool,
) -> None:
    """Record a running group as the serving release.

    It reads the group and its launch template or configuration. A new environment is added to
    pipeline.toml, an existing one must be as the group is. The group is not changed, now or later,
    but for its traffic: the next promotion replaces it, and a rollback lets it serve again.
    """
    if undoes:
        if group or plan_only or keep_configuration:
            raise click.UsageError("--undo takes no other option than --yes.")
        undo_adoption(context, environment, yes=yes)
        return
    if group is None:
        raise click.UsageError("Missing option '--group'.", click.get_current_context())
    if plan_only:
        show_plan(context, environment, group)
        return
    adopt_group(context, environment, group, keep_configuration=keep_configuration, yes=yes)


def show_plan(context: Context, environment: str, group: str) -> None:
    """Print the configuration that the group has."""
    from pipeline.app.setup.adopt import read_adoption
    from pipeline.ui.adopt.plan import adoption_document, adoption_text
    from pipeline.ui.results import as_json

    app = reading_application(context)
    found = read_adoption(app, group)
    configured = environment in app.settings.environments
    context.tell(
        as_json(adoption_document(environment, found, configured=configured))
        if context.json
        else adoption_text(environment, found, configured=configured)
    )


def adopt_group(
    context: Context, environment: str, group: str, *, keep_configuration: bool, yes: bool
) -> None:
    """Adopt the group and print the result."""
    from pipeline.app.setup.adopt import AdoptRequest
    from pipeline.app.setup.adopt import adopt as run
    from pipeline.ui.adopt.result import adopted_document, adopted_text, question
    from pipeline.ui.results import as_json

    def confirm(found: Adopted) -> bool:
        return yes or ask("adopt it now? [y/N]: ", lambda _width: question(found))

    require_terminal(context, "adopt", yes=yes)
    request = AdoptRequest(
        environment=environment, group=group, keep_configuration=keep_configuration
    )
    with application(context) as app:
        done = run(app, request, confirm)
        if done is None:
            raise not_confirmed(context)
        file = app.settings.file.name
        document, text = adopted_document(done), adopted_text(done, file)
        context.tell(as_json(document) if context.json else text)


def undo_adoption(context: Context, environment: str, *, yes: bool) -> None:
    """Forget the adopted group and print what remains."""
    from pipeline.app.setup.adopt import undo
    from pipeline.ui.adopt.result import undone_document, undone_text
    from pipeline.ui.results import as_json

    def confirm(group: str) -> bool:
        return yes or is_yes(f"forget that {group} is adopted? [y/N]: ")

    require_terminal(context, "adopt --undo", yes=yes)
    with application(context) as app:
        group = undo(app, environment, confirm)
        if group is None:
            raise not_confirmed(context)
        file = app.settings.file.name
        document, text = undone_document(environment, group), undone_text(environment, group, file)
        context.tell(as_json(document) if context.json else text)
