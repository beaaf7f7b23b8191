"""`ami-pipeline local-cloud`: the commands of `local_cloud.commands` as click commands."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from local_cloud.options import (
    ARCHITECTURES,
    CONSISTENCY,
    HELP,
    ISOLATION,
    KINDS,
    PORT,
    SESSION_SECONDS,
    SUITE,
)
from pipeline.core.errors import FailedError, RefusedError

if TYPE_CHECKING:
    from local_cloud.commands import Result
    from local_cloud.errors import RefusedError as LocalCloudRefusal

PROGRAM = "ami-pipeline local-cloud"


class _Group(click.Group):
    """Turns the local cloud's own failures into this program's, with the same exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        from local_cloud import errors

        try:
            return super().invoke(ctx)
        except errors.RefusedError as error:
            raise refused(error) from error
        except errors.FailedError as error:
            raise FailedError(error.where, error.what, _own_name(error.remedy)) from error


@click.group("local-cloud", cls=_Group, help=HELP["local-cloud"])
def local_cloud() -> None:
    """Hold the commands below."""


@local_cloud.command(help=HELP["up"])
@click.option("--port", default=PORT, show_default=True, help=HELP["port"])
@click.option("--ssh-port", default=0, show_default=True, help=HELP["ssh-port"])
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help=HELP["speed"],
)
@click.option(
    "--delay",
    multiple=True,
    metavar="NAME=SECONDS",
    callback=lambda _context, _option, given: _checked("check_delays", given),
    help=HELP["delay"],
)
@click.option(
    "--isolation",
    type=click.Choice(KINDS),
    default="auto",
    envvar=ISOLATION,
    show_default=True,
    help=HELP["isolation"],
)
@click.option(
    "--consistency",
    default=CONSISTENCY,
    show_default=True,
    metavar="strong|eventual[:SECONDS]",
    callback=lambda _context, _option, given: _checked("check_consistency", given),
    help=HELP["consistency"],
)
@click.option(
    "--role",
    multiple=True,
    metavar="NAME=FILE",
    help=HELP["role"],
)
@click.option(
    "--session-seconds",
    default=SESSION_SECONDS,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help=HELP["session-seconds"],
)
@click.option("--rootfs", default="", metavar="DIR|TAR", help=HELP["rootfs"])
@click.option("--seed", default=0, show_default=True, help=HELP["seed"])
@click.option("--foreground", is_flag=True, help=HELP["foreground"])
@click.pass_context
def up(context: click.Context, /, *, foreground: bool, **settings: Any) -> None:
    """Start the local cloud."""
    from local_cloud import commands

    settings["role"] = _checked("check_roles", settings["role"], option="--role")
    settings["rootfs"] = _checked("check_rootfs", settings["rootfs"], option="--rootfs")
    if foreground:
        commands.up_in_foreground(**settings)
    _print(context, commands.up(**settings))


@local_cloud.command(help=HELP["down"])
@click.pass_context
def down(context: click.Context, /) -> None:
    """Stop the local cloud and remove everything it made."""
    from local_cloud import commands

    _print(context, commands.down())


@local_cloud.command(help=HELP["status"])
@click.pass_context
def status(context: click.Context, /) -> None:
    """Show the local cloud, its load balancers and its API calls."""
    from local_cloud import commands

    _print(context, commands.status())


@local_cloud.command(help=HELP["env"])
@click.option("--role", metavar="NAME", help=HELP["as-role"])
@click.pass_context
def env(context: click.Context, /, *, role: str | None) -> None:
    """Print shell exports for AWS clients, Packer and Terraform."""
    from local_cloud import commands

    _print(context, commands.env(role=role))


@local_cloud.command(help=HELP["credentials"])
@click.argument("role")
@click.pass_context
def credentials(context: click.Context, /, *, role: str) -> None:
    """Print new credentials of a role, for credential_process."""
    from local_cloud import commands

    _print(context, commands.credentials(role=role))


@local_cloud.command(help=HELP["shell"])
@click.argument("instance")
def shell(*, instance: str) -> None:
    """Become a root shell in an instance."""
    from local_cloud import commands

    commands.shell(instance=instance)


@local_cloud.command(help=HELP["make-rootfs"])
@click.argument("target", metavar="DIR|TAR")
@click.option("--suite", default=SUITE, show_default=True, help=HELP["suite"])
@click.option("--mirror", default="", help=HELP["mirror"])
@click.option("--include", multiple=True, metavar="PACKAGE", help=HELP["include"])
@click.pass_context
def rootfs(context: click.Context, /, **settings: Any) -> None:
    """Make a minimal Debian for `up --rootfs`, with mmdebstrap."""
    from local_cloud import commands

    _print(context, commands.rootfs(**settings))


@local_cloud.group(help=HELP["image"])
def image() -> None:
    """Hold the commands below."""


@image.command(help=HELP["image-add"])
@click.option(
    "--owner",
    required=True,
    callback=lambda _context, _option, given: _checked("check_image_owner", given),
    help=HELP["image-owner"],
)
@click.option(
    "--name",
    required=True,
    callback=lambda _context, _option, given: _checked("check_image_name", given),
    help=HELP["image-name"],
)
@click.option(
    "--arch",
    type=click.Choice(ARCHITECTURES),
    default=ARCHITECTURES[0],
    show_default=True,
    help=HELP["image-arch"],
)
@click.pass_context
def add(context: click.Context, /, **settings: Any) -> None:
    """Publish an image in every region."""
    from local_cloud import commands

    _print(context, commands.add_image(**settings))


def _checked(check: str, given: Any, *, option: str | None = None) -> Any:
    """Return an option's value if a function of `local_cloud.commands` takes it.

    `option` is its name, which click knows in a callback.
    """
    from local_cloud import commands

    try:
        return getattr(commands, check)(given)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def refused(error: LocalCloudRefusal) -> RefusedError:
    """Return this program's error for one of the local cloud."""
    return RefusedError(error.where, error.what, _own_name(error.remedy))


def _own_name(text: str) -> str:
    """Return a text that calls the program by the name under which the user started it."""
    from local_cloud import errors

    return text.replace(errors.PROGRAM, PROGRAM)


def _print(context: click.Context, result: Result) -> None:
    as_json = getattr(context.obj, "output", "text") == "json"
    text = json.dumps(result.document, indent=2) if as_json else _own_name(result.text)
    click.echo(text, file=sys.stdout)
