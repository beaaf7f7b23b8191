"""`ami-pipeline freeze`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Checked, Context, application, pass_context
from pipeline.cli.options import environment_option

if TYPE_CHECKING:
    from pipeline.core.validation.freeze_values import Until


@click.command()
@environment_option
@click.option(
    "--until",
    required=True,
    type=Checked("time", "check_until"),
    metavar="TIME",
    help="Freeze until then: 4h, 18:00, Mon 08:00.",
)
@click.option(
    "--why",
    required=True,
    type=Checked("reason", "check_why"),
    metavar="TEXT",
    help="Show this reason in each refusal.",
)
@pass_context
def freeze(context: Context, environment: str, until: Until, why: str) -> None:
    """Refuse to put a release into service for a time.

    Promote, rebuild and resume are refused; rollback, recover and abort still work. A deployment
    that runs continues. A time may have a date and an offset; without an offset, it is in the time
    zone of this machine.
    """
    from pipeline.app.operations.freeze import freeze as run
    from pipeline.ui.freezing.freezes import change_document, frozen_text
    from pipeline.ui.results import as_json

    with application(context) as app:
        done = run(app, environment, until, why)
        document = change_document(environment, done.state, (), done.in_flight)
        text = frozen_text(environment, done.state, done.in_flight, done.now.astimezone())
        context.tell(as_json(document) if context.json else text)
