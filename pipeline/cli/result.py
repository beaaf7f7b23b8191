"""Print how a deployment ended, hand it to the CI system, and choose the exit code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.confirm import not_confirmed, plan_text
from pipeline.cli.context import Context, echo

if TYPE_CHECKING:
    from pipeline.core.deploy.plan import PlanPreview, Unchanged
    from pipeline.core.state.deployment import Deployment

    Ended = Deployment | PlanPreview | Unchanged


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultOptions:
    """How a command reports its result.

    With `undo_requested`, a deployment that was rolled back is a success. `nothing` is the text
    for a command that had nothing to do.
    """

    plan_only: bool = False
    undo_requested: bool = False
    nothing: str = "nothing to do"
    dotenv: Path | None = None


def print_result(context: Context, done: Ended, options: ResultOptions) -> int:
    """Print the result and hand it to the CI system; return the exit code."""
    from pipeline.core.deploy.plan import PlanPreview, Unchanged
    from pipeline.ui import outcome
    from pipeline.ui.results import as_json

    match done:
        case PlanPreview():
            return print_plan(context, done, options)
        case Unchanged():
            text, code = outcome.unchanged_text(options.nothing, done), 0
            document, summary = outcome.unchanged_document(done), f"{text}\n\n"
        case _:
            text = outcome.outcome_text(done, context.width)
            code = exit_code(done, undo_requested=options.undo_requested)
            document, summary = outcome.outcome_document(done), outcome.step_summary(done)
    write_ci_outputs(done, summary, options.dotenv)
    context.tell(as_json(document) if context.json else text)
    return code


def print_plan(context: Context, preview: PlanPreview, options: ResultOptions) -> int:
    """Print the plan if --plan requested it; else it was not confirmed, which is an error."""
    from pipeline.ui.plan import plan_document
    from pipeline.ui.results import as_json

    if not options.plan_only:
        raise not_confirmed(context)
    text = as_json(plan_document(preview)) if context.json else ""
    context.tell(text or plan_text(preview, context.width, context.columns))
    return 0


def write_ci_outputs(done: Deployment | Unchanged, summary: str, dotenv: Path | None) -> None:
    """Write the CI system's outputs and summary; only print what could not be written."""
    from pipeline.app.ci_outputs import write_outputs

    for problem in write_outputs(done, summary, os.environ, dotenv):
        echo(problem)


def exit_code(done: Deployment, *, undo_requested: bool) -> int:
    """Return the exit code of a deployment: 0 if and only if traffic is as requested."""
    from pipeline.core.errors import (
        PAUSED,
        FailedError,
        InterruptedRunError,
        NeedsAttentionError,
        RefusedError,
    )
    from pipeline.core.state.deployment import Result, result_of

    outcome, result = done.outcome, result_of(done)
    if outcome and result is Result.ROLLED_BACK:
        if undo_requested and not outcome.rollback_error:
            return 0
        return InterruptedRunError.exit_code if outcome.interrupted else FailedError.exit_code
    codes = {
        Result.PROMOTED: 0,
        Result.PROVEN: 0,
        Result.REFUSED: RefusedError.exit_code,
        Result.PAUSED: PAUSED,
    }
    return codes.get(result or Result.NEEDS_ATTENTION, NeedsAttentionError.exit_code)
