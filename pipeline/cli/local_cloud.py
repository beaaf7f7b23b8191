"""`ami-pipeline local-cloud`: start, stop and inspect the local cloud."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from pipeline.core import commands
from pipeline.core.errors import FailedError, RefusedError

if TYPE_CHECKING:
    from local_cloud.state_dir import Home


class _Group(click.Group):
    """A command group that raises the local cloud's errors as this program's, with exit codes."""

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
    """Run the local cloud: AWS on this machine, on loopback only."""


@local_cloud.command()
@click.option(
    "--port",
    default=5700,
    show_default=True,
    metavar="PORT",
    help="Serve the API here (0: any port).",
)
@click.option(
    "--ssh-port",
    default=0,
    show_default=True,
    metavar="PORT",
    help="Serve SSH here (0: any port).",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    type=click.FloatRange(min=0, min_open=True),
    help="Divide AWS's delays by this factor.",
)
@click.option(
    "--delay",
    multiple=True,
    metavar="NAME=SECONDS",
    callback=lambda _context, _option, given: checked_delays(given),
    help="Set a delay, such as boot=30; repeatable.",
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "namespaces", "user-namespaces", "plain"]),
    default="auto",
    envvar="AMI_PIPELINE_LOCAL_CLOUD_ISOLATION",
    show_default=True,
    help="Isolate the processes of an instance.",
)
@click.option("--foreground", is_flag=True, help="Run until Ctrl-C and print events.")
@click.pass_context
def up(context: click.Context, /, *, foreground: bool, **settings: Any) -> None:
    """Start the local cloud."""
    from local_cloud import control

    if foreground:
        control.refuse_at_once(home())
        argv = control.command(home(), **settings)
        os.execv(argv[0], argv)  # noqa: S606 - this process becomes the cloud and gets Ctrl-C
    state = control.up(home(), **settings)
    text = (
        f"The local cloud is running at {state.endpoint}.\n"
        f'Point this shell at it: eval "$({commands.local_cloud_env()})"'
    )
    print_result(context, {"running": True, **dataclasses.asdict(state)}, text)


@local_cloud.command()
@click.pass_context
def down(context: click.Context, /) -> None:
    """Stop the local cloud and delete everything in it."""
    from local_cloud import control

    ran = control.down(home())
    text = "The local cloud was stopped." if ran else "The local cloud is not running."
    print_result(context, {"running": False, "ran": ran}, text)


@local_cloud.command()
@click.pass_context
def status(context: click.Context, /) -> None:
    """Show the local cloud, its load balancers, and its calls."""
    from local_cloud.client import Client

    state = home().read()
    if state is None:
        print_result(context, {"running": False}, "The local cloud is not running.")
        return
    client = Client(endpoint=state.endpoint)
    calls, balancers = client.calls(), client.balancers()
    where = f"API {state.endpoint}, SSH 127.0.0.1:{state.ssh_port}, instances in {state.network}"
    lines = [
        f"The local cloud has been running since {state.started} (process {state.pid}).",
        f"{where}, speed {state.speed:g}, isolation {state.isolation}.",
        *(f"{b['kind']:<14} {b['name']:<40} {b['url']}" for b in balancers),
        *(f"{c['service']:<14} {c['action']:<40} {call_summary(c)}" for c in calls),
    ]
    facts = {**dataclasses.asdict(state), "balancers": balancers, "calls": calls}
    print_result(context, {"running": True, **facts}, "\n".join(lines))


@local_cloud.command()
@click.pass_context
def env(context: click.Context, /) -> None:
    """Print the exports for AWS clients, Packer and Terraform."""
    from local_cloud import control, environment

    state = control.running(home())
    print_result(context, environment.exports(state), environment.shell(state))


def checked_delays(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the delays of the command line; raises BadParameter for an invalid one."""
    from local_cloud.clock import Delays

    try:
        Delays.named(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return given


def home() -> Home:
    """Return the folder of the local cloud, by this process's environment."""
    from local_cloud import state_dir

    return state_dir.Home(path=state_dir.default_home(os.environ).resolve())


def call_summary(call: dict[str, Any]) -> str:
    """Return how often an action was called and failed, and its mean duration."""
    mean = 1000 * call["seconds"] / call["calls"]
    failed = f", {call['errors']} failed" if call["errors"] else ""
    return f"{call['calls']:>6} calls{failed}, {mean:.0f} ms each"


def print_result(context: click.Context, document: dict[str, Any], text: str) -> None:
    """Print the result as text or as JSON."""
    as_json = getattr(context.obj, "output", "text") == "json"
    click.echo(json.dumps(document, indent=2) if as_json else text, file=sys.stdout)
