"""`ami-pipeline dashboard`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Context, pass_context, reading_application

if TYPE_CHECKING:
    from pipeline.adapters.web.server import Server
    from pipeline.app import Application


@click.command()
@click.option(
    "--port",
    default=8765,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Listen on this port; 0 for any free one.",
)
@pass_context
def dashboard(context: Context, port: int) -> None:
    """Show all environments on a read-only web page of this machine.

    It changes nothing and needs the read role only. Ctrl-C ends it.
    """
    app = reading_application(context)
    server = _server(app, port)
    try:
        server.run(lambda url: context.tell(url if not context.json else f'{{"url": "{url}"}}'))
    except KeyboardInterrupt:
        return


def _server(app: Application, port: int) -> Server:
    from pipeline.core.errors import ConfigurationError

    try:
        from pipeline.adapters.web.server import Server
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "dashboard",
            f"{error.name} is not installed",
            "pip install 'ami-pipeline[dashboard]'",
        ) from error
    from pipeline.cli.reports.site import DashboardSite

    return Server(site=DashboardSite(app), port=port)
