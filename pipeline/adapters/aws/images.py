"""AMIs: found, judged by, tagged and removed. DescribeImages is the judge of every bake.

Only images of our own account are ever looked at, `Owners=["self"]`, but for the
source image, whose owner the configuration must name: a search by name alone
would take a stranger's newer image (the "whoAMI" attack).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, call, error_code, speaking_plainly
from pipeline.core.bake.model import ObservedImage, Source
from pipeline.core.errors import RefusedError

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef

NO_IMAGE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"})
NO_SNAPSHOT = frozenset({"InvalidSnapshot.NotFound"})


class Ec2Images:
    """AMIs in any region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def resolve(self, source: Source, region: str) -> str:
        """Return the id of the source image: the one named, or the owner's newest of that name.

        Raises RefusedError where there is none, it is not available, or two are equally new.
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
                "name an image that is available in [bake.source]",
            )
        return found["ImageId"]

    def owned(self, region: str, tags: Mapping[str, str]) -> tuple[ObservedImage, ...]:
        """Return our own images that carry all these tags, newest first."""
        filters: list[FilterTypeDef] = [
            {"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()
        ]
        return self._owned(region, filters)

    def named(self, region: str, name: str) -> tuple[ObservedImage, ...]:
        """Return our own images of exactly this name (there is one at most)."""
        found = self._owned(region, [{"Name": "name", "Values": [name]}])
        return tuple(image for image in found if image.name == name)

    def find(self, region: str, image_id: str) -> ObservedImage | None:
        """Return one of our own images by id, or None where it is gone or another account's."""
        return next(iter(self._owned(region, [{"Name": "image-id", "Values": [image_id]}])), None)

    def tag(self, image: ObservedImage, tags: Mapping[str, str]) -> None:
        """Tag the image and its snapshots."""
        with speaking_plainly(f"tagging {image.id}", image.region):
            call(
                self._clients.ec2(image.region).create_tags,
                Resources=[image.id, *image.snapshots],
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            )

    def remove(self, image: ObservedImage) -> None:
        """Deregister the image and delete its snapshots; those already gone are no error."""
        with speaking_plainly(f"removing {image.id}", image.region):
            ec2 = self._clients.ec2(image.region)
            _ignoring(NO_IMAGE, ec2.deregister_image, ImageId=image.id)
            for snapshot in image.snapshots:
                _ignoring(NO_SNAPSHOT, ec2.delete_snapshot, SnapshotId=snapshot)

    def _source_by_id(self, image_id: str, region: str, where: str) -> ImageTypeDef:
        filters: list[FilterTypeDef] = [{"Name": "image-id", "Values": [image_id]}]
        with speaking_plainly("finding the source image", region):
            found = call(self._clients.ec2(region).describe_images, Filters=filters)["Images"]
        if found:
            return found[0]
        raise RefusedError(
            where,
            f"there is no image {image_id} in {region} that this account may use",
            f"aws ec2 describe-images --region {region} --image-ids {image_id}",
        )

    def _newest_source(self, source: Source, region: str, where: str) -> ImageTypeDef:
        with speaking_plainly("finding the source image", region):
            found = call(
                self._clients.ec2(region).describe_images,
                Owners=[source.owner],
                Filters=[
                    {"Name": "name", "Values": [source.name]},
                    {"Name": "state", "Values": ["available"]},
                ],
            )["Images"]
        found = sorted(found, key=lambda image: image.get("CreationDate", ""), reverse=True)
        observation = (
            f"aws ec2 describe-images --region {region} --owners {source.owner} "
            f"--filters 'Name=name,Values={source.name}'"
        )
        if not found:
            raise RefusedError(where, f"{source.owner} has no such image in {region}", observation)
        if len(found) > 1 and found[0].get("CreationDate") == found[1].get("CreationDate"):
            equal = " and ".join(
                f"{image['ImageId']} ({image.get('Name', '')})" for image in found[:2]
            )
            raise RefusedError(
                where,
                f"ambiguous: {equal} match and are equally new",
                f"narrow the name; {observation}",
            )
        return found[0]

    def _owned(self, region: str, filters: list[FilterTypeDef]) -> tuple[ObservedImage, ...]:
        with speaking_plainly("listing images", region):
            ec2 = self._clients.ec2(region)
            found = call(ec2.describe_images, Owners=["self"], Filters=filters)["Images"]
        seen = (_seen(image, region) for image in found)
        return tuple(sorted(seen, key=lambda image: image.created, reverse=True))


def _ignoring(codes: frozenset[str], operation: Callable[..., object], **arguments: str) -> None:
    from botocore.exceptions import ClientError

    try:
        call(operation, **arguments)
    except ClientError as error:
        if error_code(error) not in codes:
            raise


def _seen(image: ImageTypeDef, region: str) -> ObservedImage:
    mappings = image.get("BlockDeviceMappings", [])
    snapshots = (mapping.get("Ebs", {}).get("SnapshotId", "") for mapping in mappings)
    return ObservedImage(
        id=image["ImageId"],
        region=region,
        name=image.get("Name", ""),
        state=image.get("State", ""),
        public=image.get("Public", False),
        created=image.get("CreationDate", ""),
        tags={tag["Key"]: tag["Value"] for tag in image.get("Tags", [])},
        snapshots=tuple(snapshot for snapshot in snapshots if snapshot),
        reason=image.get("StateReason", {}).get("Message", ""),
    )
