"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.completion.candidates import complete_environment, complete_phase
from pipeline.cli.context import Checked

environment_option = click.option(
    "-e",
    "--environment",
    required=True,
    type=Checked("environment", "check_environment"),
    shell_complete=complete_environment,
    metavar="NAME",
    help="Use the environment [environments.NAME].",
)
optional_environment_option = click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    shell_complete=complete_environment,
    metavar="NAME",
    help="Use the environment [environments.NAME] (default: all).",
)
only_environment_option = click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    shell_complete=complete_environment,
    metavar="NAME",
    help="Show the values of the environment [environments.NAME].",
)
member_environment_option = click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    shell_complete=complete_environment,
    metavar="NAME",
    help="Search in [environments.NAME] (default: in all).",
)
yes_option = click.option(
    "--yes",
    is_flag=True,
    help="Skip the confirmation prompt (required without a terminal).",
)
plan_option = click.option(
    "--plan", "plan_only", is_flag=True, help="Show the plan and change nothing."
)
recover_option = click.option(
    "--no-recover",
    "recovers",
    flag_value=False,
    default=True,
    help="Fail instead of resuming an interrupted deployment.",
)
version_option = click.option(
    "--version",
    type=Checked("version", "check_version"),
    metavar="VERSION",
    help="Bake this version (default: git describe).",
)
pause_option = click.option(
    "--pause-before",
    multiple=True,
    type=Checked("phase", "check_pausable"),
    shell_complete=complete_phase,
    metavar="PHASE",
    help="Pause before this phase (repeatable).",
)
wait_option = click.option(
    "--wait",
    is_flag=False,
    flag_value="720h",
    type=Checked("duration", "check_wait"),
    metavar="[DURATION]",
    help="Wait while another run holds the lease.",
)
reason_option = click.option(
    "--reason",
    default="",
    type=Checked("reason", "check_reason"),
    metavar="TEXT",
    help="Record why the pause ends.",
)
why_option = click.option(
    "--why",
    default="",
    type=Checked("reason", "check_reason"),
    metavar="TEXT",
    help="Record this reason with the deployment.",
)
override_freeze_option = click.option(
    "--override-freeze",
    is_flag=True,
    help="Continue even if the environment is frozen.",
)
detach_option = click.option(
    "--detach",
    multiple=True,
    type=Checked("load balancer", "check_target_group"),
    metavar="NAME",
    help="Leave this load balancer for good (repeatable).",
)
dotenv_option = click.option(
    "--dotenv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the outputs to this file, for GitLab.",
)
