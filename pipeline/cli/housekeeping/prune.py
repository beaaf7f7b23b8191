"""`ami-pipeline prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import ask, not_confirmed, require_terminal
from pipeline.cli.context import Context, application, pass_context
from pipeline.cli.options import plan_option, yes_option
from pipeline.core import commands

if TYPE_CHECKING:
    from pipeline.core.pruning import PruneReport


@click.command()
@plan_option
@yes_option
@pass_context
def prune(context: Context, *, plan_only: bool, yes: bool) -> int:
    """Remove images beyond bake.keep that nothing uses, with copies and snapshots.

    The plan says why each other image stays: it is new, serves, is warm, is a rollback target, is
    quarantined and recent, is shared or protected, or something in a configured region uses it.
    """
    from datetime import UTC, datetime

    from pipeline.app.housekeeping.prune import plan_prune
    from pipeline.app.housekeeping.prune import prune as run
    from pipeline.ui.housekeeping import prune as ui
    from pipeline.ui.results import as_json

    require_terminal(context, "prune", yes=yes or plan_only)
    with application(context) as app:
        with app.interrupts.heard():
            plan = plan_prune(app)
        text = ui.plan_text(plan, datetime.now(UTC))
        if plan_only or plan.is_empty:
            context.tell(as_json(ui.plan_document(plan)) if context.json else text)
            return 0
        if not (yes or ask("remove these now? [y/N]: ", lambda _: text)):
            raise not_confirmed(context)
        report = run(app, plan)
        _require_complete(context, report, ui.report_text(report))
        document = as_json(ui.report_document(report))
        context.tell(document if context.json else ui.report_text(report))
        return 0


def _require_complete(context: Context, report: PruneReport, removed: str) -> None:
    """Raise NeedsAttentionError if only a part was removed, RefusedError if nothing was.

    A removal cannot be undone, so after one success nothing is restored.
    """
    from pipeline.core.errors import NeedsAttentionError, RefusedError

    if report.errors:
        error = NeedsAttentionError if report.images or report.snapshots else RefusedError
        what = "\n".join((*report.errors, removed))
        raise error("prune", what, commands.after(report.remedies[0], context.again()))
