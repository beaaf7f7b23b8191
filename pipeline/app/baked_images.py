"""Read the baked images, and quarantine one.

This is apart from `bake`: every rollback and `status` need it, and none of them needs Packer.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.clock import CloudPace, DeferringClock, speed_of
from pipeline.adapters.packer.build_locks import is_running_here, read_log
from pipeline.adapters.packer.image_catalog import ImageCatalog
from pipeline.adapters.store.records.image_records import ImageRecords
from pipeline.app.application import Application
from pipeline.core.bake.model import BuildResources
from pipeline.core.deploy.selection.release import image_of
from pipeline.core.freshness import read_until
from pipeline.core.image import STATUS_TAG, Image, ImageStatus


def known_images(app: Application, clients: Clients) -> tuple[Image, ...]:
    """Return the images of the app, newest first."""
    return catalog(app, clients).known(app.settings.app, app.settings.region)


def catalog(app: Application, clients: Clients) -> ImageCatalog:
    """Return the catalog of the images in AWS and in the store."""
    clock = CloudPace(app.interrupts, speed_of(app.environ))
    return ImageCatalog(clients, records(app, clients, timedelta()), clock)


def quarantine(app: Application, clients: Clients, ami_id: str, reason: str) -> None:
    """Mark an image as quarantined, in the records and by its tag in AWS."""
    known = known_images(app, clients)
    image = image_of(known, ami_id, app.settings.app, app.settings.region)
    if image.name:
        records(app, clients, timedelta()).quarantine(image, reason)
    images, clock = Ec2Images(clients), DeferringClock(speed_of(app.environ))
    for region, there in image.ids.items():
        seen = read_until(partial(images.find, region, there), lambda each: each is not None, clock)
        if seen:
            images.tag(seen, {STATUS_TAG: ImageStatus.QUARANTINED})


def records(app: Application, clients: Clients, lasts: timedelta) -> ImageRecords:
    """Return the image records of the store; `lasts` is the longest time that a bake may take."""
    return ImageRecords(
        app.store(clients),
        runs=lambda image: is_running_here(app.logs, image.bake),
        lasts=lasts,
        logged=lambda image: _logged(app, image),
    )


def _logged(app: Application, image: Image) -> BuildResources:
    from pipeline.adapters.packer.stream import parse_log

    return parse_log(read_log(app.logs, image.bake))
