"""Find, tag and delete AMIs; the only caller and parser of DescribeImages.

Every search is limited to images of this account (`Owners=["self"]`). A source image may have
another owner, which the configuration must name: a search by name alone would find another
account's newer image (the "whoAMI" attack).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import as_filters, read_tags, read_time
from pipeline.adapters.aws.retry import batches, call, error_code, items
from pipeline.core import commands
from pipeline.core.bake.model import BuildResources, ObservedImage, Removal, Source
from pipeline.core.changes.model import ComparedImage
from pipeline.core.errors import RefusedError
from pipeline.core.image import BAKE_TAG, STATUS_TAG, TAG_PREFIX, ImageStatus

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef, TagTypeDef

    from pipeline.core.preflight.facts import ImageFacts

NO_IMAGE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"})
PROTECTED = frozenset({"OperationNotPermitted"})
"""DeregisterImage of an image with deregistration protection (EC2 API error codes)."""
NO_SNAPSHOT = frozenset({"InvalidSnapshot.NotFound"})
IN_USE = frozenset({"InvalidSnapshot.InUse"})
IMAGES = 1000
"""Images in a page, the most EC2 takes (DescribeImages)."""
FILTERED = 200
"""Values of one filter, the most that EC2 takes."""

Filters = Mapping[str, Sequence[str]]


class Ec2Images:
    """AMIs in any region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def resolve(self, source: Source, region: str) -> str:
        """Return the id of the source image: the one named, or the owner's newest of that name.

        An image that a bake of this program made must be good. Raises RefusedError if there is
        none, it is not available, or two are equally new.
        """
        where = f"[bake.source] {source.id or source.name}"
        if source.id:
            found = self._source_by_id(source.id, region, where)
        else:
            found = self._newest_source(source, region, where)
        if found.get("State") != "available":
            raise RefusedError(
                where,
                f"{found['ImageId']} is {found.get('State')} in {region}",
                "set [bake.source] to an available image",
            )
        if status := _rejected(found):
            raise RefusedError(
                where,
                f"{found['ImageId']} was baked by ami-pipeline and is {status}, not good",
                "set [bake.source] to a good image",
            )
        return found["ImageId"]

    def owned(self, region: str, tags: Mapping[str, str]) -> tuple[ObservedImage, ...]:
        """Return this account's images that carry all these tags, newest first."""
        return self._owned(region, {f"tag:{key}": [value] for key, value in tags.items()})

    def all(self, region: str) -> tuple[ObservedImage, ...]:
        """Return all images of this account, also disabled ones, newest first."""
        with translate_errors("listing images", region):
            ec2 = self._clients.ec2(region)
            found = _describe(ec2, {}, Owners=["self"], IncludeDisabled=True)
        observed = (_observed(image, region) for image in found)
        return tuple(sorted(observed, key=lambda image: image.created, reverse=True))

    def named(self, region: str, name: str) -> tuple[ObservedImage, ...]:
        """Return this account's images of exactly this name (there is one at most)."""
        found = self._owned(region, {"name": [name]})
        return tuple(image for image in found if image.name == name)

    def of_bake(
        self, region: str, bake: str, instances: Sequence[str]
    ) -> tuple[ObservedImage, ...]:
        """Return this account's images of a bake.

        A template may put the bake's unique name anywhere into the image's, the Amazon plugin
        tags the image with the run's tags from 1.0.2 on, and EC2 knows the instance that an image
        was created from (filter source-instance-id of DescribeImages).
        """
        searches: list[Filters] = [{"name": [f"*{bake}*"]}, {f"tag:{BAKE_TAG}": [bake]}]
        if instances:
            searches.append({"source-instance-id": instances})
        found = (image for each in searches for image in self._owned(region, each))
        return tuple({image.id: image for image in found}.values())

    def copies(self, region: str, image_ids: Sequence[str]) -> tuple[ObservedImage, ...]:
        """Return this account's copies of these images (filter source-image-id).

        An image of CreateImage has the AMI of its instance as its source, and is no copy.
        """
        found = self._described(region, {"source-image-id": image_ids}) if image_ids else []
        return tuple(_observed(each, region) for each in found if not each.get("SourceInstanceId"))

    def by_id(self, region: str, ids: Sequence[str]) -> tuple[ObservedImage, ...]:
        """Return those of these images that exist and belong to this account, newest first."""
        found = (self._owned(region, {"image-id": each}) for each in batches(ids, FILTERED))
        return tuple(image for images in found for image in images)

    def usable(self, region: str, ids: Sequence[str]) -> tuple[ObservedImage, ...]:
        """Return those of these images that a group may launch: available, also another account's.

        A disabled image is left out (DescribeImages, IncludeDisabled).
        """
        ec2 = self._clients.ec2(region)
        with translate_errors("listing images", region):
            found = [
                image
                for batch in batches(ids, FILTERED)
                for image in _describe(ec2, {"image-id": batch}, IncludeDeprecated=True)
            ]
        observed = (_observed(image, region) for image in found)
        return tuple(each for each in observed if each.state == "available")

    def find(self, region: str, image_id: str) -> ObservedImage | None:
        """Return an image by id; None if it does not exist or another account owns it."""
        return next(iter(self._owned(region, {"image-id": [image_id]})), None)

    def compared(self, region: str, ids: Sequence[str]) -> dict[str, ComparedImage]:
        """Return the images with these ids that this account can see, of any owner, by id.

        Deprecated and disabled ones, too. Raises RefusedError if EC2 does not answer.
        """
        if not ids:
            return {}
        options = {"IncludeDeprecated": True, "IncludeDisabled": True}
        with translate_errors("reading source images", region):
            found = _describe(self._clients.ec2(region), {"image-id": ids}, **options)
        return {each["ImageId"]: _compared(each) for each in found}

    def tag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Tag the image and its snapshots."""
        with translate_errors(f"tagging {image.id}", image.region):
            call(
                self._clients.ec2(image.region).create_tags,
                Resources=[image.id, *image.snapshots],
                Tags=_pairs(tags),
            )

    def untag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Remove these tags from the image and its snapshots.

        EC2 leaves a tag that has another value (EC2 API Reference, DeleteTags).
        """
        with translate_errors(f"removing tags of {image.id}", image.region):
            call(
                self._clients.ec2(image.region).delete_tags,
                Resources=[image.id, *image.snapshots],
                Tags=_pairs(tags),
            )

    def remove(self, image: ObservedImage) -> None:
        """Deregister the image and delete its snapshots; a missing one is no error.

        An image that is not available does not list its snapshots yet; their descriptions name it.
        Raises RefusedError if it is protected: a person wants it to stay.
        """
        with translate_errors(f"deleting {image.id}", image.region):
            ec2 = self._clients.ec2(image.region)
            _deregister(ec2, image)
            made_for = (f"* for {image.id}*", f"*DestinationAmi {image.id}*")
            others = () if image.state == "available" else _described_snapshots(ec2, made_for)
            for snapshot in dict.fromkeys((*image.snapshots, *others)):
                _ignoring(NO_SNAPSHOT, ec2.delete_snapshot, SnapshotId=snapshot)

    def deregister(self, image: ObservedImage) -> None:
        """Deregister the image and leave its snapshots; a missing one is no error.

        Raises RefusedError if it is protected: a person wants it to stay.
        """
        with translate_errors(f"deregistering {image.id}", image.region):
            _deregister(self._clients.ec2(image.region), image)

    def remove_snapshots(self, region: str, resources: BuildResources, since: str) -> Removal:
        """Delete the snapshots that a bake made and no image uses; `left` are those in use.

        EC2 describes a snapshot of CreateImage as "Created by CreateImage(i-...) for ami-...".
        Packer makes those of a surrogate volume itself, from the volume; `since` is the earliest
        time, ISO 8601, at which this bake can have made one.
        """
        with translate_errors("deleting snapshots", region):
            ec2 = self._clients.ec2(region)
            made_by = [f"Created by CreateImage({each})*" for each in resources.instances]
            described = _described_snapshots(ec2, made_by) if made_by else ()
            found = dict.fromkeys((*described, *_snapshots_of(ec2, resources.volumes, since)))
            delete = partial(_ignoring, NO_SNAPSHOT | IN_USE, ec2.delete_snapshot)
            gone = tuple(each for each in found if delete(SnapshotId=each))
            left = set(found) - set(gone)
            still = (each for each in found if each in left and _is_there(ec2, each))
            return Removal(gone=gone, left=tuple(still))

    def _source_by_id(self, image_id: str, region: str, where: str) -> ImageTypeDef:
        with translate_errors("finding the source image", region):
            named = {"image-id": [image_id]}
            found = _describe(self._clients.ec2(region), named, IncludeDeprecated=True)
        if found:
            return found[0]
        options = {"region": region, "image-ids": image_id}
        raise RefusedError(
            where,
            f"there is no image {image_id} in {region} that this account may use",
            commands.aws("ec2", "describe-images", options),
        )

    def _newest_source(self, source: Source, region: str, where: str) -> ImageTypeDef:
        filters = {"name": [source.name], "state": ["available"]}
        with translate_errors("finding the source image", region):
            matching = _describe(self._clients.ec2(region), filters, Owners=[source.owner])
        found = [image for image in matching if not _rejected(image)]
        found.sort(key=lambda image: image.get("CreationDate", ""), reverse=True)
        options = {
            "region": region,
            "owners": source.owner,
            "filters": f"Name=name,Values={source.name}",
        }
        listing = commands.aws("ec2", "describe-images", options)
        if not found:
            what = f"{source.owner} has no such image in {region}"
            if matching:
                what += f"; {len(matching)} that ami-pipeline baked are not good"
            raise RefusedError(where, what, listing)
        if len(found) > 1 and found[0].get("CreationDate") == found[1].get("CreationDate"):
            equal = " and ".join(
                f"{image['ImageId']} ({image.get('Name', '')})" for image in found[:2]
            )
            raise RefusedError(
                where,
                f"ambiguous: {equal} match and are equally new",
                f"make the name more specific; list the images: {listing}",
            )
        return found[0]

    def _described(self, region: str, filters: Filters) -> list[ImageTypeDef]:
        with translate_errors("listing images", region):
            return _describe(self._clients.ec2(region), filters, Owners=["self"])

    def _owned(self, region: str, filters: Filters) -> tuple[ObservedImage, ...]:
        observed = (_observed(image, region) for image in self._described(region, filters))
        return tuple(sorted(observed, key=lambda image: image.created, reverse=True))


def read_image_facts(ec2: Any, image_id: str) -> ImageFacts | None:
    """Return an AMI, disabled and deprecated ones too; None if this account cannot see it."""
    from pipeline.core.preflight.facts import ImageFacts

    options = {"IncludeDeprecated": True, "IncludeDisabled": True}
    found = _describe(ec2, {"image-id": [image_id]}, **options)
    if not found:
        return None
    image = found[0]
    return ImageFacts(
        id=image_id,
        state=image.get("State", ""),
        owner=image.get("OwnerId", ""),
        architecture=image.get("Architecture", ""),
        root_device=image.get("RootDeviceName", ""),
        deprecated=_has_passed(image.get("DeprecationTime", "")),
        reason=_reason(image),
    )


def _describe(ec2: Any, filters: Filters, **options: Any) -> list[ImageTypeDef]:
    """Return every image that matches; AWS advises to read them in pages (DescribeImages)."""
    options = {**options, "Filters": as_filters(filters), "MaxResults": IMAGES}
    return list(items(ec2.describe_images, "Images", **options))


def _observed(image: ImageTypeDef, region: str) -> ObservedImage:
    mappings = image.get("BlockDeviceMappings", [])
    snapshots = (mapping.get("Ebs", {}).get("SnapshotId", "") for mapping in mappings)
    return ObservedImage(
        id=image["ImageId"],
        region=region,
        name=image.get("Name", ""),
        state=image.get("State", ""),
        public=image.get("Public", False),
        created=image.get("CreationDate", ""),
        tags=read_tags(image),
        snapshots=tuple(snapshot for snapshot in snapshots if snapshot),
        encrypted=all(each["Ebs"].get("Encrypted", False) for each in mappings if "Ebs" in each),
        reason=_reason(image),
        instance=image.get("SourceInstanceId", ""),
        source="" if image.get("SourceInstanceId") else image.get("SourceImageId", ""),
        protection=_protection(image),
        architecture=image.get("Architecture", ""),
    )


def _compared(image: ImageTypeDef) -> ComparedImage:
    tags = read_tags(image)
    return ComparedImage(
        id=image["ImageId"],
        name=image.get("Name", ""),
        version=tags.get(f"{TAG_PREFIX}version", ""),
        created=image.get("CreationDate", ""),
        quarantined=tags.get(STATUS_TAG) == ImageStatus.QUARANTINED,
    )


def _protection(image: ImageTypeDef) -> str:
    found = image.get("DeregistrationProtection", "")
    return "" if found == "disabled" else found


def _rejected(image: ImageTypeDef) -> str:
    """Return the status of an image that a bake of this program made, unless it is good."""
    status = read_tags(image).get(STATUS_TAG, "")
    return "" if status == ImageStatus.GOOD else status


def _deregister(ec2: Any, image: ObservedImage) -> None:
    """Deregister the image; a missing one is no error."""
    from botocore.exceptions import ClientError

    try:
        _ignoring(NO_IMAGE, ec2.deregister_image, ImageId=image.id)
    except ClientError as error:
        if error_code(error) not in PROTECTED:
            raise
        where = f"deleting {image.id} in {image.region}"
        raise RefusedError(where, str(error), _by_hand(image)) from error


def _by_hand(image: ObservedImage) -> str:
    """Return the commands that deregister a protected image.

    With a cooldown, the second one works 24 hours after the first (EC2 User Guide, "Protect an
    Amazon EC2 AMI from deregistration").
    """
    named = {"region": image.region, "image-id": image.id}
    unprotect = commands.aws("ec2", "disable-image-deregistration-protection", named)
    return f"{unprotect} && {commands.aws('ec2', 'deregister-image', named)}"


def _described_snapshots(ec2: Any, descriptions: Sequence[str]) -> tuple[str, ...]:
    filters = as_filters({"description": descriptions})
    found = items(ec2.describe_snapshots, "Snapshots", OwnerIds=["self"], Filters=filters)
    return tuple(each["SnapshotId"] for each in found)


def _snapshots_of(ec2: Any, volumes: Sequence[str], since: str) -> Iterator[str]:
    """Yield this account's snapshots of these volumes that were started since then."""
    if not volumes:
        return
    filters = as_filters({"volume-id": volumes})
    earliest = datetime.fromisoformat(since)
    for each in items(ec2.describe_snapshots, "Snapshots", OwnerIds=["self"], Filters=filters):
        started = read_time(each.get("StartTime"))
        if started and started >= earliest:
            yield each["SnapshotId"]


def _is_there(ec2: Any, snapshot: str) -> bool:
    filters = as_filters({"snapshot-id": [snapshot]})
    return any(items(ec2.describe_snapshots, "Snapshots", OwnerIds=["self"], Filters=filters))


def _reason(image: ImageTypeDef) -> str:
    """Return why the image is in its state, for example why its creation failed."""
    return image.get("StateReason", {}).get("Message", "")


def _has_passed(said: str) -> bool:
    moment = read_time(said)
    return moment is not None and moment <= datetime.now(UTC)


def _pairs(tags: Mapping[str, str]) -> list[TagTypeDef]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _ignoring(codes: frozenset[str], operation: Callable[..., object], **arguments: str) -> bool:
    """Call the operation; return False if it fails with one of these codes."""
    from botocore.exceptions import ClientError

    try:
        call(operation, **arguments)
    except ClientError as error:
        if error_code(error) not in codes:
            raise
        return False
    return True
