"""Remove the resources of a bake that failed, was interrupted or was killed.

Packer removes its temporary instance, key pair and security group itself, unless
it was killed; it may leave images in any state. The images of a bake that is
recorded as ended are kept. Everything else is removed, and each resource that
could not be removed, or is still there afterwards, is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from pipeline.core.bake.model import BuildResources, ObservedImage
from pipeline.core.bake.ports import Images, Leftovers
from pipeline.core.bake.verification import is_finished
from pipeline.core.errors import RefusedError
from pipeline.core.freshness import Clock, read_until
from pipeline.core.image import BAKE_TAG, NO_ITEMS, STATUS_TAG, ImageStatus

SKEW = timedelta(minutes=5)
"""The largest clock difference: EC2 rejects requests whose signature is further off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupScope:
    """The resources of one bake that a clean-up may remove.

    Images are found by `bake`, the unique name in their name or tag, by the instance they were
    created from, as copies of these, by the names and ids in `resources`, and by `known`, pairs of
    region and id. An image older than `since`, when the bake began, is not part of it: a
    provisioner may print any id. Temporary resources are found by `resources`, and by `bake`, which
    they are tagged with. `ended` maps each region to the image that Packer reported when it ended
    well, after the post-processors; it is empty for every other bake. `killed` if Packer could not
    clean up itself.
    """

    bake: str
    resources: BuildResources
    known: Sequence[tuple[str, str]]
    since: str
    ended: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    killed: bool = False

    @property
    def makes_an_image(self) -> bool:
        """Return True if Packer began to make an image and did not print its id."""
        return bool(self.resources.names) and not self.resources.images


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanupReport:
    """What a clean-up removed, the finished images it kept, and what it could not remove.

    `remedies` say what to do about what it could not remove.
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
    unlisted = regions if scope.killed else regions[:1] if scope.makes_an_image else ()
    attempt = partial(_attempt, report)
    found = _find_all(images, scope, clock, regions, expected=unlisted, attempt=attempt)
    report.kept.update(_finished(scope, found))
    kept = {image.id for image in report.kept.values()}
    for image in (image for listed in found.values() for image in listed):
        if image.id not in kept and not was_good(image):
            _attempt(report, partial(_remove, images, image, report, clock))
    verified = any(was_good(image) for listed in found.values() for image in listed)
    if (scope.resources.instances or scope.resources.volumes) and not report.kept:
        for region in regions:
            attempt(partial(_remove_snapshots, images, region, scope, report, verified=verified))
    return report


def describe_cleanup(bake: str, cleanup: CleanupReport, regions: Sequence[str]) -> str:
    """Return what a clean-up did after an interrupted bake."""
    if not cleanup.removed:
        searched = ", ".join(regions)
        return f"nothing of the interrupted bake {bake} was found in {searched}"
    removed = ", ".join(cleanup.removed)
    return f"cleaned up after the interrupted bake {bake}: removed {removed}"


def only_images(
    images: Images, scope: CleanupScope, clock: Clock, regions: Sequence[str], wanted: Sequence[str]
) -> dict[str, str]:
    """Return the ids, by region, where EC2 shows exactly one image of a bake.

    The search is repeated until each wanted region has one: a new image may not be listed yet, and
    one that Packer has deregistered may still be. Raises RefusedError if AWS does not answer.
    """

    def read() -> dict[str, tuple[ObservedImage, ...]]:
        return _find_all(images, scope, clock, regions, expected=(), attempt=lambda find: find())

    found = read_until(read, lambda seen: all(len(seen[each]) == 1 for each in wanted), clock)
    return {region: seen[0].id for region, seen in found.items() if len(seen) == 1}


def _find_all(
    images: Images,
    scope: CleanupScope,
    clock: Clock,
    regions: Sequence[str],
    *,
    expected: Collection[str],
    attempt: Callable[[Callable[[], None]], None],
) -> dict[str, tuple[ObservedImage, ...]]:
    """Return the images of a bake and their copies; `expected` are regions that must have one."""
    found: dict[str, tuple[ObservedImage, ...]] = dict.fromkeys(regions, ())
    for region in regions:
        must = region in expected
        attempt(partial(_find, images, region, scope, found, clock, expected=must))
    for region in regions:
        attempt(partial(_find_copies, images, region, scope, found, clock))
    return found


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
    *,
    expected: bool,
) -> None:
    """Find the images of the bake; search again for those that must be there."""
    pairs = (*scope.known, *scope.ended.items())
    ids = {image_id for where, image_id in pairs if where == region}
    resources = scope.resources

    def read() -> tuple[ObservedImage, ...]:
        of_bake = images.of_bake(region, scope.bake, resources.instances)
        by_id = (images.find(region, each) for each in sorted(ids | {*resources.images}))
        by_name = (each for name in resources.names for each in images.named(region, name))
        own = (each for each in by_name if _is_own(scope, each))
        return tuple({each.id: each for each in [*of_bake, *by_id, *own] if each}.values())

    def enough(seen: Sequence[ObservedImage]) -> bool:
        return {each.id for each in seen} >= ids and (bool(seen) or not expected)

    found[region] = _made_since(scope, read_until(read, enough, clock))


def _is_own(scope: CleanupScope, image: ObservedImage) -> bool:
    """Return True unless EC2 shows that an image of this name is of another bake."""
    resources = scope.resources
    others_copy = image.source and resources.images and image.source not in resources.images
    others_instance = image.instance and image.instance not in resources.instances
    return image.tags.get(BAKE_TAG, scope.bake) == scope.bake and not (
        others_copy or others_instance
    )


def _find_copies(
    images: Images,
    region: str,
    scope: CleanupScope,
    found: dict[str, tuple[ObservedImage, ...]],
    clock: Clock,
) -> None:
    """Find the copies of the bake's images, also of one that Packer has deregistered since.

    Packer prints no id of a copy (step_ami_region_copy.go), and one that it began a moment ago may
    not be listed yet.
    """
    listed = {each.id for seen in found.values() for each in seen}
    sources = sorted({*listed, *scope.resources.images, *(image for _, image in scope.known)})
    began = bool(sources) and region in scope.resources.regions
    copies = read_until(
        lambda: images.copies(region, sources), lambda seen: bool(seen) or not began, clock
    )
    both = (*found[region], *_made_since(scope, copies))
    found[region] = tuple({each.id: each for each in both}.values())


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
    images: Images, region: str, scope: CleanupScope, report: CleanupReport, *, verified: bool
) -> None:
    """Delete the snapshots; one in use shows an image that was not found, unless it is good."""
    removal = images.remove_snapshots(region, scope.resources, oldest(scope.since))
    report.removed.extend(removal.gone)
    if not verified:
        report.trouble.extend(f"{each} in {region} is used by an image" for each in removal.left)


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
