"""Rebuild, the nightly job: bake if an input changed, promote if another image serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from pipeline.app.application import Application, Options
from pipeline.app.bake import bake
from pipeline.app.baked_images import known_images, records
from pipeline.app.environment.architectures import supported_architectures
from pipeline.app.environment.freezes import gate_of
from pipeline.app.environment.interrupted import handling
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.operations.overdue import note_rebuild
from pipeline.app.promote import Promotion, retire_failed, serves_already
from pipeline.app.survey import require_rebuildable
from pipeline.core import commands
from pipeline.core.changes.compare import Side
from pipeline.core.changes.model import Changes
from pipeline.core.changes.summary import brought
from pipeline.core.deploy.plan import Confirm, PromoteRequest, Unchanged
from pipeline.core.deploy.selection.rebuild_policy import (
    require_no_rollback,
    require_unchanged,
    require_version,
)
from pipeline.core.deploy.selection.release import image_of, require_promotable
from pipeline.core.deploy.selection.versions import beside
from pipeline.core.events import Message
from pipeline.core.image import Image
from pipeline.core.preflight.credentials import least_lifetime
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.state.environment import Environment

REMEMBERED = 50
"""How many deployments are searched for the one that put the serving release into service."""


def rebuild(
    app: Application, options: Options, request: PromoteRequest, confirm: Confirm
) -> Deployment | Unchanged:
    """Bake if an input changed, promote if another image serves; return how it ended.

    `confirm` asks the policies, which may refuse. Raises RefusedError if the environment is frozen,
    and if a person decided what serves: by a rollback, by promoting another version, or by any
    deployment while this one baked.
    """
    begin = SessionOptions(
        command="rebuild",
        interrupted=handling(plan_only=False, recovers=request.recovers),
        finish_first=True,
        freeze=gate_of(request, Kind.REBUILD),
    )
    session = EnvironmentSession.begin(app, options.environment, begin, require_not_rolled_back)
    before = session.document
    with app.interrupts.heard():
        environment = environment_to_bake_for(session.reader, before)
        then = least_lifetime(session.reader.policy)
        baked = bake(
            app,
            replace(options, environment=environment),
            then=then,
            before_build=partial(require_worth_a_build, session.reader, before),
        )
        supported = supported_architectures(session.reader, baked.images)
        image = beside(baked.images, baked.image, supported)
    if unchanged := serves_already(session.reader, before, image, may_be_empty=True):
        done: Deployment | Unchanged = retire_failed(session) or unchanged
    else:
        again = commands.promote(options.environment, image.id, allow_quarantined=True)
        require_promotable(image, allow_quarantined=False, again=again)
        done = promote_changed(session, before, image, request, confirm)
    note_rebuild(session.reader, done)
    return done


def promote_changed(
    session: EnvironmentSession,
    before: Environment,
    image: Image,
    request: PromoteRequest,
    confirm: Confirm,
) -> Deployment | Unchanged:
    """Say what the baked image brings, and promote it unless the request needs more than that."""
    reader = session.reader
    with reader.app.interrupts.heard():
        serving = serving_image(reader, before)
        brings = compared(reader, serving, image) if before.serving else None
    needed = brings if request.only_if == PACKAGES else None
    if needed and (same := nothing_in(needed, before, serving, image)):
        return retire_failed(session) or same
    return promote_rebuilt(session, before, (image, serving), request, confirm)


PACKAGES = "packages"
"""The part of an image that a rebuild can depend on."""


def compared(reader: EnvironmentReader, serving: Image, image: Image) -> Changes:
    """Return what an image brings compared with the serving one, and report it."""
    from pipeline.app.reports.changes import ImageReader

    images = ImageReader(app=reader.app, clients=reader.clients)
    changes = images.compare(Side(image=serving), Side(image=image))
    reader.app.report(Message(text=f"{image.id} brings {brought(changes)}"))
    return changes


def nothing_in(
    brings: Changes, document: Environment, serving: Image, image: Image
) -> Unchanged | None:
    """Return that no package of an image differs; None if one does, or if that is unknown."""
    if brings.packages.unknown or brings.packages.total:
        return None
    name, release = document.environment, document.serving
    why = f"no package of {image.id} differs from {serving.id}, with which {release} serves {name}"
    return Unchanged(environment=name, release=release, image=serving, why=why)


def serving_image(reader: EnvironmentReader, document: Environment) -> Image:
    """Return the image that serves, with only its id if it is not recorded or none serves."""
    settings, serving = reader.app.settings, document.releases.get(document.serving)
    ami_id = serving.release.ami_id if serving else ""
    known = known_images(reader.app, reader.clients) if serving else ()
    return image_of(known, ami_id, settings.app, settings.region)


def require_worth_a_build(reader: EnvironmentReader, document: Environment, version: str) -> None:
    """Raise RefusedError if the promotion of a new image of this version would be refused."""
    history = reader.deployments.history(reader.environment, REMEMBERED)
    require_version(document, version, history)
    require_rebuildable(reader, document, serving_image(reader, document))


def require_not_rolled_back(reader: EnvironmentReader, document: Environment) -> None:
    """Raise RefusedError if a person rolled back to the serving release."""
    require_no_rollback(document, reader.deployments.history(reader.environment, REMEMBERED))


def promote_rebuilt(
    session: EnvironmentSession,
    before: Environment,
    images: tuple[Image, Image],
    request: PromoteRequest,
    confirm: Confirm,
) -> Deployment | Unchanged:
    """Promote the baked image, unless a person decided otherwise since `before` was read.

    `images` are the baked one and the serving one.
    """
    reader, (image, _) = session.reader, images
    with session.lease() as leased:
        if unchanged := serves_already(reader, leased.document(), image, may_be_empty=True):
            return unchanged  # The interrupted deployment that was just finished promoted it.
        history = reader.deployments.history(reader.environment, REMEMBERED)
        require_unchanged(before, leased.document(), image, history)
        promotion = Promotion(
            leased=leased,
            request=request,
            image=image,
            known=images,
            kind=Kind.REBUILD,
        )
        done = promotion.run(confirm)
    assert isinstance(done, Deployment)  # noqa: S101 - the confirmation is always yes
    return done


def environment_to_bake_for(reader: EnvironmentReader, before: Environment) -> str:
    """Return this environment, or none if the serving image was baked for any environment."""
    serving = before.releases.get(before.serving)
    if serving is None:
        return reader.environment
    app, known = reader.app.settings.app, records(reader.app, reader.clients, timedelta())
    image = known.find(app, serving.release.ami_id)
    return "" if image and not image.environment else reader.environment
