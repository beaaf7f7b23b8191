"""Patch RegisterImage and CreateSnapshot: an AMI of a snapshot has the files of that snapshot.

A snapshot of a root volume has the files of its instance, one that an AMI owns those of the AMI.
Data volumes are stored without files, so the AMI that `amazon-ebssurrogate` registers is a bare
one, and the console of its instances says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses.amis import AmisResponse

from local_cloud.patches.context import Context
from local_cloud.patches.ec2 import image_settings
from local_cloud.patches.ec2.images import check_name
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


# CreateSnapshot: a snapshot has what was written to the volume until then (EC2 API Reference).
@patch(EBSBackend, "create_snapshot")
def create_snapshot(
    context: Context,
    original: Callable[..., Any],
    backend: Any,
    volume_id: str,
    *arguments: Any,
    **named: Any,
) -> Any:
    """Snapshot the directory of an instance with its root volume."""
    snapshot = original(backend, volume_id, *arguments, **named)
    attachment = backend.volumes[volume_id].attachment
    if attachment and is_root(attachment):
        snapshot.has_files = True
        context.cloud.snapshot(snapshot.id, attachment.instance.id, lambda _state: None)
    return snapshot


def is_root(attachment: Any) -> bool:
    """Return True if a volume is the root volume of its instance."""
    volumes = attachment.instance.block_device_mapping
    return attachment.device == attachment.instance.root_device_name or len(volumes) == 1


@patch(EBSBackend, "delete_snapshot")
def delete_snapshot(
    context: Context, original: Callable[..., Any], backend: Any, snapshot_id: str
) -> Any:
    """Delete the files of a snapshot with it."""
    deleted = original(backend, snapshot_id)
    if getattr(deleted, "has_files", False):
        context.cloud.forget(snapshot_id)
    return deleted


# RegisterImage registers a snapshot of a root device volume; its parameters are those of the AMI
# (EC2 API Reference). moto keeps the name only, and makes a snapshot of its own.
@patch(AmisResponse, "register_image")
def register_image(context: Context, original: Callable[..., Any], response: Any) -> Any:
    """Register an AMI with its settings, its root snapshot and that snapshot's files."""
    asked, backend = response._get_param, response.ec2_backend  # noqa: SLF001  moto's accessor
    snapshot = root_snapshot(backend, asked("RootDeviceName"), asked("BlockDeviceMappings") or [])
    imds = asked("ImdsSupport")
    supported = image_settings.supported(imds) if imds else None
    check_name(backend, image_settings.parameter(response, "Name"))
    answer: Any = original(response)
    ami = backend.amis[answer.result["ImageId"]]
    ami.architecture = asked("Architecture") or "i386"
    ami.virtualization_type = asked("VirtualizationType") or "paravirtual"
    ami.root_device_name = asked("RootDeviceName") or ami.root_device_name
    ami.hypervisor, ami.imds_support, ami.boot_mode = "xen", supported, asked("BootMode")
    for specification in asked("TagSpecifications") or []:
        ami.add_tags({tag["Key"]: tag["Value"] for tag in specification["Tags"]})
    if snapshot:
        take(context, backend, ami, snapshot)
    return answer


def root_snapshot(backend: Any, root: str | None, mappings: list[dict[str, Any]]) -> Any:
    """Return the snapshot of the root device, or None; refuse one that does not exist."""
    named = {each["DeviceName"]: each.get("Ebs", {}).get("SnapshotId") for each in mappings}
    for snapshot in filter(None, named.values()):
        if snapshot not in backend.snapshots:
            message = f"The snapshot '{snapshot}' does not exist."
            raise EC2ClientError("InvalidSnapshot.NotFound", message)
    chosen = named.get(root) if root else next(iter(named.values()), None)
    return backend.snapshots[chosen] if chosen else None


def take(context: Context, backend: Any, ami: Any, snapshot: Any) -> None:
    """Give an AMI its snapshot in place of moto's, and the files of it."""
    own, ami.ebs_snapshot = ami.ebs_snapshot, snapshot
    backend.snapshots.pop(own.id)
    owner, snapshot.from_ami = snapshot.from_ami, snapshot.from_ami or ami.id
    if owner in backend.amis:
        context.cloud.copy(ami.id, owner, lambda _state: None)
    elif getattr(snapshot, "has_files", False):
        context.cloud.copy(ami.id, snapshot.id, lambda _state: None)
    else:
        context.cloud.host.images.without_files.add(ami.id)
