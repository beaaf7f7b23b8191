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
    from pipeline.core.adoption.pair_model import PairSetup
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
@click.option(
    "--pair", "pairs", is_flag=True, help="Set up a second target group beside the serving one."
)
@click.option(
    "--test-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="With --pair: create a test listener at this port.",
)
@yes_option
@pass_context
def adopt(
    context: Context,
    /,
    environment: str,
    group: str | None,
    *,
    pairs: bool,
    test_port: int | None,
    yes: bool,
    **flags: bool,
) -> None:
    """Record a running group as the serving release, or pair its target group.

    It reads the group and its launch template or configuration. A new environment is added to
    pipeline.toml, an existing one must be as the group is. The group is not changed, now or later,
    but for its traffic: the next promotion replaces it, and a rollback lets it serve again.

    With --pair, each target group of the environment gets a second one, which the strategies flip
    and canary need. The listener or rule then forwards to both, all traffic stays where it is, and
    pipeline.toml names the pair.
    """
    if pairs:
        if group or flags["undoes"] or flags["keep_configuration"]:
            raise click.UsageError("--pair takes only --test-port, --plan and --yes.")
        show_or_set_up_pair(
            context, environment, test_port or 0, plan_only=flags["plan_only"], yes=yes
        )
        return
    if test_port:
        raise click.UsageError("--test-port needs --pair.")
    if flags["undoes"]:
        if group or flags["plan_only"] or flags["keep_configuration"]:
            raise click.UsageError("--undo takes no other option than --yes.")
        undo_adoption(context, environment, yes=yes)
        return
    if group is None:
        raise click.UsageError("Missing option '--group'.", click.get_current_context())
    if flags["plan_only"]:
        show_plan(context, environment, group)
        return
    keeps = flags["keep_configuration"]
    adopt_group(context, environment, group, keep_configuration=keeps, yes=yes)


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


def show_or_set_up_pair(
    context: Context, environment: str, test_port: int, *, plan_only: bool, yes: bool
) -> None:
    """Print the plan of a pair, or set it up and print the result."""
    from pipeline.app.setup.pair import PairRequest, read_setup
    from pipeline.app.setup.pair import pair as run
    from pipeline.ui.adopt.pair import NOTHING, document, done_text, plan_text
    from pipeline.ui.results import as_json

    request = PairRequest(environment=environment, test_port=test_port)
    if plan_only:
        reading = reading_application(context)
        found, file = read_setup(reading, request), reading.settings.file.name
        text = f"{plan_text(found, file)}\n{NOTHING}"
        context.tell(as_json(document(found, planned=True)) if context.json else text)
        return
    require_terminal(context, "adopt --pair", yes=yes)
    with application(context) as app:
        name = app.settings.file.name

        def confirm(found: PairSetup) -> bool:
            return yes or ask("set it up now? [y/N]: ", lambda _width: plan_text(found, name))

        done = run(app, request, confirm)
        if done is None:
            raise not_confirmed(context)
        text = done_text(done, name)
        context.tell(as_json(document(done, planned=False)) if context.json else text)
