"""`ami-pipeline init`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import Checked, Context, echo, pass_context
from pipeline.cli.init.questions import CI, answers


@click.command()
@click.option("--app", type=Checked("app", "check_app"), metavar="NAME", help="Name the service.")
@click.option(
    "--region",
    type=Checked("region", "check_region"),
    metavar="REGION",
    help="Name the region (default: AWS_REGION).",
)
@click.option(
    "-e",
    "--environment",
    type=Checked("environment", "check_environment"),
    default="staging",
    show_default=True,
    metavar="NAME",
    help="Name the first environment.",
)
@click.option(
    "--account", type=Checked("account", "check_account_id"), metavar="ID", help="Name its account."
)
@click.option(
    "--template",
    type=Checked("template", "check_path"),
    metavar="PATH",
    help="Use this Packer template instead of a new one.",
)
@click.option(
    "--files",
    multiple=True,
    metavar="PATH",
    help="Install this file or folder (default: a sample service); repeat it for more.",
)
@click.option(
    "--run", metavar="COMMAND", help="Start the service with this command in the instance."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Name the port of the service.")
@click.option("--health", metavar="PATH", help="Name the path of its health check.")
@click.option(
    "--stack/--no-stack",
    default=None,
    help="Write Terraform for a network and a load balancer, or not.",
)
@click.option("--pair", is_flag=True, help="Give the load balancer a pair of target groups.")
@click.option("--target-group", multiple=True, metavar="NAME", help="Use this target group.")
@click.option("--load-balancer", multiple=True, metavar="NAME", help="Use this classic one.")
@click.option("--subnet", multiple=True, metavar="ID", help="Launch into this subnet.")
@click.option("--security-group", multiple=True, metavar="ID", help="Use this security group.")
@click.option("--instance-profile", metavar="NAME", help="Use this instance profile.")
@click.option("--ci", type=click.Choice(CI), help="Write the files of this CI system.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the default of each question.")
@click.option("--rehearse", is_flag=True, help="Then bake and promote on the local cloud.")
@click.option("--keep", is_flag=True, help="Keep the local cloud of the rehearsal running.")
@pass_context
def init(context: Context, /, *, rehearse: bool, keep: bool, **given: Any) -> None:
    """Write the files of a new service: pipeline.toml, Packer, Terraform and CI.

    Each question has an option, and without a terminal the default is taken. An existing Packer
    template is used. A file that exists is never changed: init shows the difference and stops.
    """
    from pipeline.app.setup import init as app
    from pipeline.ui.init import written as ui
    from pipeline.ui.results import as_json

    if keep and not rehearse:
        raise click.UsageError("--keep needs --rehearse.")
    folder = Path.cwd()
    if not (rehearse and (folder / app.CONFIGURATION).exists()):
        chosen = answers(folder, given)
        written = app.write(folder, chosen)
        result = ui.InitResult(answers=chosen, written=written, git=app.has_version(folder))
        if context.json and not rehearse:
            context.tell(as_json(ui.document(result)))
            return
        text = ui.written_text(result) if rehearse else ui.text(result)
        (echo if rehearse else context.tell)(text)
    if rehearse:
        _rehearse(context, folder, keep=keep)


def _rehearse(context: Context, folder: Path, *, keep: bool) -> None:
    from pipeline.app.setup.rehearse import rehearse
    from pipeline.ui.init import rehearsal as ui
    from pipeline.ui.results import as_json

    done = rehearse(folder, say=echo, keep=keep)
    context.tell(as_json(ui.document(done)) if context.json else ui.text(done))
