"""`ami-pipeline unfreeze`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import environment_option


@click.command()
@environment_option
@pass_context
def unfreeze(context: Context, environment: str) -> None:
    """Lift the freezes that people made.

    A window of [[freeze]] in pipeline.toml stays.
    """
    from pipeline.app.operations.freeze import unfreeze as run
    from pipeline.ui.freezing.freezes import change_document, lifted_text
    from pipeline.ui.results import as_json

    with application(context) as app:
        done = run(app, environment)
        document = change_document(environment, done.state, done.lifted, done.in_flight)
        text = lifted_text(environment, done.state, done.lifted, done.now.astimezone())
        context.tell(as_json(document) if context.json else text)
