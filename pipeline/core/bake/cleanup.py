"""Remove the resources of a bake that failed, was interrupted or was killed.

Packer removes its temporary instance, key pair and security group itself, unless
it was killed; it may leave images in any state. The images of a bake that is
recorded as ended are kept. Everything else is removed, and each resource that
could not be removed, or is still there afterwards, is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from pipeline.core.bake.model import BuildResources, ObservedImage
from pipeline.core.bake.ports import Images, Leftovers
from pipeline.core.bake.verification import is_finished
from pipeline.core.errors import RefusedError
from pipeline.core.freshness import Clock, read_until
from pipeline.core.image import NO_ITEMS, STATUS_TAG, ImageStatus

SKEW = timedelta(minutes=5)
"""The largest clock difference: EC2 rejects requests whose signature is further off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupScope:
    """The resources of one bake that a clean-up may remove.

    Images are found by `bake`, the unique name in their name or tag, by the instance they were
    created from, as copies of these, and by `known`, pairs of region and id. An image older than
    `since`, when the bake began, is not part of it: a provisioner may print any id. Temporary
    resources are found by `resources`, and by `bake`, which they are tagged with. `ended` maps each
    region to the image that Packer reported when it ended well, after the post-processors; it is
    empty for every other bake. `killed` if Packer could not clean up itself.
    """

    bake: str
    resources: BuildResources
    known: Sequence[tuple[str, str]]
    since: str
    ended: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    killed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupReport:
    """What a clean-up removed, the finished images it kept, and what it could not remove.

    `remedies` are those of the errors in `trouble`.
    """

    removed: list[str] = field(default_factory=list)
    kept: dict[str, ObservedImage] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)


def clean_up(
    images: Images,
    leftovers: Leftovers,
    scope: CleanupScope,
    clock: Clock,
    *,
    regions: Sequence[str],
) -> CleanupReport:
    """Remove the resources of a bake from these regions, the build region first.

    What AWS does not show yet is searched for again: Packer may have been killed a moment ago.
    The images of a bake that ended are kept if each is available. An image that was verified once
    is never removed.
    """
    report = CleanupReport()
    for region in regions:
        _attempt(report, partial(_remove_temporary, report, leftovers, region, scope, clock))
    found: dict[str, tuple[ObservedImage, ...]] = dict.fromkeys(regions, ())
    for region in regions:
        _attempt(report, partial(_find, images, region, scope, found, clock))
    sources = sorted({each.id for listed in found.values() for each in listed})
    for region in regions:
        _attempt(report, partial(_find_copies, images, region, scope, sources, found))
    report.kept.update(_finished(scope, found))
    kept = {image.id for image in report.kept.values()}
    for image in (image for listed in found.values() for image in listed):
        if image.id not in kept and not was_good(image):
            _attempt(report, partial(_remove, images, image, report, clock))
    if scope.resources.instances and not report.kept:
        for region in regions:
            _attempt(report, partial(_remove_snapshots, images, region, scope, report))
    return report


def _finished(
    scope: CleanupScope, found: Mapping[str, Sequence[ObservedImage]]
) -> dict[str, ObservedImage]:
    """Return the images of a bake that ended, by region; nothing unless each is available."""
    there = {image.id: image for listed in found.values() for image in listed}
    ended = {region: there.get(image_id) for region, image_id in scope.ended.items()}
    finished = is_finished(ended)
    return {region: image for region, image in ended.items() if image and finished}


def oldest(since: str) -> str:
    """Return the earliest time, by AWS's clock, of what a bake that began then has created."""
    return (datetime.fromisoformat(since) - SKEW).isoformat()


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
        removal = leftovers.remove(region, scope.resources, scope.bake, oldest(scope.since))
        report.removed.extend(removal.gone)
        report.trouble.extend(text for text in removal.left if text not in report.trouble)
        return len(report.removed) - before + len(removal.left)

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
    pairs = (*scope.known, *scope.ended.items())
    ids = {image_id for where, image_id in pairs if where == region}

    def read() -> tuple[ObservedImage, ...]:
        of_bake = images.of_bake(region, scope.bake, scope.resources.instances)
        by_id = (images.find(region, image_id) for image_id in sorted(ids))
        return tuple({each.id: each for each in [*of_bake, *by_id] if each}.values())

    def enough(seen: Sequence[ObservedImage]) -> bool:
        return {each.id for each in seen} >= ids and (bool(seen) or not scope.killed)

    found[region] = _made_since(scope, read_until(read, enough, clock))


def _find_copies(
    images: Images,
    region: str,
    scope: CleanupScope,
    sources: Sequence[str],
    found: dict[str, tuple[ObservedImage, ...]],
) -> None:
    made = _made_since(scope, images.copies(region, sources))
    found[region] = tuple({each.id: each for each in (*found[region], *made)}.values())


def _made_since(scope: CleanupScope, seen: Sequence[ObservedImage]) -> tuple[ObservedImage, ...]:
    earliest, name = datetime.fromisoformat(oldest(scope.since)), scope.bake
    return tuple(
        each
        for each in seen
        if name in each.name or datetime.fromisoformat(each.created) >= earliest
    )


def _remove(images: Images, image: ObservedImage, report: CleanupReport, clock: Clock) -> None:
    images.remove(image)
    left = read_until(lambda: images.find(image.region, image.id), lambda seen: seen is None, clock)
    if left is None:
        report.removed.append(image.id)
    else:
        report.trouble.append(f"{image.id} in {image.region} is still {left.state}")


def _remove_snapshots(
    images: Images, region: str, scope: CleanupScope, report: CleanupReport
) -> None:
    report.removed.extend(images.remove_snapshots(region, scope.resources.instances))


def _attempt(report: CleanupReport, action: Callable[[], None]) -> None:
    """Run the action and record its error, so that one failure does not stop the clean-up."""
    try:
        action()
    except RefusedError as error:
        trouble = f"{error.where}: {error.what}"
        if trouble not in report.trouble:
            report.trouble.append(trouble)
        if error.remedy and error.remedy not in report.remedies:
            report.remedies.append(error.remedy)
