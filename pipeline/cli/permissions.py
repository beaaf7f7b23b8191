"""`ami-pipeline permissions`."""

from __future__ import annotations

import click

from pipeline.cli.context import Checked, Context, pass_context, reading_application

ROLES = ("bake", "deploy", "read", "prune", "inspect")


@click.command()
@click.argument("role", type=click.Choice(ROLES), required=False)
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    metavar="NAME",
    help="Limit the policy to this environment (default: all).",
)
@click.option(
    "--group",
    type=Checked("group", "check_group"),
    metavar="NAME",
    help="Also attach and detach this adopted group.",
)
@click.option("--pair", is_flag=True, help="Also set up a pair of target groups.")
@click.option(
    "--part",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print one of several policies that IAM accepts.",
)
@pass_context
def permissions(
    context: Context,
    role: str | None,
    environment: str | None,
    group: str | None,
    *,
    pair: bool,
    part: int | None,
) -> None:
    """Print the least IAM policy with which a role's commands work.

    The policy has the names, accounts, keys and buckets of pipeline.toml. Without a role, it is
    for bake and deploy together, as rebuild needs. Paste it into IAM. IAM accepts 6,144 characters
    in a managed policy; a message names the parts of a longer one.
    """
    from pipeline.app.permissions import permissions as policy_of
    from pipeline.core.permissions.scope import Role
    from pipeline.ui.results import as_json

    if group and not environment:
        raise click.UsageError("--group needs -e: it is the group of one environment.")
    app = reading_application(context)
    roles = {Role(role)} if role else {Role.BAKE, Role.DEPLOY}
    found = policy_of(app, roles, environment or "", group or "", pair=pair, part=part or 0)
    context.tell(as_json(found))
