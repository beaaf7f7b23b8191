"""`ami-pipeline events`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, pass_context, reading_application
from pipeline.cli.options import environment_option


@click.command()
@environment_option
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Begin with the newest N events.",
)
@click.option("--follow", "followed", is_flag=True, help="Print new events until Ctrl-C.")
@pass_context
def events(context: Context, environment: str, limit: int, *, followed: bool) -> None:
    """Show the events of an environment in order of time.

    Deployments, their phases and steps, scaling activities, and the state of each target. With
    --output json, each event is a document of its own, on one line.
    """
    from collections.abc import Iterator
    from datetime import UTC, datetime

    from pipeline.app.inspection.events import EventReader
    from pipeline.cli.context import echo
    from pipeline.cli.inspection.following import follow, json_line, open_stream, print_once
    from pipeline.ui.inspection.events import event_document, event_line
    from pipeline.ui.inspection.stream import StreamLine
    from pipeline.ui.text import one_line

    reader = EventReader(app=reading_application(context), environment=environment, limit=limit)

    def read() -> Iterator[StreamLine]:
        (found, notes), now = reader.read(), datetime.now(UTC).astimezone()
        for note in notes:
            echo(f"unreadable: {one_line(note, 400)}")
        for each in found:
            yield json_line(event_document(each)) if context.json else event_line(each, now)

    if followed:
        follow(read, open_stream(context), reader.interval)
    else:
        print_once(open_stream(context), read())
