"""`ami-pipeline shell`."""

from __future__ import annotations

import click

from pipeline.cli.context import Checked, Context, pass_context, reading_application
from pipeline.cli.options import member_environment_option


@click.command()
@click.argument("member", type=Checked("member", "check_member"), metavar="MEMBER")
@member_environment_option
@pass_context
def shell(context: Context, member: str, environment: str | None) -> None:
    """Open a shell on a member: MEMBER is its instance id.

    On AWS, this is a Session Manager session of the AWS CLI. On the local cloud, it is a root
    shell in the instance.
    """
    from pipeline.adapters.clock import local_endpoint
    from pipeline.app.inspection.members import find_member
    from pipeline.app.inspection.shell import open_session, run_shell

    app = reading_application(context)
    found = find_member(app, member, environment or "")
    if endpoint := local_endpoint(app.environ):
        argv, environ = _in_the_local_cloud(member, endpoint)
        run_shell(f"shell on {member}", argv, environ)
    else:
        open_session(app, found)


def _in_the_local_cloud(member: str, endpoint: str) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the variables of a shell; raises RefusedError."""
    from local_cloud import commands, errors
    from pipeline.cli.local_cloud import refused

    try:
        return commands.shell_of(member, endpoint)
    except errors.RefusedError as error:
        raise refused(error) from error
