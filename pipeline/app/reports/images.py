"""List the baked images, with what they were built on and where they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.aws.inventory.uses import read_uses
from pipeline.app.application import Application
from pipeline.app.baked_images import catalog, known_images, records
from pipeline.core.changes.lineage import ImageReport, Lineage, LineageReport
from pipeline.core.changes.model import ComparedImage
from pipeline.core.deploy.selection.release import image_of
from pipeline.core.deploy.selection.versions import image_named, is_version
from pipeline.core.image import TAG_PREFIX, Image, Usage
from pipeline.core.pruning import image_of as image_by_tags

APP_TAG = f"{TAG_PREFIX}app"


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedImages:
    """The images of the app, newest first, each with its uses; and the lines of all apps."""

    listed: tuple[tuple[Image, tuple[Usage, ...]], ...]
    lineage: Lineage


def images(app: Application) -> ListedImages:
    """Return the images of the app, newest first, each with its usages."""
    clients = Clients(app.settings.region)
    listed = catalog(app, clients).images(app.settings.app, app.settings.region)
    known = [image for image, _ in listed]
    return ListedImages(
        listed=listed, lineage=lineage_of(app, clients, known) if known else Lineage()
    )


def tree(app: Application) -> LineageReport:
    """Return the lines of images that have one of the app."""
    clients, region = Clients(app.settings.region), app.settings.region
    lineage = lineage_of(app, clients, known_images(app, clients))
    firsts = {each.source_ami for each in lineage.roots(app.settings.app)} - {""}
    return LineageReport(
        app=app.settings.app,
        lineage=lineage,
        uses=read_uses(clients, region),
        sources=Ec2Images(clients).compared(region, sorted(firsts)),
    )


def one(app: Application, name: str) -> ImageReport:
    """Return one image by its AMI or version; raises RefusedError for an unknown version.

    An AMI that this program did not bake, such as a source image, has what EC2 says about it.
    """
    clients, region = Clients(app.settings.region), app.settings.region
    known = known_images(app, clients)
    lineage = lineage_of(app, clients, known)
    ami_id = image_named(known, name, "").id if is_version(name) else name
    image = image_of(lineage.images, ami_id, app.settings.app, region)
    foreign = [ami_id] if not image.name else []
    seen = Ec2Images(clients).compared(region, foreign).get(ami_id, ComparedImage())
    return ImageReport(
        image=image,
        contents=records(app, clients, timedelta()).contents(image),
        lineage=lineage,
        uses=read_uses(clients, region),
        seen=seen,
    )


def lineage_of(app: Application, clients: Clients, known: Sequence[Image]) -> Lineage:
    """Return the images of every app; `known` are those of this one, with their records.

    A filter's value may be a wildcard (EC2 User Guide, "List and filter your resources").
    """
    seen = Ec2Images(clients).owned(app.settings.region, {APP_TAG: "*"})
    ids = {each.id for each in known}
    others = (image_by_tags(each, each.tags[APP_TAG]) for each in seen if each.id not in ids)
    return Lineage(images=(*known, *others))
