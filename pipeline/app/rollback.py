"""Rollback: to a group that is still warm, in seconds, or by a new release of its image.

Its imports are few, because a person waits for the first call to AWS.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.app.application import Application
from pipeline.app.environment.interrupted import Interrupted, handling
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.policies import policies_of
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.serving import LOST, require_serving
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.environment.undone import undone
from pipeline.core import commands
from pipeline.core.deploy.plan import (
    Confirm,
    PlanPreview,
    PromoteRequest,
    RollbackRequest,
    Unchanged,
)
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.recovery import fleet_in, is_usable
from pipeline.core.deploy.selection.release import (
    RollbackTarget,
    image_of,
    require_promotable,
    target_of,
    why_quick,
)
from pipeline.core.deploy.selection.versions import (
    Named,
    choose_images,
    image_named,
    is_version,
    release_named,
)
from pipeline.core.deploy.sizes.limits import limits_of
from pipeline.core.deploy.ways_back import removing_later, rollback
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.health.place import Place
from pipeline.core.health.serving import Condition
from pipeline.core.health.traffic_sources import attach
from pipeline.core.preflight.attachment_checks import (
    REQUIRED_OF_ADOPTED,
    Attachments,
    require_confirmed,
)
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed
from pipeline.core.state.rollback import ALL_GOOD, ImageStates


def roll_back(
    app: Application, request: RollbackRequest, confirm: Confirm
) -> Deployment | PlanPreview | Unchanged:
    """Put an earlier release back into service; return how it ended.

    If a promotion was interrupted, undoing it is the rollback. Raises RefusedError if there is
    nothing to roll back to, and KeyboardInterrupt for a signal that comes before it began.
    """
    interrupted = handling(
        plan_only=request.plan_only, recovers=request.recovers, otherwise=Interrupted.UNDO
    )

    def require_target(reader: EnvironmentReader, document: Environment) -> None:
        target_in(reader, document, request)

    def kept(reader: EnvironmentReader, document: Environment) -> str:
        with suppress(RefusedError):
            return target_in(reader, document, request).release
        return ""

    options = SessionOptions(
        command="rollback", interrupted=interrupted, why=request.why, keeps=kept
    )

    session = EnvironmentSession.begin(app, request.environment, options, require_target)
    with session.lease() as leased:
        undone = leased.finished
        if undone and not request.to and undid_promotion(undone):
            return undone
        document = leased.document()
        target = target_in(session.reader, document, request)
        if note := named_in(session.reader, document, request.to).note:
            app.report(Message(text=note))
        if target.release == document.serving:
            found = require_serving(session.reader, document)
            if found.trouble not in LOST:
                return unchanged(session.reader, target, found)
            target = replace(target, warm=False)
        return Rollback(leased=leased, request=request, target=target).run(confirm)


def target_in(
    reader: EnvironmentReader,
    document: Environment,
    request: RollbackRequest,
    missing: AbstractSet[str] = frozenset(),
    images: ImageStates = ALL_GOOD,
) -> RollbackTarget:
    """Return where the rollback leads; raises RefusedError if nowhere."""
    return target_of(
        document,
        named_in(reader, document, request.to).id,
        today(reader),
        allow_quarantined=request.allow_quarantined,
        missing=missing,
        images=images,
    )


def named_in(reader: EnvironmentReader, document: Environment, to: str) -> Named:
    """Return the release or AMI that `--to` names; images are read only for an unknown version.

    Raises RefusedError if nothing has this version.
    """
    if not is_version(to):
        return Named(id=to)
    if named := release_named(document, to):
        return named
    from pipeline.app.baked_images import known_images
    from pipeline.app.environment.architectures import supported_architectures

    images = known_images(reader.app, reader.clients)
    fitting = choose_images(images, supported_architectures(reader, images), to)
    return image_named(fitting, to, reader.environment)


def today(reader: EnvironmentReader) -> datetime:
    """Return the time of the cloud's clock."""
    return datetime.fromisoformat(reader.pace.today())


def unusable(document: Environment, release: str, observation: Observation) -> str:
    """Return why a release's group cannot serve again, empty if it can."""
    group = document.group(release)
    if not is_usable(observation, group):
        return f"the group of {release} was deleted"
    if document.releases[release].removal and not observation.groups[group].desired:
        return f"the removal of {release} has begun: its group has no instances"
    if release not in document.adopted:
        return ""
    seen, where = observation.groups[group], f"the adopted group {group}"
    if not seen.desired:
        return f"{where} has no instances, and ami-pipeline does not resize it"
    if suspended := [each for each in REQUIRED_OF_ADOPTED if each in seen.suspended]:
        return f"{where} has suspended processes ({', '.join(suspended)})"
    return ""


def undid_promotion(done: Deployment) -> bool:
    """Return True if a promotion was undone and its blue serves again."""
    promotion = done.kind in {Kind.PROMOTE, Kind.REBUILD}
    return promotion and bool(done.blue) and result_of(done) is Result.ROLLED_BACK


def unchanged(reader: EnvironmentReader, target: RollbackTarget, found: Condition) -> Unchanged:
    """Return that the target serves already."""
    settings = reader.app.settings
    image = image_of((), target.ami_id, settings.app, settings.region)
    return Unchanged(
        environment=reader.environment,
        release=target.release,
        image=image,
        note="" if found.is_complete else found.what,
    )


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """One rollback under the lease."""

    leased: LeasedEnvironment
    request: RollbackRequest
    target: RollbackTarget
    missing: AbstractSet[str] = frozenset()

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
            usable = is_usable(observation, green) and is_usable(observation, blue)
            return usable and observer.place.receives(deployment.blue, observation.groups[blue])

        observation = observer.survey(both)
        for release, name in ((deployment.green, green), (deployment.blue, blue)):
            if seen := observation.groups.get(name):
                require_managed(leased.document(), release, seen)
        if why := unusable(leased.document(), deployment.green, observation):
            reader.app.report(Message(text=why))
            return self._without(deployment.green).run(confirm)
        if is_usable(observation, blue) and not self.request.to:
            self._require_attached(deployment.blue, observation.groups[blue], observer.place)
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

    def _without(self, release: str) -> Rollback:
        """Return the rollback that is possible without the group of a release."""
        missing = self.missing | {release}
        target = target_in(self.leased.reader, self.leased.document(), self.request, missing)
        return replace(self, target=target, missing=missing)

    def _require_attached(self, serving: str, blue: ObservedGroup, place: Place) -> None:
        """Raise RefusedError if a person detached the serving group, whose image may be good."""
        if place.receives(serving, blue) or place.is_worker:
            return
        anyway = commands.rollback(place.environment, to=self.target.release)
        raise RefusedError(
            f"server group {blue.name}",
            "is recorded as serving, but is attached to no load balancer: attach it again. "
            f"A rollback would quarantine its image; to roll back anyway: {anyway}",
            attach(place.region, blue.name, place.entries_of(serving)),
        )

    def _deployment(self, document: Environment) -> Deployment:
        kept = document.releases[self.target.release]
        deployment = self.leased.new_deployment(
            Kind.ROLLBACK,
            green=self.target.release,
            blue=document.serving,
            why=self.request.why,
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
        deployment = replace(
            deployment,
            before=limits_of(bad) if bad else None,
            changes=undone(self.leased.reader, self.leased.document(), deployment),
        )
        fleet = fleet_in(self.leased.document(), reconciler.observer.place, observation)
        if not blue_exists:
            fleet = replace(fleet, detached=fleet.detached - {deployment.blue})
            deployment = replace(deployment, blue="")
        phases = rollback(deployment.green, deployment.blue, fleet, reconciler.manner)
        phases = phases if self.request.wait else removing_later(phases)
        policy = self.leased.reader.policy
        return PlanPreview(
            deployment=deployment,
            phases=phases,
            policy=policy,
            policies=policies_of(self.leased.reader.app, deployment),
        )

    def _to_new_group(self, confirm: Confirm) -> Deployment | PlanPreview:
        from pipeline.app.baked_images import known_images
        from pipeline.app.promote import Promotion

        reader, document = self.leased.reader, self.leased.document()
        settings, request = reader.app.settings, self.request
        with reader.app.interrupts.heard():
            if not request.to and (other := self._possible(document)) != self.target:
                return replace(self, target=other).run(confirm)
            images = known_images(reader.app, reader.clients)
        image = image_of(images, self.target.ami_id, settings.app, settings.region)
        again = commands.rollback(reader.environment, to=request.to, allow_quarantined=True)
        require_promotable(image, allow_quarantined=request.allow_quarantined, again=again)
        promote = PromoteRequest(
            environment=reader.environment,
            detach=request.detach,
            why=request.why,
            removes_later=not request.wait,
        )
        promotion = Promotion(
            leased=self.leased,
            request=promote,
            image=image,
            known=images,
            kind=Kind.ROLLBACK,
            quick=self._quick(document),
        )
        with reader.made_with(self.target.inputs):
            return promotion.run(confirm)

    def _quick(self, document: Environment) -> str:
        """Return why a rollback to the target needs no soak, empty if it does."""
        settings = self.leased.reader.app.settings
        window = settings.promote_for(self.leased.reader.environment).rollback_window
        return why_quick(document, self.target, window)

    def _possible(self, document: Environment) -> RollbackTarget:
        """Return the newest release that is possible by what AWS says about the images."""
        reader = self.leased.reader
        images = reader.image_states(document)
        return target_in(reader, document, self.request, self.missing, images)
