"""What happens to the things of a bake that did not end well.

Packer removes its temporary instance, key pair and security group itself unless
it was killed; images it may leave in any state. A finished image is kept where
the caller may still want it (a cancelled bake), everything else goes. What
cannot be removed is told, never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from pipeline.core.bake.model import BuildResources, ObservedImage
from pipeline.core.bake.ports import Images, Leftovers
from pipeline.core.bake.verification import finished
from pipeline.core.errors import RefusedError
from pipeline.core.image import STATUS_TAG, ImageStatus

SKEW = timedelta(minutes=5)
"""How far our clock may be off: EC2 refuses requests signed more than that beside its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupScope:
    """How to find what a bake left: by its images' `name` where it was ours, by `known` ids.

    Temporary things are found by `traces`, and by `bake`, which they are tagged with.
    `known` holds pairs of region and id; one older than `since`, when the bake began,
    is not the bake's: an id read from output may be a provisioner's word.
    """

    bake: str
    name: str
    traces: BuildResources
    known: Sequence[tuple[str, str]]
    since: str


@dataclass(kw_only=True, slots=True)
class CleanupReport:
    """What a clean-up removed, which finished images it kept, and what it could not remove."""

    removed: list[str] = field(default_factory=list)
    kept: dict[str, ObservedImage] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)


def sweep(
    images: Images,
    leftovers: Leftovers,
    remains: CleanupScope,
    *,
    regions: Sequence[str],
    keep_finished: bool,
) -> CleanupReport:
    """Remove what a bake left in these regions (the build region first).

    With `keep_finished`, an image that is available in every region is kept; part of
    one never is. An image that was verified once is never removed here.
    """
    swept = CleanupReport()
    for region in regions:
        _attempt(swept, partial(_remove_temporary, swept, leftovers, region, remains))
    found: dict[str, tuple[ObservedImage, ...]] = dict.fromkeys(regions, ())
    for region in regions:
        _attempt(swept, partial(_find, images, region, remains, found))
    if keep_finished and finished({region: _only(found[region]) for region in regions}):
        swept.kept = {region: found[region][0] for region in regions}
        return swept
    for image in (image for listed in found.values() for image in listed):
        if not was_good(image):
            _attempt(swept, partial(_remove, images, image, swept))
    return swept


def was_good(image: ObservedImage) -> bool:
    """Whether a bake verified it once, whatever was found in service: a group may still use it."""
    return image.tags.get(STATUS_TAG) in {ImageStatus.GOOD, ImageStatus.QUARANTINED}


def is_rejected(image: ObservedImage) -> bool:
    """Whether a person or a rollback said that it must not go into service."""
    return image.tags.get(STATUS_TAG) in {ImageStatus.BAD, ImageStatus.QUARANTINED}


def _remove_temporary(
    swept: CleanupReport, leftovers: Leftovers, region: str, remains: CleanupScope
) -> None:
    swept.removed.extend(leftovers.remove(region, remains.traces, remains.bake))


def _find(
    images: Images, region: str, remains: CleanupScope, found: dict[str, tuple[ObservedImage, ...]]
) -> None:
    by_name = images.named(region, remains.name) if remains.name else ()
    ids = (image_id for where, image_id in remains.known if where == region)
    by_id = (images.seen(region, image_id) for image_id in ids)
    oldest = datetime.fromisoformat(remains.since) - SKEW
    mine = (each for each in by_id if each and datetime.fromisoformat(each.created) >= oldest)
    found[region] = tuple({image.id: image for image in [*by_name, *mine]}.values())


def _only(listed: tuple[ObservedImage, ...]) -> ObservedImage | None:
    return listed[0] if len(listed) == 1 else None


def _remove(images: Images, image: ObservedImage, swept: CleanupReport) -> None:
    images.remove(image)
    swept.removed.append(image.id)


def _attempt(swept: CleanupReport, action: Callable[[], None]) -> None:
    """Do it, or remember what AWS said: one thing that resists must not save the others."""
    try:
        action()
    except RefusedError as error:
        swept.trouble.append(f"{error.where}: {error.what}")
