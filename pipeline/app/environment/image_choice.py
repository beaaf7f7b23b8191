"""Choose the image of a promotion: one by id or version, another environment's, or the newest."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.app.environment.architectures import supported_architectures
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.deploy.plan import PromoteRequest
from pipeline.core.deploy.selection.release import image_of, newest_good, skipped
from pipeline.core.deploy.selection.versions import beside, choose_images, image_named, is_version
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.image import Image


def choose(reader: EnvironmentReader, request: PromoteRequest, images: Sequence[Image]) -> Image:
    """Return the requested image: one by id or version, another environment's, or the newest.

    `images` are those of the app, newest first.
    """
    settings = reader.app.settings
    supported = supported_architectures(reader, images)
    ami_id = request.image
    if is_version(ami_id):
        fitting = choose_images(images, supported, ami_id)
        named = image_named(fitting, ami_id, request.environment)
        if named.note:
            reader.app.report(Message(text=named.note))
        ami_id = named.id
    if request.origin:
        origin = EnvironmentReader(
            app=reader.app, environment=request.origin, account=reader.account
        )
        serving = image_of(images, serving_ami(origin), settings.app, settings.region)
        return beside(images, serving, supported)
    if ami_id:
        return image_of(images, ami_id, settings.app, settings.region)
    images = choose_images(images, supported)
    chosen = newest_good(images, request.environment)
    for each in skipped(images, chosen, request.environment):
        text = f"{each.id} (version {each.version or 'unknown'}) is newer, but {each.status}"
        reader.app.report(Message(text=f"{text}: choosing {chosen.id}"))
    return chosen


def serving_ami(reader: EnvironmentReader) -> str:
    """Return the AMI that serves in an environment; raises RefusedError if none does."""
    document = reader.document()
    serving = document.releases.get(document.serving)
    if serving is None:
        name = reader.environment
        raise RefusedError("--from", f"no managed release serves {name}", commands.status(name))
    return serving.release.ami_id
