"""Remove the resources of a bake that failed, was interrupted or was killed.

Packer removes its temporary instance, key pair and security group itself, unless
it was killed; it may leave images in any state. A finished image is kept if the
caller asks for that (a cancelled bake). Everything else is removed, and each
resource that could not be removed is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from pipeline.core.bake.model import BuildResources, ObservedImage
from pipeline.core.bake.ports import Images, Leftovers
from pipeline.core.bake.verification import is_finished
from pipeline.core.errors import RefusedError
from pipeline.core.freshness import Clock, read_until
from pipeline.core.image import STATUS_TAG, ImageStatus

SKEW = timedelta(minutes=5)
"""The largest clock difference: EC2 rejects requests whose signature is further off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupScope:
    """The resources of one bake that a clean-up may remove.

    Images are found by `name`, empty if the template names the image, and by `known`, pairs of
    region and id. A known image older than `since`, when the bake began, is not part of it: a
    provisioner may print the id of any image. Temporary resources are found by `resources`, and
    by `bake`, which they are tagged with. `killed` if Packer could not clean up itself.
    """

    bake: str
    name: str
    resources: BuildResources
    known: Sequence[tuple[str, str]]
    since: str
    killed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupReport:
    """What a clean-up removed, the finished images it kept, and what it could not remove."""

    removed: list[str] = field(default_factory=list)
    kept: dict[str, ObservedImage] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)


def clean_up(
    images: Images,
    leftovers: Leftovers,
    scope: CleanupScope,
    clock: Clock,
    *,
    regions: Sequence[str],
    keep_finished: bool,
) -> CleanupReport:
    """Remove the resources of a bake from these regions, the build region first.

    What AWS does not show yet is searched for again: Packer may have been killed a moment ago.
    With `keep_finished`, an image that is available in every region is kept. An image that was
    verified once is never removed.
    """
    report = CleanupReport()
    for region in regions:
        _attempt(report, partial(_remove_temporary, report, leftovers, region, scope, clock))
    found: dict[str, tuple[ObservedImage, ...]] = dict.fromkeys(regions, ())
    for region in regions:
        _attempt(report, partial(_find, images, region, scope, found, clock))
    if keep_finished and is_finished({region: _only(found[region]) for region in regions}):
        report.kept.update({region: found[region][0] for region in regions})
        return report
    for image in (image for listed in found.values() for image in listed):
        if not was_good(image):
            _attempt(report, partial(_remove, images, image, report))
    return report


def was_good(image: ObservedImage) -> bool:
    """Return True if a bake verified the image; a group may use it even if quarantined since."""
    return image.tags.get(STATUS_TAG) in {ImageStatus.GOOD, ImageStatus.QUARANTINED}


def is_rejected(image: ObservedImage) -> bool:
    """Return True if a person or a rollback marked the image as not for service."""
    return image.tags.get(STATUS_TAG) in {ImageStatus.BAD, ImageStatus.QUARANTINED}


def _remove_temporary(
    report: CleanupReport, leftovers: Leftovers, region: str, scope: CleanupScope, clock: Clock
) -> None:
    named = len(scope.resources.key_pairs) + len(scope.resources.security_groups)
    before = len(report.removed)

    def remove() -> int:
        report.removed.extend(leftovers.remove(region, scope.resources, scope.bake))
        return len(report.removed) - before

    if scope.killed:
        read_until(remove, lambda removed: removed >= named, clock)
    else:
        remove()


def _find(
    images: Images,
    region: str,
    scope: CleanupScope,
    found: dict[str, tuple[ObservedImage, ...]],
    clock: Clock,
) -> None:
    ids = {image_id for where, image_id in scope.known if where == region}

    def read() -> tuple[ObservedImage, ...]:
        by_name = images.named(region, scope.name) if scope.name else ()
        by_id = (images.find(region, image_id) for image_id in sorted(ids))
        return tuple({each.id: each for each in [*by_name, *by_id] if each}.values())

    def enough(seen: tuple[ObservedImage, ...]) -> bool:
        return {each.id for each in seen} >= ids and (bool(seen) or not scope.killed)

    seen = read_until(read, enough, clock)
    oldest = datetime.fromisoformat(scope.since) - SKEW
    found[region] = tuple(
        each
        for each in seen
        if (scope.name and each.name == scope.name)
        or datetime.fromisoformat(each.created) >= oldest
    )


def _only(listed: tuple[ObservedImage, ...]) -> ObservedImage | None:
    return listed[0] if len(listed) == 1 else None


def _remove(images: Images, image: ObservedImage, report: CleanupReport) -> None:
    images.remove(image)
    report.removed.append(image.id)


def _attempt(report: CleanupReport, action: Callable[[], None]) -> None:
    """Run the action and record its error, so that one failure does not stop the clean-up."""
    try:
        action()
    except RefusedError as error:
        report.trouble.append(f"{error.where}: {error.what}")
