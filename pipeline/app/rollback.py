"""Rollback: to a group that is still warm, in seconds, or by a new release of its image.

Its imports are few: somebody waits for the first call to AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.store.deployments import new_deployment_id
from pipeline.app.application import Application
from pipeline.app.plan_preview import Confirm, PlanPreview, PromoteRequest, Unchanged
from pipeline.app.recover import (
    blaming,
    finish_what_was_begun,
    require_finished,
)
from pipeline.app.session import EnvironmentSession
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.phases import rollback
from pipeline.core.deploy.recovery import fleet_in, is_there
from pipeline.core.deploy.selection import RollbackTarget, image_of, target_of
from pipeline.core.events import Message
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment


@dataclass(kw_only=True)
class Rollback:
    """One rollback under the lease."""

    session: EnvironmentSession
    held: HeldLease
    target: RollbackTarget

    def run(self, ask: Confirm) -> Deployment | PlanPreview:
        """Go back, and see to it that nobody promotes the image again by accident."""
        return self._warm(self.held.read(), ask) if self.target.warm else self._cold(ask)

    def _warm(self, document: Environment, ask: Confirm) -> Deployment | PlanPreview:
        session = self.session
        kept = document.releases[self.target.release]
        today = session.pace.today()
        deployment = Deployment(
            id=new_deployment_id(today),
            kind=Kind.ROLLBACK,
            environment=session.environment,
            green=self.target.release,
            blue=document.serving,
            began=today,
            by=runner(session.app.environ),
            image=kept.release.ami_id,
            version=kept.version,
            minimum=kept.minimum,
            warm=True,
        )
        ledger = session.ledger(self.held, deployment)
        world = session.world(ledger)
        pair = (deployment.green, deployment.blue)
        observation = world.survey(
            lambda observation: all(is_there(observation, world.group(each)) for each in pair)
        )
        if not is_there(observation, world.group(deployment.green)):
            session.app.report(Message(text=f"the group of {deployment.green} is gone: a new one"))
            return self._cold(ask)
        fleet = fleet_in(document, world.place, observation)
        if not is_there(observation, world.group(deployment.blue)):
            fleet = replace(fleet, detached=fleet.detached - {deployment.blue})
            deployment = replace(deployment, blue="")
        phases = rollback(deployment.green, deployment.blue, fleet)
        planned = PlanPreview(deployment=deployment, phases=tuple(phases), policy=session.policy)
        with session.app.interrupts.heard():
            if not ask(planned):
                return planned
        self.held.update(lambda current: current.started(deployment))
        ledger.record(deployment)
        closing = blaming(session, self.held, deployment)
        deployer = Deployer(
            world=world, deployment=deployment, report=session.app.report, closing=closing
        )
        return deployer.run(phases)

    def _cold(self, ask: Confirm) -> Deployment | PlanPreview:
        from pipeline.app.bake import known_images
        from pipeline.app.promote import Promotion

        session, settings = self.session, self.session.app.settings
        with session.app.interrupts.heard():
            images = known_images(session.app, session.clients)
        image = image_of(images, self.target.ami_id, settings.app, settings.region)
        wanted = PromoteRequest(environment=session.environment)
        promotion = Promotion(
            session=session, held=self.held, wanted=wanted, image=image, kind=Kind.ROLLBACK
        )
        return promotion.run(ask)


def roll_back(
    app: Application,
    environment: str,
    to: str,
    ask: Confirm,
    *,
    plan_only: bool = False,
    recovers: bool = True,
) -> Deployment | PlanPreview | Unchanged:
    """Put an earlier release back into service; return how it ended.

    `to` is a release, an AMI, or empty for the newest release that served and is not bad. Where a
    promotion was left unfinished, putting it back is the rollback, unless it is to be left
    (`recovers`). Raises RefusedError where there is nothing to go back to, and KeyboardInterrupt
    where a signal came before it began.
    """
    session = EnvironmentSession(app=app, environment=environment)
    session.require_balancers()
    now = datetime.fromisoformat(session.pace.today())
    with app.interrupts.heard():
        session.require_free()
        before = session.document()
        if not recovers:
            require_finished(before)
        if before.deployment is None:
            target_of(before, to, now)  # refused before anything is asked of AWS
        session.identify()
    with session.lease("rollback") as held:
        done = finish_what_was_begun(
            session, held, plan_only=plan_only, recovers=recovers, back=True
        )
        if done and not to and _went_back(done):
            return done
        document = held.read()
        target = target_of(document, to, now)
        if target.release == document.serving and not session.stands(document):
            target = replace(target, warm=False)
        elif target.release == document.serving:
            settings = app.settings
            image = image_of((), target.ami_id, settings.app, settings.region)
            return Unchanged(environment=environment, release=target.release, image=image)
        return Rollback(session=session, held=held, target=target).run(ask)


def _went_back(done: Deployment) -> bool:
    promotion = done.kind in {Kind.PROMOTE, Kind.REBUILD}
    return promotion and bool(done.blue) and result_of(done) is Result.ROLLED_BACK
