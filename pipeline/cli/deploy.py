"""`promote`, `rollback`, `recover` and `abort`: what changes an environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import Checked, Context, pass_context

if TYPE_CHECKING:
    from pipeline.app import Application
    from pipeline.app.prospect import Planned, Unchanged
    from pipeline.core.deployment import Deployment
    from pipeline.ui.plan import Prospect

    Ended = Deployment | Planned | Unchanged

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
dotenv_option = click.option(
    "--dotenv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write OUTCOME, RELEASE, SERVING and the like here, for GitLab.",
)


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
@dotenv_option
@pass_context
def promote(
    context: Context,
    environment: str,
    image: str | None,
    origin: str | None,
    plan_only: bool,
    yes: bool,
    keep_failed: bool,
    allow_quarantined: bool,
    dotenv: Path | None,
) -> int:
    """Put an image into service beside the one that serves, then retire that one.

    Without --image and --from it is the newest good image. Whatever goes wrong before the old
    group is retired, the old one serves, and what was made is removed again.
    """
    from pipeline.app.promoting import promote as run
    from pipeline.app.prospect import Wanted

    if image and origin:
        raise click.UsageError("--image and --from exclude each other.")
    wanted = Wanted(
        environment=environment,
        image=image or "",
        origin=origin or "",
        keep_failed=keep_failed,
        allow_quarantined=allow_quarantined,
        plan_only=plan_only,
    )
    ask = asking("promote", yes=yes, plan_only=plan_only)
    with application(context, dotenv) as app:
        done = run(app, wanted, ask)
    return answer(context, done, plan_only=plan_only, dotenv=dotenv)


@click.command()
@environment_option
@click.option(
    "--to", help="A release (r000123) or an AMI; default: what served before and is good."
)
@plan_option
@yes_option
@dotenv_option
@pass_context
def rollback(
    context: Context,
    environment: str,
    to: str | None,
    plan_only: bool,
    yes: bool,
    dotenv: Path | None,
) -> int:
    """Put the previous good release back into service.

    Seconds where its group is still warm; else a new release of its image. The image that is
    rolled back from is quarantined: nothing promotes it again unless told to.
    """
    from pipeline.app.rolling_back import roll_back

    ask = asking("rollback", yes=yes, plan_only=plan_only)
    with application(context, dotenv) as app:
        done = roll_back(app, environment, checked_target(to), ask, plan_only=plan_only)
    return answer(context, done, plan_only=plan_only, asked_back=put_back(done), dotenv=dotenv)


@click.command()
@environment_option
@click.option(
    "--version",
    type=Checked("version", "check_version"),
    help="The version baked; default: git describe.",
)
@dotenv_option
@pass_context
def rebuild(context: Context, environment: str, version: str | None, dotenv: Path | None) -> int:
    """Bake if an input changed, and promote it if another image serves: the nightly job.

    Asks nothing, and never goes over what a person did: after a rollback, or a promotion of
    another version, it stops and says so.
    """
    from pipeline.app import Options
    from pipeline.app.rebuilding import rebuild as run

    with application(context, dotenv) as app:
        options = Options(config=context.config, environment=environment, version=version or "")
        done = run(app, options)
    return answer(context, done, nothing="nothing new", dotenv=dotenv)


@click.command()
@environment_option
@pass_context
def recover(context: Context, environment: str) -> int:
    """Finish the deployment of a run that died or was stranded: on, or back."""
    from pipeline.app.returning import recover as run

    with application(context) as app:
        done = run(app, environment)
    return answer(context, done, asked_back=True)


@click.command()
@environment_option
@pass_context
def abort(context: Context, environment: str) -> int:
    """Put back what a run that died had begun, or remove what --keep-failed left."""
    from pipeline.app.returning import abort as run

    with application(context) as app:
        done = run(app, environment)
    return answer(context, done, asked_back=True)


@contextmanager
def application(context: Context, dotenv: Path | None = None) -> Iterator[Application]:
    """Read the configuration, take the signals, show what happens until the block ends.

    Signals are held while it lasts: a deployment notices them where it can act on them. A dotenv
    file that could not be written is refused before anything is done.
    """
    from pipeline.adapters.outputs import require_writable
    from pipeline.app import Application, Options
    from pipeline.ui.progress import progress

    if dotenv:
        require_writable("--dotenv", dotenv.absolute())

    with progress(sys.stderr, live=context.live, environ=os.environ) as report:
        app = Application.start(Options(config=context.config), report)
        with app.interrupts.held():
            yield app


def put_back(done: Ended) -> bool:
    """Whether a rollback was to put back what an unfinished promotion had begun."""
    from pipeline.core.deployment import Deployment, Kind

    return isinstance(done, Deployment) and done.kind is not Kind.ROLLBACK


def checked_target(to: str | None) -> str:
    """Return what --to names, held to the form of a release or an AMI."""
    from pipeline.core import service_rules

    if not to:
        return ""
    try:
        return service_rules.check_target(to)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None


def asking(verb: str, *, yes: bool, plan_only: bool) -> Callable[[Planned], bool]:
    """Return what decides whether to go on, given the plan; refuse where nobody can answer."""
    from pipeline.core.errors import RefusedError

    if not (yes or plan_only or sys.stdin.isatty()):
        what = "nobody is there to answer whether to go on"
        raise RefusedError(verb, what, f"ami-pipeline {verb} ... --yes")

    def ask(planned: Planned) -> bool:
        if yes or plan_only:
            return yes and not plan_only
        click.echo(plan_shown(planned), err=True)
        return click.confirm(f"{verb} now?", err=True)

    return ask


def plan_shown(planned: Planned) -> str:
    """Return the plan as a person reads it."""
    from pipeline.ui.plan import plan_text

    return plan_text(prospect(planned))


def answer(
    context: Context,
    done: Ended,
    *,
    plan_only: bool = False,
    asked_back: bool = False,
    nothing: str = "nothing to do",
    dotenv: Path | None = None,
) -> int:
    """Print the result; return the exit code."""
    from pipeline.app.prospect import Planned, Unchanged
    from pipeline.ui import outcome, plan
    from pipeline.ui.results import as_json

    match done:
        case Unchanged():
            text = f"{nothing}: {done.release} serves {done.environment} with {done.image.id}"
            document = {"outcome": "unchanged", "release": done.release, "ami_id": done.image.id}
            click.echo(as_json(document) if context.json else text)
            return 0
        case Planned() if plan_only:
            shown = plan.plan_document(prospect(done)) if context.json else None
            click.echo(as_json(shown) if shown else plan_shown(done))
            return 0
        case Planned():
            raise click.Abort
    hand_on(done, dotenv)
    text = outcome.outcome_text(done)
    click.echo(as_json(outcome.outcome_document(done)) if context.json else text)
    return exit_code(done, asked_back=asked_back)


def hand_on(done: Deployment, dotenv: Path | None) -> None:
    """Write the CI system's outputs and summary; what cannot be written is only said."""
    from pipeline.adapters.outputs import write_deployment_ci
    from pipeline.ui.outcome import step_summary

    for problem in write_deployment_ci(done, step_summary(done), os.environ, dotenv):
        click.echo(problem, err=True)


def prospect(planned: Planned) -> Prospect:
    """Return the plan as the interface draws it."""
    from pipeline.ui.plan import Prospect

    return Prospect(
        deployment=planned.deployment,
        phases=planned.phases,
        policy=planned.policy,
        findings=planned.findings,
        plan=planned.plan,
    )


def exit_code(done: Deployment, *, asked_back: bool) -> int:
    """Return the exit code of a deployment that is over: 0 if the world is as asked."""
    from pipeline.core.deployment import Result, result_of
    from pipeline.core.errors import (
        FailedError,
        InterruptedRunError,
        RefusedError,
        StrandedError,
    )

    interrupted = done.outcome is not None and done.outcome.interrupted
    match result_of(done):
        case Result.PROMOTED:
            return 0
        case Result.ROLLED_BACK if asked_back:
            return 0
        case Result.ROLLED_BACK if interrupted:
            return InterruptedRunError.exit_code
        case Result.ROLLED_BACK:
            return FailedError.exit_code
        case Result.REFUSED:
            return RefusedError.exit_code
    return StrandedError.exit_code
