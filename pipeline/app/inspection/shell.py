"""Open a shell on a member: a session of Systems Manager, or what the local cloud runs."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.adapters.process.process import Command, on_terminal
from pipeline.app.application import Application
from pipeline.core import commands
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.inspection.members import EnvironmentMember

CLI, PLUGIN = "aws", "session-manager-plugin"
CLI_PAGE = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
PLUGIN_PAGE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)
SECONDS = 60.0
"""How long the credentials of the AWS CLI must last: it needs them to start the session."""


def open_session(app: Application, member: EnvironmentMember) -> None:
    """Run the AWS CLI's Session Manager session on this terminal until it ends.

    Raises RefusedError if a program is missing or Systems Manager does not manage the member,
    FailedError if the AWS CLI fails.
    """
    where = f"shell on {member.id}"
    _require_programs(where, member, app.environ.get("PATH", ""))
    _require_online(app, where, member)
    command = commands.start_session(member.id, app.settings.region)
    argv = shlex.split(command)
    code = run_shell(where, argv, app.tool_credentials(app.environ, SECONDS))
    if code:
        what = f"{command}: exit code {code}; its message is above"
        raise FailedError(where, what, commands.managed_node(member.id))


def run_shell(where: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program on this terminal; return its exit code, or raise RefusedError."""
    try:
        return on_terminal(Command(argv=argv, cwd=Path.cwd(), env=environ))
    except OSError as error:
        what = f"{argv[0]} could not be started: {error.strerror}"
        raise RefusedError(where, what, f"install {argv[0]}, then run the command again") from error


def _require_programs(where: str, member: EnvironmentMember, path: str) -> None:
    logs = commands.logs(member.environment, member.id)
    for program, page in ((CLI, CLI_PAGE), (PLUGIN, PLUGIN_PAGE)):
        if shutil.which(program, path=path) is None:
            what = f"the program {program} is not on PATH"
            raise RefusedError(where, what, f"install it: {page}; without it: {logs}")


def _require_online(app: Application, where: str, member: EnvironmentMember) -> None:
    from pipeline.adapters.aws.client import Clients, translate_errors
    from pipeline.adapters.aws.members.journals import read_online

    region = app.settings.region
    with translate_errors(where, region):
        reason = read_online(Clients(region), region, [member.id])[member.id]
    if reason:
        needs = (
            "the instance needs SSM Agent, a role with AmazonSSMManagedInstanceCore, "
            "and a route to Systems Manager"
        )
        what = f"{member.id} ({member.release}): {reason}; {needs}"
        raise RefusedError(where, what, commands.managed_node(member.id))
