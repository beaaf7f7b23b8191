"""Finish or undo a deployment that its own run left unfinished.

`recover` and `abort` are commands for this; `promote`, `rollback` and `rebuild` do it first.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from pipeline.adapters.identity import runner
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.once import unknown_ends
from pipeline.core import commands
from pipeline.core.deploy.hook_runner import unknown_end
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.recovery import RecoveryPlan, plan_recovery
from pipeline.core.errors import NeedsAttentionError, RefusedError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment


class Interrupted(Enum):
    """What a command does about an interrupted deployment before its own work."""

    FINISH = "finish it, forward or back"
    UNDO = "undo it, if that is still possible"
    LEAVE = "leave it to the command"
    REFUSE = "fail, as --no-recover requests"
    REFUSE_TO_PLAN = "fail, because --plan changes nothing"


def handling(
    *, plan_only: bool, recovers: bool, otherwise: Interrupted = Interrupted.FINISH
) -> Interrupted:
    """Return what the options `--plan` and `--no-recover` say about an interrupted deployment."""
    if not recovers:
        return Interrupted.REFUSE
    return Interrupted.REFUSE_TO_PLAN if plan_only else otherwise


def require_allowed(document: Environment, action: Interrupted) -> None:
    """Raise RefusedError if a deployment was interrupted and the command must not finish it."""
    dead = document.deployment
    if dead is None or dead.pause:
        return
    what = {
        Interrupted.REFUSE: f"{_stopped(dead)}, and --no-recover forbids finishing it",
        Interrupted.REFUSE_TO_PLAN: f"cannot plan: a previous {dead.kind} {_stopped(dead)}",
    }.get(action)
    if what:
        raise RefusedError(_name(dead), what, commands.recover(document.environment))


def finish_interrupted(
    leased: LeasedEnvironment, action: Interrupted, why: str = ""
) -> Deployment | None:
    """Finish or undo an interrupted deployment; return how it ended, None without one.

    `why` is the reason to undo it. Raises NeedsAttentionError if it cannot be finished,
    RefusedError if it must not be.
    """
    document = leased.document()
    dead = document.deployment
    if dead is None or action is Interrupted.LEAVE:
        return None
    require_allowed(document, action)
    _report(leased, f"{_name(dead)} {_stopped(dead)}: finishing it first")
    return accept_finished(leased, finish(leased, back=action is Interrupted.UNDO, why=why), action)


def accept_finished(leased: LeasedEnvironment, done: Deployment, action: Interrupted) -> Deployment:
    """Return a deployment that was finished first; raises NeedsAttentionError if it was not.

    Traffic does not wait for a removal that fails: a rollback reports that and continues.
    """
    signaled = done.outcome is not None and done.outcome.interrupted
    if done.kind is not Kind.RETIRE or action is not Interrupted.UNDO or signaled:
        return require_finished(done)
    try:
        return require_finished(done)
    except NeedsAttentionError as error:
        _report(leased, f"{error.where}: {error.what}; continuing without it")
    return done


def require_finished(done: Deployment) -> Deployment:
    """Return a deployment that was finished first; raises NeedsAttentionError if it was not."""
    if done.outcome and result_of(done) is Result.NEEDS_ATTENTION:
        why = f"{done.outcome.phase}: {done.outcome.rollback_error or done.outcome.reason}"
        remedy = commands.after(done.outcome.remedy, commands.recover(done.environment))
        raise NeedsAttentionError(_name(done), why, remedy)
    return done


def finish(
    leased: LeasedEnvironment,
    begun: Deployment | None = None,
    *,
    back: bool = False,
    why: str = "",
) -> Deployment:
    """Run the remaining phases of the deployment in flight, forward or back, as AWS shows it.

    `begun` is what to record of it from now on. With `back` it is undone if that is still possible,
    for the reason `why`, which is recorded beside its own. Raises RefusedError if a group of
    green's name belongs to another deployment, and NeedsAttentionError if AWS does not answer and
    blue may still be needed.
    """
    dead = leased.document().deployment
    assert dead is not None  # noqa: S101 - every caller checks it
    green, reader = leased.document().releases.get(dead.green), leased.reader
    if begun is None:
        begun = replace(dead, by=runner(reader.app.environ), outcome=None, ended="")
        begun = replace(begun, why=_reasons(leased, dead, why) if back else dead.why)
    with reader.made_with(green.inputs if green else None):
        reconciler = leased.reconciler(begun)
        rest = plan_recovery(reconciler.observer, reader.policy, dead, back=back)
        return run_rest(leased, reconciler, begun, rest)


def _reasons(leased: LeasedEnvironment, dead: Deployment, undo: str) -> str:
    """Return why a deployment began and why it is undone, without those that are unknown."""
    reader = leased.reader
    masked = reader.app.masker(reader.environment).text(undo) if undo else ""
    return "; ".join(each for each in (dead.why, masked and f"undone: {masked}") if each)


def run_rest(
    leased: LeasedEnvironment, reconciler: Reconciler, begun: Deployment, rest: RecoveryPlan
) -> Deployment:
    """Run the planned rest of the deployment in flight, recorded as `begun`; return how it ended.

    The document has it as it was until the first phase begins.
    """
    dead = leased.document().deployment or begun
    _report(leased, f"{_name(dead)} {_stopped(dead)}: {describe_direction(rest, begun)}")
    for each in unknown_ends(leased.reader, dead.image):
        known = unknown_end(each, dead.environment)
        _report(leased, f"{known.where} {known.what}; {known.remedy}")
    if rest.undecided:
        reconciler.ledger.update(lambda current: current.reverted(begun))
    if rest.lost:
        today = leased.reader.pace.today()
        reconciler.ledger.update(lambda current: current.without_serving(today))
        begun = replace(begun, blue="")
    return leased.run(
        reconciler, begun, rest.phases, rest.success, undone=rest.undone, check=rest.check
    )


def describe_direction(rest: RecoveryPlan, dead: Deployment) -> str:
    """Return whether a deployment is continued or undone, for the progress output."""
    if rest.lost:
        return f"{rest.undone}: deleting the remaining groups"
    if rest.undecided:
        return f"{dead.green} is unhealthy: rolling back to {dead.blue}"
    if dead.kind in {Kind.ABORT, Kind.DESTROY, Kind.RETIRE}:
        return "continuing to delete groups"
    if dead.kind is Kind.DRILL:
        return f"ending the drill of {dead.green}"
    if rest.success is Result.PROMOTED:
        return f"continuing with {dead.green}"
    return f"rolling back to {dead.blue}" if dead.blue else f"deleting {dead.green}"


def _name(dead: Deployment) -> str:
    return f"{dead.kind} {dead.id}"


def _stopped(dead: Deployment) -> str:
    if dead.pause:
        return f"paused before {dead.pause.before}"
    return f"stopped in phase {dead.phase}" if dead.phase else "stopped before its first phase"


def _report(leased: LeasedEnvironment, text: str) -> None:
    leased.reader.app.report(Message(text=text))
