"""Going back: `rollback`, and `recover` and `abort` of what a run that died had begun.

All three run the same phases as a promotion that fails; they differ in where they begin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import Held
from pipeline.adapters.store.deployments import new_deployment_id
from pipeline.app.application import Application
from pipeline.app.session import Ground
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.recovery import Rest, failed, removal_of, success_of, what_is_left
from pipeline.core.errors import PipelineError, RefusedError, StrandedError
from pipeline.core.events import Noted
from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, result_of
from pipeline.core.state.environment import Environment


def recover(app: Application, environment: str) -> Deployment:
    """Bring the deployment in flight to its end; raises RefusedError where there is none."""
    ground = Ground(app=app, environment=environment)
    ground.require_balancers()
    _require_in_flight(ground.document(), "recover")
    ground.identify()
    with ground.lease("recover") as held:
        _require_in_flight(held.read(), "recover")
        return finish(ground, held)


def abort(app: Application, environment: str) -> Deployment:
    """Put back what is in flight, or remove what a failed deployment left for a look."""
    ground = Ground(app=app, environment=environment)
    ground.require_balancers()
    document = ground.document()
    if document.deployment is None and not failed(document):
        _require_in_flight(document, "abort")
    ground.identify()
    with ground.lease("abort") as held:
        document = held.read()
        if document.deployment:
            _require_before_retirement(document)
            return finish(ground, held, back=True)
        gone = failed(document)
        return _remove(ground, held, Kind.ABORT, green=gone[0], gone=gone)


def finish_what_was_begun(
    ground: Ground,
    held: Held,
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
    recover = f"ami-pipeline recover -e {ground.environment}"
    if plan_only:
        raise RefusedError(name, f"{text}: there is no telling what follows it", recover)
    if not recovers:
        require_finished(document)
    ground.app.report(Noted(text=f"{name} {text}: finishing it first"))
    done = finish(ground, held, back=back)
    if done.outcome and result_of(done) is Result.STRANDED:
        why = f"{done.outcome.phase}: {done.outcome.undone or done.outcome.reason}"
        raise StrandedError(name, why, recover)
    return done


def finish_first(ground: Ground, command: str, *, plan_only: bool = False) -> None:
    """Finish what a run that died had begun before anything else is done that takes time.

    Nobody may be served meanwhile: an image is chosen, or baked, afterwards.
    """
    if ground.document().deployment is None:
        return
    with ground.lease(command) as held:
        finish_what_was_begun(ground, held, plan_only=plan_only)


def require_finished(document: Environment) -> None:
    """Raise RefusedError where a run that died had begun something, for --no-recover."""
    dead = document.deployment
    if dead is None:
        return
    what = f"was left unfinished in {dead.phase or 'its beginning'}, and --no-recover leaves it so"
    now = f"ami-pipeline recover -e {document.environment}"
    raise RefusedError(f"{dead.kind} {dead.id}", what, now)


def finish(ground: Ground, held: Held, *, back: bool = False) -> Deployment:
    """Go on with the deployment in flight, or back, by what reality shows of it.

    With `back` it is put back where that is possible. Raises RefusedError where a group of
    green's name is another deployment's, and StrandedError where AWS does not answer and it
    cannot be told whether blue is still needed.
    """
    document = held.read()
    dead = document.deployment
    assert dead is not None  # noqa: S101 - the callers looked
    going = replace(dead, by=runner(ground.app.environ), outcome=None, ended="")
    ledger = ground.ledger(held, going)
    world = ground.world(ledger)
    rest = what_is_left(world, dead, back=back)
    stopped = f"{dead.kind} {dead.id} stopped in {dead.phase or 'its beginning'}"
    ground.app.report(Noted(text=f"{stopped}: {way_of(rest, dead)}"))
    if rest.undecided:
        ledger.update(lambda current: current.taken_back(dead))
    if rest.lost:
        ledger.update(lambda current: current.bereft(ground.pace.today()))
        going = replace(going, blue="")
    closing = blaming(ground, held, going)
    deployer = Deployer(world=world, deployment=going, report=ground.app.report, closing=closing)
    return deployer.run(rest.phases, rest.success, undone=rest.undone)


def way_of(rest: Rest, dead: Deployment) -> str:
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


def blaming(ground: Ground, held: Held, deployment: Deployment) -> Callable[[Outcome], None]:
    """Return what is done at a deployment's end: after a rollback its bad image is quarantined.

    Without a blue, what served was deleted by somebody: its image may be as good as any.
    """
    before = held.read()

    def close(outcome: Outcome) -> None:
        back = deployment.kind is Kind.ROLLBACK and outcome.result is Result.PROMOTED
        if back and deployment.blue:
            quarantine_bad(ground, held, before, deployment.blue)

    return close


def quarantine_bad(ground: Ground, held: Held, document: Environment, bad: str) -> None:
    """Mark the image that was rolled back from; the service is back, so a fault is only said.

    `document` is how it stood before: afterwards nothing may be left of the release.
    """
    from pipeline.app.bake import quarantine

    kept = document.releases.get(bad)
    past = (each.ami_id for each in document.past if each.release == bad)
    ami_id = kept.release.ami_id if kept else next(past, "")
    if not ami_id:
        return
    held.update(lambda current: current.with_quarantined(ami_id))
    reason = f"{bad} was rolled back from in {ground.environment}"
    try:
        quarantine(ground.app, ground.clients, ami_id, reason)
    except PipelineError as error:
        text = f"{ami_id} could not be marked as quarantined: {error.where}: {error.what}"
        ground.app.report(Noted(text=text))


def retire_overdue(ground: Ground, held: Held) -> Deployment | None:
    """Remove what was kept warm for a time that is over; None where there is no such group."""
    document = held.read()
    overdue = document.overdue(ground.pace.today())
    if not overdue:
        return None
    return _remove(ground, held, Kind.RETIRE, green=document.serving, gone=overdue)


def _remove(
    ground: Ground, held: Held, kind: Kind, *, green: str, gone: Sequence[str]
) -> Deployment:
    """Remove groups that serve nothing, as a deployment of its own."""
    document = held.read()
    today = ground.pace.today()
    deployment = Deployment(
        id=new_deployment_id(today),
        kind=kind,
        environment=ground.environment,
        green=green,
        blue=document.serving,
        began=today,
        by=runner(ground.app.environ),
    )
    held.update(lambda current: current.begun(deployment))
    ledger = ground.ledger(held, deployment)
    ledger.record(deployment)
    world = ground.world(ledger)
    deployer = Deployer(world=world, deployment=deployment, report=ground.app.report)
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
        now = f"finish it: ami-pipeline recover -e {name}; or go back: ami-pipeline rollback"
        raise RefusedError(f"abort {name}", what, f"{now} -e {name}")
