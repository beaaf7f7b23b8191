"""Rollback: to a group that is still warm, in seconds, or by a new release of its image.

Its imports are few, because a person waits for the first call to AWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted, handling
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.core import commands
from pipeline.core.deploy.limits import limits_of
from pipeline.core.deploy.phases import rollback
from pipeline.core.deploy.plan import (
    Confirm,
    PlanPreview,
    PromoteRequest,
    RollbackRequest,
    Unchanged,
)
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.recovery import fleet_in, is_usable
from pipeline.core.deploy.selection import RollbackTarget, image_of, target_of
from pipeline.core.events import Message
from pipeline.core.health.observation import Observation
from pipeline.core.preflight.attachment_checks import Attachments, require_confirmed
from pipeline.core.state.deployment import Deployment, Kind, Place, Result, result_of
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed


def roll_back(
    app: Application, request: RollbackRequest, confirm: Confirm
) -> Deployment | PlanPreview | Unchanged:
    """Put an earlier release back into service; return how it ended.

    If a promotion was interrupted, undoing it is the rollback. Raises RefusedError if there is
    nothing to roll back to, and KeyboardInterrupt for a signal that comes before it began.
    """
    environment, to = request.environment, request.to
    interrupted = handling(
        plan_only=request.plan_only, recovers=request.recovers, otherwise=Interrupted.UNDO
    )
    options = SessionOptions(command="rollback", interrupted=interrupted)

    def require_target(reader: EnvironmentReader, document: Environment) -> None:
        target_of(document, to, today(reader))

    session = EnvironmentSession.begin(app, environment, options, require_target)
    with session.lease() as leased:
        undone = leased.finished
        if undone and not to and undid_promotion(undone):
            return undone
        document = leased.document()
        target = target_of(document, to, today(session.reader))
        if target.release == document.serving:
            if session.reader.serving_group_exists(document):
                return unchanged(session.reader, target)
            target = replace(target, warm=False)
        return Rollback(leased=leased, target=target, request=request).run(confirm)


def today(reader: EnvironmentReader) -> datetime:
    """Return the time of the cloud's clock."""
    return datetime.fromisoformat(reader.pace.today())


def undid_promotion(done: Deployment) -> bool:
    """Return True if a promotion was undone and its blue serves again."""
    promotion = done.kind in {Kind.PROMOTE, Kind.REBUILD}
    return promotion and bool(done.blue) and result_of(done) is Result.ROLLED_BACK


def unchanged(reader: EnvironmentReader, target: RollbackTarget) -> Unchanged:
    """Return that the target serves already."""
    settings = reader.app.settings
    image = image_of((), target.ami_id, settings.app, settings.region)
    return Unchanged(environment=reader.environment, release=target.release, image=image)


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """One rollback under the lease."""

    leased: LeasedEnvironment
    target: RollbackTarget
    request: RollbackRequest

    def run(self, confirm: Confirm) -> Deployment | PlanPreview:
        """Roll back, and quarantine the image that is replaced."""
        return self._to_warm_group(confirm) if self.target.warm else self._to_new_group(confirm)

    def _to_warm_group(self, confirm: Confirm) -> Deployment | PlanPreview:
        leased, reader = self.leased, self.leased.reader
        deployment = self._deployment(leased.document())
        reconciler = leased.reconciler(deployment)
        observer = reconciler.observer
        green, blue = observer.group(deployment.green), observer.group(deployment.blue)

        def both(observation: Observation) -> bool:
            return is_usable(observation, green) and is_usable(observation, blue)

        observation = observer.survey(both)
        for release, name in ((deployment.green, green), (deployment.blue, blue)):
            if seen := observation.groups.get(name):
                require_managed(leased.document(), release, seen)
        if not is_usable(observation, green):
            text = f"the group of {deployment.green} was deleted: launching a new one"
            reader.app.report(Message(text=text))
            return self._to_new_group(confirm)
        attachments = self._attachments(observer.place, blue, observation)
        found = require_confirmed(attachments)
        if attachments.leaving:
            deployment = replace(deployment, detach=attachments.leaving)
            reconciler = leased.reconciler(deployment)
        preview = self._preview(
            deployment, reconciler, observation, blue_exists=is_usable(observation, blue)
        )
        preview = replace(preview, findings=found)
        with reader.app.interrupts.heard():
            if not confirm(preview):
                return preview
        leased.begin(reconciler, preview.deployment)
        return leased.run(reconciler, preview.deployment, preview.phases)

    def _deployment(self, document: Environment) -> Deployment:
        kept = document.releases[self.target.release]
        deployment = self.leased.new_deployment(
            Kind.ROLLBACK, green=self.target.release, blue=document.serving
        )
        return replace(
            deployment,
            image=kept.release.ami_id,
            version=kept.version,
            minimum=kept.minimum,
            warm=True,
        )

    def _attachments(self, place: Place, blue: str, observation: Observation) -> Attachments:
        group, target = observation.groups.get(blue), self.target

        def again(names: Sequence[str]) -> str:
            return commands.rollback(place.environment, to=target.release, detach=names)

        return Attachments(
            place=place,
            group=blue,
            attached=group.attached if group else frozenset(),
            detach=self.request.detach,
            again=again,
        )

    def _preview(
        self,
        deployment: Deployment,
        reconciler: Reconciler,
        observation: Observation,
        *,
        blue_exists: bool,
    ) -> PlanPreview:
        bad = observation.groups.get(reconciler.observer.group(deployment.blue))
        deployment = replace(deployment, before=limits_of(bad) if bad else None)
        fleet = fleet_in(self.leased.document(), reconciler.observer.place, observation)
        if not blue_exists:
            fleet = replace(fleet, detached=fleet.detached - {deployment.blue})
            deployment = replace(deployment, blue="")
        phases = rollback(deployment.green, deployment.blue, fleet)
        policy = self.leased.reader.policy
        return PlanPreview(deployment=deployment, phases=phases, policy=policy)

    def _to_new_group(self, confirm: Confirm) -> Deployment | PlanPreview:
        from pipeline.app.bake import known_images
        from pipeline.app.promote import Promotion

        reader = self.leased.reader
        settings = reader.app.settings
        with reader.app.interrupts.heard():
            images = known_images(reader.app, reader.clients)
        image = image_of(images, self.target.ami_id, settings.app, settings.region)
        request = PromoteRequest(environment=reader.environment, detach=self.request.detach)
        promotion = Promotion(leased=self.leased, request=request, image=image, kind=Kind.ROLLBACK)
        return promotion.run(confirm)
