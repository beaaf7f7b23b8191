"""The command `adopt`."""

from __future__ import annotations

import click

from pipeline.cli.context import Checked, Context, pass_context, reading_application
from pipeline.cli.options import environment_option


@click.command()
@environment_option
@click.option(
    "--group",
    required=True,
    type=Checked("group", "check_group"),
    metavar="NAME",
    help="Read this Auto Scaling group.",
)
@click.option("--plan", "plan_only", is_flag=True, help="Show the configuration, change nothing.")
@pass_context
def adopt(context: Context, environment: str, group: str, plan_only: bool) -> None:
    """Show the configuration of a running group, with --plan.

    It reads the group and its launch template or configuration, and prints the tables of
    pipeline.toml with which a release is like the group. It lists each setting that the release
    module cannot express. The group and pipeline.toml are not changed.
    """
    if not plan_only:
        raise click.UsageError("Missing option '--plan'.", click.get_current_context())
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
