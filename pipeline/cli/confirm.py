"""Whether to go on: by `--yes`, by `--plan`, or by asking the person at the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Context

if TYPE_CHECKING:
    from pipeline.app.plan_preview import PlanPreview
    from pipeline.ui.plan import Prospect


def asking(
    context: Context, verb: str, *, yes: bool, plan_only: bool
) -> Callable[[PlanPreview], bool]:
    """Return what decides whether to go on, given the plan.

    Raises RefusedError at once where a question would come and nobody can answer it.
    """
    from pipeline.core.errors import RefusedError

    if not (yes or plan_only or sys.stdin.isatty()):
        what = "nobody is there to answer whether to go on"
        raise RefusedError(verb, what, context.again("--yes"))

    def ask(planned: PlanPreview) -> bool:
        if yes or plan_only:
            return yes and not plan_only
        click.echo(plan_shown(planned, shutil.get_terminal_size().columns), err=True)
        return answered(f"{verb} now? [y/N]: ")

    return ask


def answered(question: str) -> bool:
    """Return whether the answer is yes; the end of the input is a no.

    Not `input()`, which writes to stdout, where only the result belongs.
    """
    click.echo(question, nl=False, err=True)
    line = ""
    try:
        line = sys.stdin.readline()
    finally:
        if not line.endswith("\n"):
            click.echo(err=True)  # what is said next begins on a line of its own
    return line.strip().lower() in {"y", "yes"}


def plan_shown(planned: PlanPreview, width: int) -> str:
    """Return the plan as a person reads it."""
    from pipeline.ui.plan import plan_text

    return plan_text(prospect(planned), width)


def prospect(planned: PlanPreview) -> Prospect:
    """Return the plan as the interface draws it."""
    from pipeline.ui.plan import Prospect

    return Prospect(
        deployment=planned.deployment,
        phases=planned.phases,
        policy=planned.policy,
        findings=planned.findings,
        plan=planned.plan,
    )
