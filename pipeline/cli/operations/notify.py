"""`ami-pipeline notify test` and `ami-pipeline notify check`."""

from __future__ import annotations

import click

from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import optional_environment_option


@click.group()
def notify() -> None:
    """Test the targets of [[notify]], and report overdue rebuilds and drills."""


@notify.command()
@optional_environment_option
@pass_context
def test(context: Context, environment: str | None) -> int:
    """Send a test to each target and show the results.

    Ends with exit code 4 if a target did not take it.
    """
    from pipeline.app.operations.notify import notify_test
    from pipeline.core.errors import FailedError
    from pipeline.ui.operations.notify import test_document, test_text
    from pipeline.ui.results import as_json

    with application(context) as app:
        sent = notify_test(app, environment or "")
    context.tell(as_json(test_document(sent)) if context.json else test_text(sent))
    return FailedError.exit_code if any(each.error for each in sent) else 0


@notify.command()
@optional_environment_option
@pass_context
def check(context: Context, environment: str | None) -> int:
    """Report overdue rebuilds and drills to the targets.

    For a daily job; [notify_check] says after how many days. Ends with exit code 4 if a target
    could not be told.
    """
    from pipeline.app.operations.notify import notify_check
    from pipeline.core.errors import FailedError
    from pipeline.ui.operations.notify import check_document, check_text
    from pipeline.ui.results import as_json

    with application(context) as app:
        found = notify_check(app, environment or "")
    context.tell(as_json(check_document(found)) if context.json else check_text(found))
    return FailedError.exit_code if any(each.problems for each in found) else 0
