"""Read everything of a region that decides whether an image is unused, and remove unused ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import as_filters, read_tags, read_time
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.aws.inventory.uses import read_configurations, read_uses
from pipeline.adapters.aws.retry import call, error_code, items
from pipeline.core.bake.model import ObservedImage
from pipeline.core.image import TAG_PREFIX, Usage
from pipeline.core.pruning import BinnedImage, RegionImages, Snapshot

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import LaunchPermissionTypeDef

_NO_SNAPSHOT = frozenset({"InvalidSnapshot.NotFound"})
_IN_USE = frozenset({"InvalidSnapshot.InUse"})


class ImageInventory:
    """The images and snapshots of the account's regions."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(self, region: str, app: str) -> RegionImages:
        """Return the images of the account in a region, their uses, and snapshots of the app."""
        uses: dict[str, list[Usage]] = defaultdict(list)
        for ami, found in read_uses(self._clients, region).items():
            uses[ami] += found
        for ami, use in read_configurations(self._clients, region):
            uses[ami].append(use)
        return RegionImages(
            images=Ec2Images(self._clients).all(region),
            uses=uses,
            snapshots=tuple(self._snapshots(region, app)),
            binned=self.binned(region),
        )

    def binned(self, region: str) -> tuple[BinnedImage, ...]:
        """Return the images in the Recycle Bin of a region."""
        ec2 = self._clients.ec2(region)
        with translate_errors("listing the Recycle Bin", region):
            found = items(ec2.list_images_in_recycle_bin, "Images")
            return tuple(
                BinnedImage(
                    id=each["ImageId"],
                    name=each.get("Name", ""),
                    until=_iso(each.get("RecycleBinExitTime")),
                )
                for each in found
            )

    def sharers(self, image: ObservedImage) -> tuple[str, ...]:
        """Return the accounts, organizations and groups that an image or a snapshot is shared with.

        They are named as AWS names them: an account id, an ARN, or `all`.
        """
        ec2 = self._clients.ec2(image.region)
        with translate_errors(f"reading who may use {image.id}", image.region):
            launch = call(
                ec2.describe_image_attribute, ImageId=image.id, Attribute="launchPermission"
            )
            found = [_permitted(each) for each in launch.get("LaunchPermissions", [])]
            for snapshot in image.snapshots:
                found += _snapshot_sharers(ec2, snapshot)
        return tuple(dict.fromkeys(filter(None, found)))

    def delete_snapshot(self, region: str, snapshot: str) -> bool:
        """Delete a snapshot; False if an image uses it. A missing one counts as deleted."""
        from botocore.exceptions import ClientError

        with translate_errors(f"deleting {snapshot}", region):
            try:
                call(self._clients.ec2(region).delete_snapshot, SnapshotId=snapshot)
            except ClientError as error:
                if error_code(error) in _IN_USE:
                    return False
                if error_code(error) not in _NO_SNAPSHOT:
                    raise
        return True

    def _snapshots(self, region: str, app: str) -> Iterator[Snapshot]:
        ec2 = self._clients.ec2(region)
        filters = as_filters({f"tag:{TAG_PREFIX}app": [app]})
        with translate_errors("listing snapshots", region):
            found = items(ec2.describe_snapshots, "Snapshots", OwnerIds=["self"], Filters=filters)
            for each in found:
                yield Snapshot(
                    id=each["SnapshotId"],
                    region=region,
                    description=each.get("Description", ""),
                    started=_iso(each.get("StartTime")),
                    tags=read_tags(each),
                )


def _snapshot_sharers(ec2: EC2Client, snapshot: str) -> Sequence[str]:
    attribute = call(
        ec2.describe_snapshot_attribute, SnapshotId=snapshot, Attribute="createVolumePermission"
    )
    given = attribute.get("CreateVolumePermissions", [])
    return [each.get("UserId") or each.get("Group") or "" for each in given]


def _permitted(each: LaunchPermissionTypeDef) -> str:
    names = (each.get("UserId"), each.get("Group"), each.get("OrganizationArn"))
    return next((str(name) for name in names if name), each.get("OrganizationalUnitArn", ""))


def _iso(said: object) -> str:
    moment = read_time(said)  # type: ignore[arg-type]
    return moment.isoformat(timespec="seconds") if moment else ""
