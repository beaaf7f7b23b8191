"""Find the images that an unchanged bake would make again."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.bake.cleanup import is_rejected
from pipeline.core.bake.model import BakeRequest, ObservedImage
from pipeline.core.bake.plan import BakePlan, as_tagged
from pipeline.core.bake.ports import Images, Records
from pipeline.core.bake.verification import is_finished
from pipeline.core.image import (
    ARCHITECTURES_TAG,
    FINGERPRINT_TAG,
    STATUS_TAG,
    Image,
    ImageStatus,
)


def unchanged_images(images: Images, records: Records, plan: BakePlan) -> tuple[Image, ...]:
    """Return the newest good images of this fingerprint that exist in every region, or none.

    There is one of each architecture that a bake of this fingerprint made.
    """
    finished: dict[str, Image] = {}
    for candidate in _candidates(images, records, plan):
        observed = _in_all_regions(images, plan.request, candidate)
        if candidate.architecture in finished or not is_finished(observed):
            continue
        finished[candidate.architecture] = as_tagged(plan.image_of(observed), candidate)
        several = candidate.tags.get(ARCHITECTURES_TAG) or candidate.architecture
        if finished.keys() >= {*several.split(" ")}:
            return tuple(finished[name] for name in sorted(several.split(" "), reverse=True))
    return ()


def _candidates(images: Images, records: Records, plan: BakePlan) -> Iterator[ObservedImage]:
    """Yield the good images of this fingerprint, newest first, by their tags and records.

    Neither decides alone: a tag may not be visible yet, and another store has no record.
    """
    region = plan.request.region
    wanted = {FINGERPRINT_TAG: plan.fingerprint, STATUS_TAG: ImageStatus.GOOD}
    recorded = {image.id: image for image in records.all(plan.request.app) if image.id}
    same = {id_ for id_, image in recorded.items() if image.fingerprint == plan.fingerprint}
    found = {image.id: image for image in images.owned(region, wanted)}
    for id_ in same - set(found):
        seen = images.find(region, id_)
        if seen and recorded[id_].status is ImageStatus.GOOD and not is_rejected(seen):
            found[id_] = seen
    for image in sorted(found.values(), key=lambda image: image.created, reverse=True):
        record = recorded.get(image.id)
        if record is None or record.status is not ImageStatus.QUARANTINED:
            yield image


def _in_all_regions(
    images: Images, request: BakeRequest, image: ObservedImage
) -> dict[str, ObservedImage | None]:
    copies = {
        region: next(iter(images.named(region, image.name)), None)
        for region in request.all_regions[1:]
    }
    return {request.region: image, **copies}
