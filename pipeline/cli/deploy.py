"""`promote`, `rollback`, `rebuild`, `recover` and `abort`: what changes an environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.confirm import asking, plan_shown, prospect
from pipeline.cli.context import Checked, Context, pass_context

if TYPE_CHECKING:
    from pipeline.app import Application
    from pipeline.app.plan_preview import PlanPreview, Unchanged
    from pipeline.core.state.deployment import Deployment

    Ended = Deployment | PlanPreview | Unchanged

environment_option = click.option(
    "-e",
    "--environment",
    required=True,
    type=Checked("environment", "check_environment"),
    help="The environment, [environments.NAME].",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can answer.")
plan_option = click.option(
    "--plan", "plan_only", is_flag=True, help="Show what would be done, and change nothing."
)
recover_option = click.option(
    "--no-recover",
    "recovers",
    flag_value=False,
    default=True,
    help="Refuse where a run died in the middle, rather than finish that first.",
)
dotenv_option = click.option(
    "--dotenv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write OUTCOME, SERVING and the like here, for GitLab.",
)


@dataclass(frozen=True, kw_only=True)
class Answering:
    """How a command answers: where besides, and what it calls done."""

    plan_only: bool = False
    asked_back: bool = False
    nothing: str = "nothing to do"
    dotenv: Path | None = None


@click.command()
@environment_option
@click.option("--image", type=Checked("image", "check_image_id"), help="An AMI, by its id.")
@click.option(
    "--from",
    "origin",
    type=Checked("environment", "check_environment"),
    help="The image that serves in another environment.",
)
@plan_option
@yes_option
@click.option("--keep-failed", is_flag=True, help="Leave a group that failed dark, for a look.")
@click.option("--allow-quarantined", is_flag=True, help="Take an image that was rolled back from.")
@click.option(
    "--allow-unhealthy",
    is_flag=True,
    help="Go on though what serves is sick, or an alarm rings.",
)
@recover_option
@dotenv_option
@pass_context
def promote(
    context: Context, /, *, plan_only: bool, yes: bool, dotenv: Path | None, **wanted: Any
) -> int:
    """Put an image into service beside the one that serves, then retire that one.

    Without --image and --from it is the newest good image. Whatever goes wrong before the old
    group is retired, the old one serves, and what was made is removed again.
    """
    from pipeline.app.plan_preview import PromoteRequest
    from pipeline.app.promote import promote as run

    if wanted["image"] and wanted["origin"]:
        raise click.UsageError("--image and --from exclude each other.")
    given = {name: value for name, value in wanted.items() if value is not None}
    asked = PromoteRequest(plan_only=plan_only, **given)
    how = Answering(plan_only=plan_only, dotenv=dotenv)
    with application(context, dotenv) as app:
        app.settings.environment(asked.environment)
        ask = asking(context, "promote", yes=yes, plan_only=plan_only)
        return answer(context, run(app, asked, ask), how)


@click.command()
@environment_option
@click.option(
    "--to",
    type=Checked("target", "check_target"),
    help="A release (r000123) or an AMI; default: what served before and is good.",
)
@plan_option
@yes_option
@recover_option
@dotenv_option
@pass_context
def rollback(
    context: Context,
    /,
    *,
    environment: str,
    to: str | None,
    plan_only: bool,
    yes: bool,
    recovers: bool,
    dotenv: Path | None,
) -> int:
    """Put the previous good release back into service.

    Seconds where its group is still warm; else a new release of its image. The image that is
    rolled back from is quarantined: nothing promotes it again unless told to.
    """
    from pipeline.app.rollback import roll_back

    with application(context, dotenv) as app:
        app.settings.environment(environment)
        ask = asking(context, "rollback", yes=yes, plan_only=plan_only)
        how_far = {"plan_only": plan_only, "recovers": recovers}
        done = roll_back(app, environment, to or "", ask, **how_far)
        back = put_back(done)
        how = Answering(plan_only=plan_only, asked_back=back, dotenv=dotenv)
        return answer(context, done, how)


@click.command()
@environment_option
@click.option(
    "--version",
    type=Checked("version", "check_version"),
    help="The version baked; default: git describe.",
)
@recover_option
@dotenv_option
@pass_context
def rebuild(
    context: Context, environment: str, version: str | None, *, recovers: bool, dotenv: Path | None
) -> int:
    """Bake if an input changed, and promote it if another image serves: the nightly job.

    Asks nothing, and never goes over what a person did: after a rollback, or a promotion of
    another version, it stops and says so.
    """
    from pipeline.app import Options
    from pipeline.app.rebuild import rebuild as run

    with application(context, dotenv) as app:
        options = Options(config=context.config, environment=environment, version=version or "")
        done = run(app, options, recovers=recovers)
        return answer(context, done, Answering(nothing="nothing new", dotenv=dotenv))


@click.command()
@environment_option
@pass_context
def recover(context: Context, environment: str) -> int:
    """Finish the deployment of a run that died or was stranded: on, or back."""
    from pipeline.app.recover import recover as run

    with application(context) as app:
        return answer(context, run(app, environment), Answering(asked_back=True))


@click.command()
@environment_option
@pass_context
def abort(context: Context, environment: str) -> int:
    """Put back what a run that died had begun, or remove what --keep-failed left."""
    from pipeline.app.recover import abort as run

    with application(context) as app:
        return answer(context, run(app, environment), Answering(asked_back=True))


@contextmanager
def application(context: Context, dotenv: Path | None = None) -> Iterator[Application]:
    """Read the configuration, take the signals, show what happens until the block ends.

    Signals are held while it lasts: a deployment notices them where it can act on them. One that
    is raised came before anything was changed, and one that comes after the end changes nothing.
    A dotenv file that could not be written is refused before anything is done.
    """
    from pipeline.app import Application, Options
    from pipeline.app.ci_outputs import require_dotenv
    from pipeline.core.errors import InterruptedRunError
    from pipeline.ui.progress import progress

    require_dotenv(dotenv)
    try:
        with progress(sys.stderr, live=context.live, environ=os.environ) as report:
            app = Application.start(Options(config=context.config), report)
            with app.interrupts.held():
                yield app
                app.interrupts.answer()
    except KeyboardInterrupt:
        what = "a signal came before anything was changed"
        raise InterruptedRunError("ami-pipeline", what, context.again()) from None


def put_back(done: Ended) -> bool:
    """Whether a rollback was to put back what an unfinished promotion had begun."""
    from pipeline.core.state.deployment import Deployment, Kind

    return isinstance(done, Deployment) and done.kind is not Kind.ROLLBACK


def answer(context: Context, done: Ended, how: Answering) -> int:
    """Print the result and hand it to the CI system; return the exit code."""
    from pipeline.app.plan_preview import PlanPreview, Unchanged
    from pipeline.ui import outcome
    from pipeline.ui.results import as_json

    match done:
        case PlanPreview():
            return planned(context, done, how)
        case Unchanged():
            facts = (done.environment, done.release, done.image.id)
            text, code = outcome.unchanged_text(how.nothing, *facts), 0
            document, summary = outcome.unchanged_document(*facts), f"{text}\n\n"
        case _:
            text = outcome.outcome_text(done, context.width)
            code = exit_code(done, asked_back=how.asked_back)
            document, summary = outcome.outcome_document(done), outcome.step_summary(done)
    hand_on(done, summary, how.dotenv)
    context.tell(as_json(document) if context.json else text)
    return code


def planned(context: Context, done: PlanPreview, how: Answering) -> int:
    """Print the plan that was asked for; raise what a no to it is."""
    from pipeline.core.errors import InterruptedRunError
    from pipeline.ui.plan import plan_document
    from pipeline.ui.results import as_json

    if not how.plan_only:
        what = "the answer was not yes: nothing was changed"
        raise InterruptedRunError("ami-pipeline", what, context.again())
    context.tell(
        as_json(plan_document(prospect(done))) if context.json else plan_shown(done, context.width)
    )
    return 0


def hand_on(done: Deployment | Unchanged, summary: str, dotenv: Path | None) -> None:
    """Write the CI system's outputs and summary; what cannot be written is only said."""
    from pipeline.app.ci_outputs import hand_over

    for problem in hand_over(done, summary, os.environ, dotenv):
        click.echo(problem, err=True)


def exit_code(done: Deployment, *, asked_back: bool) -> int:
    """Return the exit code of a deployment that is over: 0 if the world is as asked."""
    from pipeline.core.errors import (
        FailedError,
        InterruptedRunError,
        NeedsAttentionError,
        RefusedError,
    )
    from pipeline.core.state.deployment import Result, result_of

    interrupted = done.outcome is not None and done.outcome.interrupted
    match result_of(done):
        case Result.PROMOTED:
            return 0
        case Result.ROLLED_BACK if asked_back and not (
            done.outcome and done.outcome.rollback_error
        ):
            return 0
        case Result.ROLLED_BACK if interrupted:
            return InterruptedRunError.exit_code
        case Result.ROLLED_BACK:
            return FailedError.exit_code
        case Result.REFUSED:
            return RefusedError.exit_code
    return NeedsAttentionError.exit_code
