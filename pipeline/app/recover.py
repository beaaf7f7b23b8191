"""Going back: `rollback`, and `recover` and `abort` of what a run that died had begun.

All three run the same phases as a promotion that fails; they differ in where they begin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.store.deployments import new_deployment_id
from pipeline.app.application import Application
from pipeline.app.session import EnvironmentSession
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.recovery import RecoveryPlan, failed, removal_of, success_of, what_is_left
from pipeline.core.errors import NeedsAttentionError, PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, result_of
from pipeline.core.state.environment import Environment


def recover(app: Application, environment: str) -> Deployment:
    """Bring the deployment in flight to its end; raises RefusedError where there is none."""
    session = EnvironmentSession(app=app, environment=environment)
    session.require_balancers()
    _require_in_flight(session.document(), "recover")
    session.identify()
    with session.lease("recover") as held:
        _require_in_flight(held.read(), "recover")
        return finish(session, held)


def abort(app: Application, environment: str) -> Deployment:
    """Put back what is in flight, or remove what a failed deployment left for a look."""
    session = EnvironmentSession(app=app, environment=environment)
    session.require_balancers()
    document = session.document()
    if document.deployment is None and not failed(document):
        _require_in_flight(document, "abort")
    session.identify()
    with session.lease("abort") as held:
        document = held.read()
        if document.deployment:
            _require_before_retirement(document)
            return finish(session, held, back=True)
        gone = failed(document)
        return _remove(session, held, Kind.ABORT, green=gone[0], gone=gone)


def finish_what_was_begun(
    session: EnvironmentSession,
    held: HeldLease,
    *,
    plan_only: bool = False,
    recovers: bool = True,
    back: bool = False,
) -> Deployment | None:
    """Bring a deployment whose run died to its end first; return how it ended, None without one.

    Not where nothing but a plan is wanted, or where the caller was told to leave it (`recovers`).
    With `back` it is put back where that is possible.

    Raises StrandedError where it cannot, RefusedError where nothing is to be changed.
    """
    document = held.read()
    if document.deployment is None:
        return None
    dead = document.deployment
    name = f"{dead.kind} {dead.id}"
    text = f"was left unfinished in {dead.phase or 'its beginning'}"
    recover = f"ami-pipeline recover -e {session.environment}"
    if plan_only:
        raise RefusedError(name, f"{text}: there is no telling what follows it", recover)
    if not recovers:
        require_finished(document)
    session.app.report(Message(text=f"{name} {text}: finishing it first"))
    done = finish(session, held, back=back)
    if done.outcome and result_of(done) is Result.NEEDS_ATTENTION:
        why = f"{done.outcome.phase}: {done.outcome.rollback_error or done.outcome.reason}"
        raise NeedsAttentionError(name, why, recover)
    return done


def finish_first(session: EnvironmentSession, command: str, *, plan_only: bool = False) -> None:
    """Finish what a run that died had begun before anything else is done that takes time.

    Nobody may be served meanwhile: an image is chosen, or baked, afterwards.
    """
    if session.document().deployment is None:
        return
    with session.lease(command) as held:
        finish_what_was_begun(session, held, plan_only=plan_only)


def require_finished(document: Environment) -> None:
    """Raise RefusedError where a run that died had begun something, for --no-recover."""
    dead = document.deployment
    if dead is None:
        return
    what = f"was left unfinished in {dead.phase or 'its beginning'}, and --no-recover leaves it so"
    remedy = f"ami-pipeline recover -e {document.environment}"
    raise RefusedError(f"{dead.kind} {dead.id}", what, remedy)


def finish(session: EnvironmentSession, held: HeldLease, *, back: bool = False) -> Deployment:
    """Go on with the deployment in flight, or back, by what reality shows of it.

    With `back` it is put back where that is possible. Raises RefusedError where a group of
    green's name is another deployment's, and StrandedError where AWS does not answer and it
    cannot be told whether blue is still needed.
    """
    document = held.read()
    dead = document.deployment
    assert dead is not None  # noqa: S101 - the callers looked
    going = replace(dead, by=runner(session.app.environ), outcome=None, ended="")
    ledger = session.ledger(held, going)
    world = session.world(ledger)
    rest = what_is_left(world, dead, back=back)
    stopped = f"{dead.kind} {dead.id} stopped in {dead.phase or 'its beginning'}"
    session.app.report(Message(text=f"{stopped}: {way_of(rest, dead)}"))
    if rest.undecided:
        ledger.update(lambda current: current.reverted(dead))
    if rest.lost:
        ledger.update(lambda current: current.without_serving(session.pace.today()))
        going = replace(going, blue="")
    closing = blaming(session, held, going)
    deployer = Deployer(world=world, deployment=going, report=session.app.report, closing=closing)
    return deployer.run(rest.phases, rest.success, undone=rest.undone)


def way_of(rest: RecoveryPlan, dead: Deployment) -> str:
    """Return in which direction a deployment is finished, for whoever watches."""
    if rest.lost:
        return f"{rest.undone}: taking away what is left"
    if rest.undecided:
        return f"{dead.green} was decided for and is not well: back to {dead.blue}"
    if dead.kind in {Kind.ABORT, Kind.RETIRE}:
        return "on with what it was to remove"
    if rest.success is Result.PROMOTED:
        return f"on with {dead.green}"
    return f"back to {dead.blue or 'nothing'}"


def blaming(
    session: EnvironmentSession, held: HeldLease, deployment: Deployment
) -> Callable[[Outcome], None]:
    """Return what is done at a deployment's end: after a rollback its bad image is quarantined.

    Without a blue, what served was deleted by somebody: its image may be as good as any.
    """
    before = held.read()

    def close(outcome: Outcome) -> None:
        back = deployment.kind is Kind.ROLLBACK and outcome.result is Result.PROMOTED
        if back and deployment.blue:
            quarantine_bad(session, held, before, deployment.blue)

    return close


def quarantine_bad(
    session: EnvironmentSession, held: HeldLease, document: Environment, bad: str
) -> None:
    """Mark the image that was rolled back from; the service is back, so a fault is only said.

    `document` is how it stood before: afterwards nothing may be left of the release.
    """
    from pipeline.app.bake import quarantine

    kept = document.releases.get(bad)
    past = (each.ami_id for each in document.retired if each.release == bad)
    ami_id = kept.release.ami_id if kept else next(past, "")
    if not ami_id:
        return
    held.update(lambda current: current.with_quarantined(ami_id))
    reason = f"{bad} was rolled back from in {session.environment}"
    try:
        quarantine(session.app, session.clients, ami_id, reason)
    except PipelineError as error:
        text = f"{ami_id} could not be marked as quarantined: {error.where}: {error.what}"
        session.app.report(Message(text=text))


def retire_overdue(session: EnvironmentSession, held: HeldLease) -> Deployment | None:
    """Remove what was kept warm for a time that is over; None where there is no such group."""
    document = held.read()
    overdue = document.overdue(session.pace.today())
    if not overdue:
        return None
    return _remove(session, held, Kind.RETIRE, green=document.serving, gone=overdue)


def _remove(
    session: EnvironmentSession, held: HeldLease, kind: Kind, *, green: str, gone: Sequence[str]
) -> Deployment:
    """Remove groups that serve nothing, as a deployment of its own."""
    document = held.read()
    today = session.pace.today()
    deployment = Deployment(
        id=new_deployment_id(today),
        kind=kind,
        environment=session.environment,
        green=green,
        blue=document.serving,
        began=today,
        by=runner(session.app.environ),
    )
    held.update(lambda current: current.started(deployment))
    ledger = session.ledger(held, deployment)
    ledger.record(deployment)
    world = session.world(ledger)
    deployer = Deployer(world=world, deployment=deployment, report=session.app.report)
    return deployer.run(removal_of(document, gone), success_of(kind))


def _require_in_flight(document: Environment, verb: str) -> None:
    if document.deployment is None:
        name = document.environment
        what = "nothing is in flight: there is nothing to finish or to put back"
        raise RefusedError(f"{verb} {name}", what, f"ami-pipeline status -e {name}")


def _require_before_retirement(document: Environment) -> None:
    dead = document.deployment
    if dead and not dead.warm and document.serving == dead.green:
        name = document.environment
        what = f"{dead.green} serves and {dead.blue or 'nothing'} is being retired: too late"
        remedy = f"finish it: ami-pipeline recover -e {name}; or go back: ami-pipeline rollback"
        raise RefusedError(f"abort {name}", what, f"{remedy} -e {name}")
