"""`ami-pipeline logs`."""

from __future__ import annotations

import click

from pipeline.cli.completion.candidates import complete_release
from pipeline.cli.context import Checked, Context, pass_context, reading_application
from pipeline.cli.options import environment_option


@click.command()
@environment_option
@click.option(
    "--release",
    type=Checked("release", "check_release"),
    shell_complete=complete_release,
    metavar="NAME",
    help="Show the members of this release only.",
)
@click.option(
    "--member",
    type=Checked("member", "check_member"),
    metavar="ID",
    help="Show this instance only.",
)
@click.option(
    "--lines",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Begin with the last N lines of each member.",
)
@click.option("--follow", "followed", is_flag=True, help="Print new lines until Ctrl-C.")
@pass_context
def logs(
    context: Context,
    environment: str,
    *,
    release: str | None,
    member: str | None,
    lines: int,
    followed: bool,
) -> None:
    """Show the logs of the members of an environment.

    A member that Systems Manager manages shows its journal, another one its console. With
    --output json, each line is a document of its own.
    """
    from collections.abc import Iterator
    from datetime import UTC, datetime

    from pipeline.app.inspection.logs import LogChoice, LogReader
    from pipeline.cli.context import echo
    from pipeline.cli.inspection.following import follow, json_line, open_stream, print_once
    from pipeline.ui.inspection.logs import log_document, log_line
    from pipeline.ui.inspection.stream import StreamLine
    from pipeline.ui.text import one_line

    choice = LogChoice(release=release or "", member=member or "", lines=lines)
    reader = LogReader(app=reading_application(context), environment=environment, choice=choice)

    def read() -> Iterator[StreamLine]:
        found, now = reader.read(), datetime.now(UTC).astimezone()
        for note in found.notes:
            echo(one_line(note))
        for line in found.lines:
            yield json_line(log_document(line)) if context.json else log_line(line, now)

    if followed:
        follow(read, open_stream(context), reader.interval)
    else:
        print_once(open_stream(context), read())
