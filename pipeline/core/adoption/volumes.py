"""The volumes of a group's instances: the root volume is an input, others are gaps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pipeline.core.adoption.model import (
    Described,
    Gap,
    Part,
    RunningGroup,
    other_settings,
    present,
    shown,
)

ROOT_DEVICES: Final = ("/dev/xvda", "/dev/sda1")
"""Root devices of the common images, for a group whose image does not exist any more."""
_TYPES: Final = ("gp2", "gp3")
_READ: Final = frozenset(
    {"DeleteOnTermination", "Encrypted", "KmsKeyId", "SnapshotId", "VolumeSize", "VolumeType"}
)
"""What has words of its own; the snapshot of a root volume is its image's."""
_BASELINES: Final[Mapping[str, Mapping[str, Collection[Any]]]] = {
    "gp2": {"Iops": range(100, 16_001)},
    "gp3": {"Iops": (3000,), "Throughput": (125,)},
}
"""What a volume has without a setting; gp2 by its size (EBS User Guide, "General Purpose SSD")."""


def volumes(running: RunningGroup) -> Part:
    """Return the root volume; its device is not set, because it is the new image's."""
    mappings = running.launch.get("BlockDeviceMappings") or []
    root: Described = next((each for each in mappings if _is_root(each, running, mappings)), {})
    others = (each for each in mappings if each is not root)
    ebs = root.get("Ebs") or {}
    values = present({"root_volume": present(_root_volume(ebs))})
    return Part(values=values, gaps=(*_root_gaps(ebs), *map(_other, others)))


def _is_root(each: Described, running: RunningGroup, mappings: list[Described]) -> bool:
    named = {mapping.get("DeviceName") for mapping in mappings}
    likely = next((device for device in ROOT_DEVICES if device in named), None)
    return "Ebs" in each and each.get("DeviceName") == (running.root_device or likely)


def _root_volume(ebs: Described) -> dict[str, Any]:
    kind = ebs.get("VolumeType")
    return {
        "size": ebs.get("VolumeSize"),
        "type": kind if kind in _TYPES else None,
        "encrypted": ebs.get("Encrypted"),
        "kms_key_id": ebs.get("KmsKeyId") if ebs.get("Encrypted") else None,
    }


def _root_gaps(ebs: Described) -> Iterator[Gap]:
    kind = ebs.get("VolumeType") or "gp3"
    if kind not in _TYPES:
        yield Gap(setting="root volume", group=f"type {kind}", release="has type gp3")
    if ebs.get("DeleteOnTermination") is False:
        yield Gap(
            setting="root volume",
            group="stays when its instance ends",
            release="deletes it with its instance",
        )
    if ebs and "Encrypted" not in ebs:
        yield Gap(
            setting="root volume",
            group="encrypted as the image and the account say",
            release="encrypts it; to change that: root_volume.encrypted",
        )
    yield from other_settings(ebs, _READ, _BASELINES.get(kind, {}))


def _other(mapping: Described) -> Gap:
    device = mapping.get("DeviceName", "")
    if "NoDevice" in mapping:
        return Gap(
            setting=f"device {device}",
            group="leaves out the image's",
            release="has the devices of its image",
        )
    rest = {key: value for key, value in mapping.items() if key != "DeviceName"}
    return Gap(
        setting=f"device {device}",
        group=shown(rest),
        release="has the devices of its image: bake it into the image",
    )
