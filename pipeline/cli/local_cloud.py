"""`ami-pipeline local-cloud`: the local cloud, up and down."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pipeline.core.errors import FailedError, RefusedError

if TYPE_CHECKING:
    from local_cloud.state_dir import Home


class _Group(click.Group):
    """Turns the local cloud's own failures into this program's, with the same exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        from local_cloud import errors

        try:
            return super().invoke(ctx)
        except errors.RefusedError as error:
            raise RefusedError(error.where, error.what, error.remedy) from error
        except errors.FailedError as error:
            raise FailedError(error.where, error.what, error.remedy) from error


@click.group("local-cloud", cls=_Group)
def local_cloud() -> None:
    """Run a local cloud: AWS on this machine, on loopback only."""


@local_cloud.command()
@click.option("--port", default=5700, show_default=True, help="Port of the API; 0: any free one.")
@click.option("--ssh-port", default=0, show_default=True, help="Port of SSH; 0: any free one.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Divide AWS's delays by this.",
)
@click.option(
    "--delay",
    multiple=True,
    metavar="NAME=SECONDS",
    callback=lambda _context, _option, given: delays(given),
    help="Another delay than AWS's usual one, such as boot=30 or call=0.08; may be repeated.",
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "namespaces", "user-namespaces", "plain"]),
    default="auto",
    envvar="AMI_PIPELINE_SANDBOX_ISOLATION",
    show_default=True,
    help="What keeps an instance's processes in its directory.",
)
@click.option("--foreground", is_flag=True, help="Stay until Ctrl-C and show what happens.")
@click.pass_context
def up(context: click.Context, /, *, foreground: bool, **how: Any) -> None:
    """Start the local cloud."""
    from local_cloud import control

    if foreground:
        control.refuse_at_once(here())
        argv = control.command(here(), **how)
        os.execv(argv[0], argv)  # noqa: S606  this process becomes the cloud, so Ctrl-C reaches it
    state = control.up(here(), **how)
    text = (
        f"The local cloud answers at {state.endpoint}.\n"
        'Point this shell at it: eval "$(ami-pipeline local-cloud env)"'
    )
    answer(context, {"running": True, **dataclasses.asdict(state)}, text)


@local_cloud.command()
@click.pass_context
def down(context: click.Context, /) -> None:
    """End the local cloud and remove everything it made."""
    from local_cloud import control

    ran = control.down(here())
    text = "The local cloud was taken down." if ran else "No local cloud ran."
    answer(context, {"running": False, "ran": ran}, text)


@local_cloud.command()
@click.pass_context
def status(context: click.Context, /) -> None:
    """Show whether the local cloud runs, its load balancers, and what was asked of it."""
    from local_cloud.client import Client

    state = here().read()
    if state is None:
        answer(context, {"running": False}, "No local cloud runs.")
        return
    client = Client(endpoint=state.endpoint)
    calls, balancers = client.calls(), client.balancers()
    where = f"API {state.endpoint}, SSH 127.0.0.1:{state.ssh_port}, instances in {state.network}"
    lines = [
        f"The local cloud runs since {state.started}: process {state.pid}.",
        f"{where}, speed {state.speed:g}, isolation {state.isolation}.",
        *(f"{b['kind']:<14} {b['name']:<40} {b['url']}" for b in balancers),
        *(f"{c['service']:<14} {c['action']:<40} {spent(c)}" for c in calls),
    ]
    known = {**dataclasses.asdict(state), "balancers": balancers, "calls": calls}
    answer(context, {"running": True, **known}, "\n".join(lines))


@local_cloud.command()
@click.pass_context
def env(context: click.Context, /) -> None:
    """Print the exports that point AWS clients, Packer and Terraform at it."""
    from local_cloud import control, environment

    state = control.running(here())
    answer(context, environment.exports(state), environment.shell(state))


def delays(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return delays that make sense."""
    from local_cloud.clock import Delays

    try:
        Delays.named(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return given


def here() -> Home:
    """Return the home that this user's environment says."""
    from local_cloud import state_dir

    return state_dir.Home(path=state_dir.default_home(os.environ).resolve())


def spent(call: dict[str, Any]) -> str:
    """Say how often an action was called, how often it failed, and its mean time."""
    mean = 1000 * call["seconds"] / call["calls"]
    failed = f", {call['errors']} failed" if call["errors"] else ""
    return f"{call['calls']:>6} calls{failed}, {mean:.0f} ms each"


def answer(context: click.Context, document: dict[str, Any], text: str) -> None:
    """Print the result in the form that was asked for."""
    as_json = getattr(context.obj, "output", "text") == "json"
    click.echo(json.dumps(document, indent=2) if as_json else text, file=sys.stdout)
