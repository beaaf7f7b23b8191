"""List the images of an app and where each is used: AWS's list joined with the store's.

AWS's list includes images that were baked on another machine. The store adds what AWS does not
have: deregistered images and interrupted bakes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.aws.inventory.uses import read_uses
from pipeline.adapters.store.records.image_records import ImageRecords
from pipeline.core.bake.model import ObservedImage
from pipeline.core.freshness import Clock, read_until
from pipeline.core.image import STATUS_TAG, TAG_PREFIX, Image, ImageStatus, Usage
from pipeline.core.pruning import image_of

Listed = tuple[tuple[Image, tuple[Usage, ...]], ...]


class ImageCatalog:
    """The images in AWS and in the store; reads only."""

    def __init__(self, clients: Clients, records: ImageRecords, clock: Clock) -> None:
        self._clients = clients
        self._records = records
        self._clock = clock

    def images(self, app: str, region: str) -> Listed:
        """Return the app's images, newest first, each with the uses of its AMI in `region`."""
        newest = self.known(app, region)
        uses = read_uses(self._clients, region) if newest else {}
        return tuple((image, tuple(uses.get(image.id, ()))) for image in newest)

    def known(self, app: str, region: str) -> tuple[Image, ...]:
        """Return the app's images, newest first, without their uses.

        One call lists them by their tags, one asks for recorded images that it did not list.
        """
        listed = Ec2Images(self._clients).owned(region, {TAG_PREFIX + "app": app})
        recorded = self._records.all(app)
        asked = self._unlisted(region, recorded, {each.id for each in listed})
        observed = {each.id: each for each in (*listed, *asked)}
        found = {id_: image_of(each, app) for id_, each in observed.items()}
        for image in recorded:
            if seen := observed.get(image.id):
                found[image.id] = _joined(image, seen, found[image.id].status)
            elif image.id or image.status is not ImageStatus.GONE:
                status = ImageStatus.GONE if image.id else image.status
                found[image.id or image.bake] = image.with_status(status)
        newest = sorted(found.values(), key=lambda image: (image.created, image.name), reverse=True)
        return tuple(newest)

    def _unlisted(
        self, region: str, recorded: Sequence[Image], listed: Collection[str]
    ) -> tuple[ObservedImage, ...]:
        """Return the recorded images of this region that exist, although AWS did not list them.

        The tag that it lists by may not be visible yet. Only an image that was baked a moment ago
        is asked for until one answer cannot be older than it.
        """
        missing = [each for each in recorded if each.id not in listed and each.region == region]
        ids = sorted({each.id for each in missing} - {""})
        new = {each.id for each in missing if each.created >= self._records.recently} - {""}

        def read() -> tuple[ObservedImage, ...]:
            return Ec2Images(self._clients).by_id(region, ids) if ids else ()

        return read_until(read, lambda seen: {each.id for each in seen} >= new, self._clock)


def _joined(recorded: Image, seen: ObservedImage, tagged: ImageStatus) -> Image:
    """Return a recorded image with the status of its tag; quarantined if either one is.

    A rollback writes both, and one of the two writes may have failed. A tag that is not visible
    does not overrule the record.
    """
    recorded = replace(recorded, architecture=recorded.architecture or seen.architecture)
    if recorded.status is ImageStatus.QUARANTINED or STATUS_TAG not in seen.tags:
        return recorded
    return recorded.with_status(tagged)
