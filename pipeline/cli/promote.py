"""`ami-pipeline promote`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.completion.candidates import complete_environment, complete_image
from pipeline.cli.confirm import confirm_plan, require_reason
from pipeline.cli.context import Checked, Context, application, pass_context
from pipeline.cli.options import (
    detach_option,
    dotenv_option,
    environment_option,
    override_freeze_option,
    pause_option,
    plan_option,
    recover_option,
    wait_option,
    why_option,
    yes_option,
)
from pipeline.cli.result import ResultOptions, print_result


@click.command()
@environment_option
@click.option(
    "--image",
    type=Checked("image", "check_image"),
    shell_complete=complete_image,
    metavar="IMAGE",
    help="Promote this AMI or version.",
)
@click.option(
    "--from",
    "origin",
    type=Checked("environment", "check_environment"),
    shell_complete=complete_environment,
    metavar="NAME",
    help="Promote the image that serves in environment NAME.",
)
@plan_option
@yes_option
@click.option("--keep-failed", is_flag=True, help="Keep a failed group, detached, for debugging.")
@click.option("--redeploy", is_flag=True, help="Replace the instances even if nothing differs.")
@click.option(
    "--allow-quarantined", is_flag=True, help="Allow an image that a rollback quarantined."
)
@click.option(
    "--allow-unhealthy",
    is_flag=True,
    help="Continue even if the serving release is unhealthy or an alarm is firing.",
)
@click.option(
    "--change-program",
    is_flag=True,
    help="Change from Terraform to OpenTofu, or back.",
)
@click.option(
    "--no-wait-retire",
    "removes_later",
    is_flag=True,
    help="End before the old group is deleted: a later command does that.",
)
@detach_option
@why_option
@override_freeze_option
@pause_option
@wait_option
@recover_option
@dotenv_option
@pass_context
def promote(
    context: Context, /, *, plan_only: bool, yes: bool, dotenv: Path | None, **choices: Any
) -> int:
    """Put an image into service and retire the release that serves.

    The default is the newest good image. If the deployment fails before the old group is deleted,
    the old release keeps serving and the new group is deleted.
    """
    from pipeline.app.promote import promote as run
    from pipeline.core.deploy.plan import PromoteRequest

    if choices["image"] and choices["origin"]:
        raise click.UsageError("--image and --from exclude each other.")
    require_reason(choices["why"], override_freeze=choices["override_freeze"])
    given = {name: value for name, value in choices.items() if value is not None}
    request = PromoteRequest(plan_only=plan_only, **given)
    options = ResultOptions(plan_only=plan_only, dotenv=dotenv)
    with application(context, dotenv) as app:
        app.settings.environment(request.environment)
        confirm = confirm_plan(context, app, "promote", yes=yes, plan_only=plan_only)
        return print_result(context, run(app, request, confirm), options)
