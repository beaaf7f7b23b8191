"""Drill: prove that a rollback is possible, without traffic to the release that it tries."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from pipeline.app.application import Application
from pipeline.app.baked_images import known_images
from pipeline.app.environment.interrupted import Interrupted, finish, require_finished
from pipeline.app.environment.leased import LeasedEnvironment
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.serving import require_serving
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.promote import Promotion
from pipeline.app.rollback import target_in, unusable
from pipeline.core import commands
from pipeline.core.deploy.plan import Confirm, PlanPreview, PromoteRequest, RollbackRequest
from pipeline.core.deploy.recovery import is_usable
from pipeline.core.deploy.selection.release import RollbackTarget, image_of, require_promotable
from pipeline.core.deploy.ways_back import drill as phases_of
from pipeline.core.errors import ConfigurationError, RefusedError
from pipeline.core.events import Message
from pipeline.core.health.observation import Observation
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed


def drill(app: Application, environment: str, confirm: Confirm) -> Deployment | PlanPreview:
    """Launch the release that a rollback leads to, verify it, and remove it again.

    An interrupted drill is removed first. Raises ConfigurationError for workers, and RefusedError,
    before anything is changed, if another deployment is unfinished, there is nothing to roll back
    to, or the serving release does not serve.
    """
    options = SessionOptions(command="rollback drill", interrupted=Interrupted.LEAVE)
    session = EnvironmentSession.begin(app, environment, options, require_drillable)
    with session.lease() as leased:
        document = leased.document()
        require_drillable(session.reader, document)
        if document.deployment:
            require_finished(finish(leased))
        target = _target(leased)
        with app.interrupts.heard():
            _require_serving(session.reader, leased.document())
        return Drill(leased=leased, target=target).run(confirm)


def require_drillable(reader: EnvironmentReader, document: Environment) -> None:
    """Raise an error if a drill would work for the service, or must not begin."""
    name, dead = reader.environment, document.deployment
    if reader.is_worker:
        what = f"[environments.{name}] has no load balancers: a group works as soon as it runs, "
        what += "so a drill would put the earlier release into service"
        remedy = f"see what a rollback would do: {commands.rollback(name)} --plan"
        raise ConfigurationError(f"rollback drill {name}", what, remedy)
    if dead and dead.kind is not Kind.DRILL:
        what = f"{dead.kind} {dead.id} is unfinished"
        raise RefusedError(f"rollback drill {name}", what, commands.recover(name))
    if not dead:
        target_in(reader, document, RollbackRequest(environment=name))


def _require_serving(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError unless the serving group serves: a person may need the lease soon."""
    found, name = require_serving(reader, document), reader.environment
    if found.trouble is not None:
        where = f"server group {document.group(document.serving)}"
        raise RefusedError(where, found.what, commands.status(name))


def _target(leased: LeasedEnvironment, missing: AbstractSet[str] = frozenset()) -> RollbackTarget:
    """Return where `rollback` without arguments leads, by what AWS says about the images."""
    reader, document = leased.reader, leased.document()
    with reader.app.interrupts.heard():
        images = reader.image_states(document)
    request = RollbackRequest(environment=reader.environment)
    return target_in(reader, document, request, missing, images)


@dataclass(frozen=True, kw_only=True)
class Drill:
    """One drill under the lease."""

    leased: LeasedEnvironment
    target: RollbackTarget
    missing: AbstractSet[str] = frozenset()

    def run(self, confirm: Confirm) -> Deployment | PlanPreview:
        """Try the warm group as it is, or a new one of the image, which is removed again."""
        return self._of_warm_group(confirm) if self.target.warm else self._of_new_group(confirm)

    def _of_new_group(self, confirm: Confirm) -> Deployment | PlanPreview:
        reader, target = self.leased.reader, self.target
        settings, name = reader.app.settings, reader.environment
        with reader.app.interrupts.heard():
            images = known_images(reader.app, reader.clients)
        image = image_of(images, target.ami_id, settings.app, settings.region)
        again = commands.rollback(name, to=target.release, allow_quarantined=True)
        require_promotable(image, allow_quarantined=False, again=again)
        promotion = Promotion(
            leased=self.leased,
            request=PromoteRequest(environment=name),
            image=image,
            known=images,
            kind=Kind.DRILL,
            proves=target.release,
        )
        with reader.made_with(target.inputs):
            return promotion.run(confirm)

    def _of_warm_group(self, confirm: Confirm) -> Deployment | PlanPreview:
        leased, document = self.leased, self.leased.document()
        deployment = self._deployment(document)
        reconciler = leased.reconciler(deployment)
        observer, green = reconciler.observer, deployment.green
        group = observer.group(green)
        with leased.reader.app.interrupts.heard():
            seen: Observation = observer.survey(lambda each: is_usable(each, group))
            if why := unusable(document, green, seen):
                return self._without(green, why).run(confirm)
            require_managed(document, green, seen.groups[group])
            others = document.releases.keys() - {document.serving, green}
            phases = phases_of(document.serving, green, others, reconciler.manner, warm=True)
            preview = PlanPreview(deployment=deployment, phases=phases, policy=reconciler.policy)
            if not confirm(preview):
                return preview
        leased.begin(reconciler, deployment)
        return leased.run(reconciler, deployment, phases, Result.PROVEN)

    def _without(self, release: str, why: str) -> Drill:
        """Return the drill of the rollback that is possible without the group of a release."""
        self.leased.reader.app.report(Message(text=why))
        missing = self.missing | {release}
        return replace(self, target=_target(self.leased, missing), missing=missing)

    def _deployment(self, document: Environment) -> Deployment:
        kept, release = document.releases[self.target.release], self.target.release
        deployment = self.leased.new_deployment(Kind.DRILL, green=release, blue=document.serving)
        return replace(
            deployment,
            image=kept.release.ami_id,
            version=kept.version,
            warm=True,
            proves=release,
        )
