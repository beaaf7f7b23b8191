"""Confirm a change: by `--yes`, or by a person at the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.cli.context import Context, echo, is_terminal
from pipeline.core.ci import ci_variable
from pipeline.ui.icons import drawable

if TYPE_CHECKING:
    from pipeline.app import Application
    from pipeline.core.deploy.plan import Confirm, PlanPreview
    from pipeline.core.errors import InterruptedRunError


def require_terminal(
    context: Context, command: str, *, yes: bool, option: Sequence[str] = ("--yes",)
) -> None:
    """Raise RefusedError if a confirmation is needed and there is no terminal to ask at.

    `option` is what confirms on the command line.
    """
    from pipeline.core.errors import RefusedError

    if not (yes or is_terminal(sys.stdin)):
        variable = ci_variable(os.environ)
        why = f"this is a CI job ({variable} is set)" if variable else "stdin is not a terminal"
        what = f"confirmation needed, but {why}"
        raise RefusedError(command, what, context.again(*option))


def not_confirmed(context: Context) -> InterruptedRunError:
    """Return the error of a command whose confirmation prompt was answered with no."""
    from pipeline.core.errors import InterruptedRunError

    return InterruptedRunError(
        "ami-pipeline", "not confirmed: nothing was changed", context.again()
    )


def require_reason(why: str, option: str = "--why", *, override_freeze: bool) -> None:
    """Raise UsageError if a freeze is to be overridden without a reason."""
    import click

    if override_freeze and not why.strip():
        raise click.UsageError(f"--override-freeze needs a reason: add {option} TEXT.")


def confirm_plan(
    context: Context, app: Application, command: str, *, yes: bool, plan_only: bool = False
) -> Confirm:
    """Return the function that confirms a plan: it shows the plan and asks at the terminal.

    It first asks the policies, which may refuse the plan. Raises RefusedError at once if it would
    have to ask without a terminal.
    """
    require_terminal(context, command, yes=yes or plan_only)

    def confirm(preview: PlanPreview) -> bool:
        ask_policies(app, preview)
        if yes or plan_only:
            return yes and not plan_only
        from pipeline.ui.plan import once_note

        note = once_note(preview)
        question = f"{command} now, {note}? [y/N]: " if note else f"{command} now? [y/N]: "
        return ask(question, lambda width: plan_text(preview, width, width))

    return confirm


def ask_policies(app: Application, preview: PlanPreview) -> None:
    """Give the plan to each policy; raises RefusedError if one does not allow it."""
    if preview.policies:
        from pipeline.app.environment.policies import require_allowed
        from pipeline.ui.plan import plan_document
        from pipeline.ui.results import as_json

        require_allowed(app, preview, as_json(plan_document(preview)))


def ask(question: str, introduction: Callable[[int], str]) -> bool:
    """Show an introduction for the terminal's width, then return True if the answer is yes."""
    show(introduction(shutil.get_terminal_size().columns))
    return is_yes(question)


def show(text: str) -> None:
    """Print a text on stderr, in what its encoding can draw."""
    echo(drawable(text, sys.stderr.encoding))


def is_yes(question: str) -> bool:
    """Ask a question at the terminal; the end of the input is a no."""
    return answer(question).lower() in {"y", "yes"}


def answer(question: str) -> str:
    """Return what is typed at the terminal, empty at the end of the input.

    What was typed before the question does not answer it. `input()` would write to stdout, where
    only the result belongs.
    """
    _discard_input()
    echo(question, end="")
    line = ""
    try:
        line = sys.stdin.readline()
    finally:
        if not line.endswith("\n"):
            echo()  # The next message begins on its own line.
    return line.strip()


def _discard_input() -> None:
    """Discard what was typed so far (tcflush(3)); a stream that is no terminal keeps it."""
    with suppress(OSError, termios.error, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def plan_text(preview: PlanPreview, width: int, columns: int | None) -> str:
    """Return a plan as text; its table fits `columns`, None for any width."""
    from pipeline.ui import plan

    return plan.plan_text(preview, width, columns)


def ask_text(question: str, default: str) -> str:
    """Ask for a text at the terminal; an empty line is the default, the end of input aborts."""
    import click

    shown = f" [{default}]" if default else ""
    echo(f"{question}{shown}: ", end="")
    line = sys.stdin.readline()
    if not line:
        echo()
        raise click.Abort
    return line.strip() or default
