"""End the pause of a deployment: continue it, or undo it once its time is over.

`resume` and `abort` are the commands for this. Every other command that changes an environment
refuses while a deployment is paused, and ends a pause whose time is over.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.adapters.identity import runner
from pipeline.app.environment.freezes import read_freezes
from pipeline.app.environment.interrupted import Interrupted, finish, run_rest
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.deploy.recovery import plan_resumption
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.pausing.approval import why_not_another
from pipeline.core.pausing.pause import NO_ACTOR, Actor, Approval, Decision, OnTimeout, Pause
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment


def require_not_paused(
    reader: EnvironmentReader, document: Environment, action: Interrupted
) -> None:
    """Raise RefusedError if a deployment is paused and this command must not end the pause."""
    paused, name = document.deployment, reader.environment
    pause = paused.pause if paused else None
    if paused is None or pause is None:
        return
    if not is_over(reader, pause):
        raise paused_error(reader, paused)
    if action in {Interrupted.REFUSE, Interrupted.REFUSE_TO_PLAN}:
        what = f"the time of its pause before {pause.before} was over at {pause.until}"
        raise RefusedError(_name(paused), what, commands.recover(name))


def require_thawed(reader: EnvironmentReader, paused: Deployment) -> None:
    """Raise RefusedError if a pause would end in a freeze and move traffic to a release.

    No person chose that moment, and the paused state is safe.
    """
    if paused.pauses[-1].on_timeout is not OnTimeout.RESUME:
        return
    state, name = read_freezes(reader), reader.environment
    if state.active:
        frozen = state.describe(reader.now().astimezone())
        raise RefusedError(
            _name(paused),
            f"stays paused, though its time is over: {name} is frozen {frozen}",
            f"to go back: {commands.abort(name)}; after the freeze: {commands.recover(name)}",
        )


def is_over(reader: EnvironmentReader, pause: Pause) -> bool:
    """Return True if the time of a pause is over."""
    return pause.is_over(datetime.fromisoformat(reader.pace.today()))


def paused_error(reader: EnvironmentReader, paused: Deployment) -> RefusedError:
    """Return the refusal of a command that neither resumes nor aborts."""
    name, pause = reader.environment, paused.pauses[-1]
    now = datetime.fromisoformat(reader.pace.today()).astimezone()
    go_on, go_back = commands.resume(name), commands.abort(name)
    return RefusedError(
        _name(paused),
        f"is paused {pause.describe(paused.beginner, now)}; only resume and abort continue it",
        f"to continue: {go_on}; to go back: {go_back}",
    )


def resume_paused(leased: LeasedEnvironment, reason: str, override: str = "") -> Deployment:
    """Continue the paused deployment for this person; return it as it ended or paused again.

    `override` is the freeze that the person overrides, which is recorded.
    Raises RefusedError if this person must not approve it, or if it cannot continue.
    """
    paused, pause = _paused(leased)
    approver = leased.reader.actor
    another = pause.approval is Approval.ANOTHER
    another = another or leased.reader.policy.pauses.approval is Approval.ANOTHER
    if another and (why := why_not_another(paused.actor, approver)):
        name = leased.reader.environment
        what = f'another person must approve it (approval = "another"), but {why}'
        remedy = f"let another person run: {commands.resume(name)}; or go back: "
        raise RefusedError(f"resume {name}", what, remedy + commands.abort(name))
    overridden = "; ".join(filter(None, (paused.override, override)))
    return _continue(leased, replace(paused, override=overridden), approver, reason)


def abort_paused(leased: LeasedEnvironment, reason: str = "") -> Deployment:
    """Undo the paused deployment for this person; return it as it ended."""
    return _go_back(leased, leased.reader.actor, reason)


def end_overdue(leased: LeasedEnvironment, *, back: bool = False) -> Deployment:
    """End a pause whose time is over, as it says or with `back` in any case; return the end."""
    paused, pause = _paused(leased)
    goes_on = pause.on_timeout is OnTimeout.RESUME and not back
    then = "resuming" if goes_on else "aborting"
    text = f"the time of its pause before {pause.before} is over: {then} it"
    leased.reader.app.report(Message(text=f"{_name(paused)}: {text}"))
    if goes_on:
        return _continue(leased, paused, NO_ACTOR, "")
    return _go_back(leased, NO_ACTOR, "")


def _continue(
    leased: LeasedEnvironment, paused: Deployment, approver: Actor, reason: str
) -> Deployment:
    reader, document = leased.reader, leased.document()
    green = document.releases.get(paused.green)
    with reader.made_with(green.inputs if green else None):
        deployment = _decided(leased, paused, Decision.RESUMED, approver, reason)
        # The soak lasts as long as a slow start, which `recover` never waits for.
        delays = reader.read_delays(paused.detach, (paused.blue, paused.green))
        reconciler = leased.reconciler(deployment, replace(reader.policy, delays=delays))
        rest = plan_resumption(reconciler.observer, reader.policy, paused)
        return run_rest(leased, reconciler, deployment, rest)


def _go_back(leased: LeasedEnvironment, approver: Actor, reason: str) -> Deployment:
    paused, _ = _paused(leased)
    return finish(leased, _decided(leased, paused, Decision.ABORTED, approver, reason), back=True)


def _decided(
    leased: LeasedEnvironment,
    paused: Deployment,
    decision: Decision,
    approver: Actor,
    reason: str,
) -> Deployment:
    reader = leased.reader
    decided = paused.pauses[-1].decided(decision, reader.pace.today(), approver, reason)
    return replace(paused.unpaused(decided), by=runner(reader.app.environ))


def _paused(leased: LeasedEnvironment) -> tuple[Deployment, Pause]:
    deployment = leased.document().deployment
    assert deployment is not None  # noqa: S101 - every caller checks it
    pause = deployment.pause
    assert pause is not None  # noqa: S101 - the same
    return deployment, pause


def _name(paused: Deployment) -> str:
    return f"{paused.kind} {paused.id}"
