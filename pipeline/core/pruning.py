"""Decide which images are unused, and why each other image stays.

Pure, and apart from `bake` because it also reads the documents of environments. Removal is final,
so whatever is not known to be unused stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.core.bake.model import ObservedImage
from pipeline.core.errors import PipelineError
from pipeline.core.image import BAKE_TAG, NO_ITEMS, TAG_PREFIX, Image, ImageStatus, Usage
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.rollback import ImageStates, RollbackMode, rollback_option

SNAPSHOT_AGE = timedelta(days=1)
"""A snapshot without an image that is younger may be part of a bake that runs elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A snapshot with this app's tags; `started` is UTC, ISO 8601."""

    id: str
    region: str
    description: str
    started: str
    tags: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)


@dataclass(frozen=True, kw_only=True, slots=True)
class BinnedImage:
    """A deregistered image that the Recycle Bin keeps until a time, UTC, ISO 8601."""

    id: str
    name: str
    until: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionImages:
    """What one region has: all images of the account, their uses, snapshots of the app, its bin.

    `uses` maps the id of an image to where it is used.
    """

    images: tuple[ObservedImage, ...] = ()
    uses: Mapping[str, Sequence[Usage]] = field(default_factory=lambda: NO_ITEMS)
    snapshots: tuple[Snapshot, ...] = ()
    binned: tuple[BinnedImage, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """Everything that a decision needs.

    `records` are the images of the store, `regions` the configured ones, the home region first.
    `documents` are all environments of the app. `now` is the time of the store's clock.
    """

    app: str
    keep: int
    now: datetime
    records: tuple[Image, ...]
    documents: tuple[Environment, ...]
    regions: Mapping[str, RegionImages]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What becomes of an image and its copies: it stays for these reasons, or goes without any."""

    image: Image
    copies: tuple[ObservedImage, ...]
    reasons: tuple[str, ...] = ()

    @property
    def snapshots(self) -> tuple[str, ...]:
        """Return the snapshots of the image and of its copies."""
        return tuple(each for copy in self.copies for each in copy.snapshots)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunePlan:
    """The decision about each image, newest first, and the snapshots whose image is gone."""

    decisions: tuple[Decision, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def removed(self) -> tuple[Decision, ...]:
        """Return what goes."""
        return tuple(each for each in self.decisions if not each.reasons)

    @property
    def kept(self) -> tuple[Decision, ...]:
        """Return what stays."""
        return tuple(each for each in self.decisions if each.reasons)

    @property
    def is_empty(self) -> bool:
        """Return True if nothing goes."""
        return not self.removed and not self.snapshots

    def with_reasons(self, more: Mapping[str, Sequence[str]]) -> PrunePlan:
        """Return the plan with more reasons for images to stay, by the name of the image."""
        decisions = (
            replace(each, reasons=(*each.reasons, *more.get(each.image.name, ())))
            for each in self.decisions
        )
        return replace(self, decisions=tuple(decisions))

    def within(self, other: PrunePlan) -> PrunePlan:
        """Return the plan without what another plan does not remove: a person agreed to that."""
        names = {each.image.name for each in other.removed}
        late = {each.image.name: ("it is new in the plan",) for each in self.removed}
        late = {name: why for name, why in late.items() if name not in names}
        agreed = {each.id for each in other.snapshots}
        left = tuple(each for each in self.snapshots if each.id in agreed)
        return replace(self.with_reasons(late), snapshots=left)


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneReport:
    """What a prune removed and what it left, each with the reason.

    `errors` are the failures, each on one line, with the remedy of the first one.
    """

    plan: PrunePlan = field(default_factory=PrunePlan)
    images: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)

    def failed(self, error: PipelineError) -> None:
        """Add an error, so that one failure does not stop the prune."""
        self.errors.append(f"{error.where}: {error.what}")
        self.remedies.append(error.remedy)


def prune_plan(inventory: Inventory) -> PrunePlan:
    """Return what a prune removes, and why everything else stays."""
    found = sorted(_found(inventory), key=lambda each: each[0].created, reverse=True)
    oldest = _oldest(inventory.keep, [image for image, _ in found])
    released = _released(inventory)
    decisions = tuple(
        Decision(
            image=image,
            copies=copies,
            reasons=(
                *_status_reasons(image, inventory.keep, oldest.get(image.architecture, "")),
                *dict.fromkeys(why for each in copies for why in released.get(each.id, ())),
                *_copy_reasons(image, copies, inventory),
            ),
        )
        for image, copies in found
    )
    return PrunePlan(decisions=decisions, snapshots=tuple(_orphans(inventory)))


def _oldest(keep: int, found: Sequence[Image]) -> dict[str, str]:
    """Return the time of the last of the `keep` newest good images, by architecture.

    There is none where fewer exist, so that all of them stay.
    """
    times: dict[str, list[str]] = {}
    for image in found:
        if image.status is ImageStatus.GOOD:
            times.setdefault(image.architecture, []).append(image.created)
    return {name: made[keep - 1] for name, made in times.items() if len(made) >= keep}


def _found(inventory: Inventory) -> Iterator[tuple[Image, tuple[ObservedImage, ...]]]:
    """Yield each image of the app that exists somewhere, with its copies, the home region first.

    A copy has the name of its image, and no two images of an account and region have one name.
    """
    records = {ami: image for image in inventory.records for ami in image.ids.values()}
    copies: dict[str, list[ObservedImage]] = {}
    known: dict[str, Image] = {}
    for region in inventory.regions.values():
        for each in region.images:
            recorded = records.get(each.id)
            if recorded or each.tags.get(TAG_PREFIX + "app") == inventory.app:
                name = recorded.name if recorded else each.name
                image = recorded or known.get(name) or image_of(each, inventory.app)
                known[name] = replace(image, architecture=image.architecture or each.architecture)
                copies.setdefault(name, []).append(each)
    for name, image in known.items():
        yield _with_status(image, copies[name]), tuple(copies[name])


def image_of(seen: ObservedImage, app: str) -> Image:
    """Return an image without a record in this store, from its own tags."""

    def fact(key: str) -> str:
        return seen.tags.get(TAG_PREFIX + key, "")

    return Image(
        app=app,
        version=fact("version"),
        environment=fact("environment"),
        name=seen.name,
        region=seen.region,
        ids={seen.region: seen.id},
        source_ami=fact("source-ami"),
        fingerprint=fact("fingerprint"),
        created=seen.created,
        commit=fact("commit"),
        dirty=fact("dirty") == "true",
        baked_by=fact("baked-by"),
        status=_tagged(seen) or ImageStatus.BAKING,
        tags=seen.tags,
        architecture=seen.architecture,
        architectures=fact("architectures"),
    )


def _tagged(seen: ObservedImage) -> ImageStatus | None:
    status = seen.tags.get(TAG_PREFIX + "status", "")
    return ImageStatus(status) if status in {each.value for each in ImageStatus} else None


def _with_status(image: Image, copies: Sequence[ObservedImage]) -> Image:
    """Return the image with its worst status: the record or one tag says quarantined or bad."""
    said = {image.status, *(_tagged(each) for each in copies)}
    worst = (ImageStatus.QUARANTINED, ImageStatus.BAD, ImageStatus.BAKING, ImageStatus.LEFT)
    status = next((each for each in worst if each in said), ImageStatus.GOOD)
    return image.with_status(status)


def _status_reasons(image: Image, keep: int, oldest: str) -> Iterator[str]:
    """Yield why the status of an image keeps it; `oldest` is the time of the last of `keep`."""
    recent = image.created >= oldest
    match image.status:
        case ImageStatus.GOOD if recent:
            yield f"one of the newest {keep} good images"
        case ImageStatus.QUARANTINED | ImageStatus.BAD if recent:
            yield f"{image.status} and newer than the oldest of the newest {keep} good images"
        case ImageStatus.BAKING | ImageStatus.LEFT:
            yield "not finished: the next bake completes or removes it"
        case _:
            return


def _released(inventory: Inventory) -> dict[str, list[str]]:
    """Return why the environments need images, by AMI."""
    found: dict[str, list[str]] = {}
    there = {each.id for region in inventory.regions.values() for each in region.images}
    bad = {
        ami
        for image in inventory.records
        if image.status is ImageStatus.QUARANTINED
        for ami in image.ids.values()
    }
    for document in inventory.documents:
        for record in document.releases.values():
            found.setdefault(record.release.ami_id, []).append(_role(document, record))
        gone = {each.ami_id for each in document.retired} - there
        states = ImageStates(gone=frozenset(gone), quarantined=frozenset(bad))
        option = rollback_option(document, (), inventory.now, images=states)
        if option.mode is RollbackMode.COLD:
            text = f"rollback target of {document.environment} ({option.release})"
            found.setdefault(option.ami_id, []).append(text)
    return found


def _role(document: Environment, record: ReleaseRecord) -> str:
    release, where = record.release.name, document.environment
    deployment = document.deployment
    if release == document.serving:
        return f"serves {where} ({release})"
    if deployment and release in {deployment.green, deployment.blue}:
        return f"part of the deployment in flight in {where} ({release})"
    kept = "kept failed" if record.failed else "warm"
    return f"{'removal pending' if record.removal else kept} in {where} ({release})"


def _copy_reasons(
    image: Image, copies: Sequence[ObservedImage], inventory: Inventory
) -> Iterator[str]:
    """Yield why the copies of an image keep it: uses, protection, and regions that are not read."""
    for each in copies:
        for use in inventory.regions[each.region].uses.get(each.id, ()):
            yield f"used by {use.kind} {use.name} in {each.region}"
        if each.public:
            yield f"public in {each.region}"
        if each.protection:
            yield f"protected from deregistration in {each.region}"
    for region in sorted(image.ids.keys() - inventory.regions.keys()):
        yield f"has a copy in {region}, which [bake] regions does not name"


def _orphans(inventory: Inventory) -> Iterator[Snapshot]:
    """Yield the snapshots of this app that no image has, and none in the Recycle Bin may need.

    EC2 names the image in the description: "Created by CreateImage(i-...) for ami-...", "Copied
    for DestinationAmi ami-...". Packer's own snapshots have the name of the bake as a tag.
    """
    unfinished = {
        each.bake
        for each in inventory.records
        if each.status in {ImageStatus.BAKING, ImageStatus.LEFT}
    }
    for region in inventory.regions.values():
        used = {each for image in region.images for each in image.snapshots}
        needed = [*(each.id for each in region.images), *(each.id for each in region.binned)]
        names = {each.name for each in region.images} | {each.name for each in region.binned}
        names |= unfinished
        for each in region.snapshots:
            named = {each.tags.get(BAKE_TAG, ""), each.tags.get("Name", "")} & (names - {""})
            described = any(image in each.description for image in needed)
            old = inventory.now - datetime.fromisoformat(each.started) > SNAPSHOT_AGE
            if each.id not in used and old and not named and not described:
                yield each
