"""Patch volumes: block device mappings take missing settings from the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.instances import Instance

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


# A mapping for the image's own root device overrides only the settings it has: without a size and a
# snapshot it keeps the image's (EC2 User Guide, "Block device mappings", overriding the block
# device mapping of an AMI). moto answers MissingParameter, as EC2 does for other devices.
@patch(Instance, "add_block_device")
def add_block_device(
    original: Callable[..., Any],
    instance: Any,
    size: int | None,
    device_path: str,
    snapshot_id: str | None,
    *others: Any,
    **named: Any,
) -> None:
    """Add a volume; a root volume without settings comes from the image's snapshot."""
    image = instance.ec2_backend.amis.get(instance.image_id)
    if not size and not snapshot_id and image and device_path == image.root_device_name:
        snapshot_id = image.ebs_snapshot.id
    original(instance, size, device_path, snapshot_id, *others, **named)
