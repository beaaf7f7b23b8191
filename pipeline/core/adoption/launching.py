"""What a group launches: type, profile, key, security groups, metadata options, monitoring."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
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
from pipeline.core.validation.terraform_values import check_instance_type

_READ: Final = frozenset(
    {
        "BlockDeviceMappings",
        "IamInstanceProfile",
        "ImageId",
        "InstanceRequirements",
        "InstanceType",
        "KeyName",
        "MetadataOptions",
        "Monitoring",
        "NetworkInterfaces",
        "SecurityGroupIds",
        "SecurityGroups",
        "TagSpecifications",
        "UserData",
    }
)
"""Keys of a launch template's data that become inputs, or gaps with words of their own."""
_USUAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "InstanceInitiatedShutdownBehavior": ("stop",),
    "MaintenanceOptions": ({"AutoRecovery": "default"},),
    "Placement": ({"Tenancy": "default"},),
    "CapacityReservationSpecification": (
        {"CapacityReservationPreference": "open"},
        {"CapacityReservationPreference": "default"},
    ),
}
"""What EC2 does without these keys (EC2 API Reference, RequestLaunchTemplateData)."""
_INTERFACE: Final = frozenset({"Groups", "DeviceIndex", "DeleteOnTermination", "NetworkCardIndex"})


def instance_type(running: RunningGroup) -> Part:
    """Return the one instance type of a release.

    A group with several has the one that most of its members have, else the first that it names.
    """
    mixed = running.group.get("MixedInstancesPolicy") or {}
    overrides = (mixed.get("LaunchTemplate") or {}).get("Overrides") or []
    choices = [
        *(_most_common(running) if mixed or "InstanceRequirements" in running.launch else []),
        *(each["InstanceType"] for each in overrides if each.get("InstanceType")),
        running.launch.get("InstanceType", ""),
    ]
    chosen = next(filter(_is_type, choices), "")
    gaps = [*_mixed_gaps(mixed, chosen), *_requirements(running.launch, chosen)]
    return Part(values=present({"instance_type": chosen}), gaps=tuple(gaps))


def _is_type(name: str) -> bool:
    try:
        return bool(check_instance_type(name))
    except ValueError:
        return False


def _most_common(running: RunningGroup) -> list[str]:
    types = (each.get("InstanceType", "") for each in running.group.get("Instances", []))
    return [name for name, _ in Counter(filter(None, types)).most_common()]


def _mixed_gaps(mixed: Described, chosen: str) -> Iterator[Gap]:
    if not mixed:
        return
    template = mixed.get("LaunchTemplate") or {}
    overrides = template.get("Overrides") or []
    parts = {"instances": overrides, "distribution": mixed.get("InstancesDistribution")}
    yield Gap(
        setting="mixed instances",
        group=", ".join(f"{key} {shown(part)}" for key, part in present(parts).items()),
        release=f"launches {chosen or 'one instance type'} on demand only",
    )
    if any(each.get("WeightedCapacity") for each in overrides):
        yield Gap(
            setting="weights",
            group="counts weights as its size",
            release="counts instances: check min_size, max_size and desired_capacity",
        )


def _requirements(launch: Described, chosen: str) -> Iterator[Gap]:
    if required := launch.get("InstanceRequirements"):
        release = f"launches {chosen or 'one instance type'}"
        yield Gap(setting="instance requirements", group=shown(required), release=release)


def instances(running: RunningGroup) -> Part:
    """Return the inputs that describe the instances, without their volumes and user data."""
    launch = running.launch
    if not launch:
        gap = Gap(setting="launch", group=running.source, release="needs its inputs by hand")
        return Part(values={}, gaps=(gap,))
    profile = launch.get("IamInstanceProfile") or {}
    monitoring = (launch.get("Monitoring") or {}).get("Enabled")
    values = {
        "security_group_ids": [each for each in _security_groups(launch) if _is_id(each)],
        "instance_profile": profile.get("Arn") or profile.get("Name"),
        "key_name": launch.get("KeyName"),
        "detailed_monitoring": True if monitoring else None,
        **_metadata(launch.get("MetadataOptions") or {}),
    }
    gaps = [
        *_security_gaps(launch),
        *_metadata_gaps(launch.get("MetadataOptions") or {}),
        *_interface_gaps(launch),
        *other_settings(launch, _READ, _USUAL),
    ]
    return Part(values=present(values), gaps=tuple(gaps))


def _security_groups(launch: Described) -> list[str]:
    interfaces = [each for one in _interfaces(launch)[:1] for each in one.get("Groups") or []]
    named = [*(launch.get("SecurityGroupIds") or []), *(launch.get("SecurityGroups") or [])]
    return list(dict.fromkeys([*named, *interfaces]))


def _is_id(group: str) -> bool:
    return re.fullmatch(r"sg-[0-9a-f]+", group) is not None


def _security_gaps(launch: Described) -> Iterator[Gap]:
    names = [each for each in _security_groups(launch) if not _is_id(each)]
    if names:
        release = "needs ids: add them to security_group_ids"
        yield Gap(setting="security groups", group=", ".join(names), release=release)


def _metadata(options: Described) -> dict[str, Any]:
    hops = options.get("HttpPutResponseHopLimit")
    return {
        "metadata_hop_limit": min(hops, 2) if hops and hops > 1 else None,
        "metadata_tags": True if options.get("InstanceMetadataTags") == "enabled" else None,
    }


def _metadata_gaps(options: Described) -> Iterator[Gap]:
    """Yield what differs of the metadata service; without options, IMDSv1 is allowed.

    The default of the account or the image may require IMDSv2, too (EC2 User Guide, "Configure the
    Instance Metadata Service options").
    """
    if options.get("HttpTokens") != "required":
        yield Gap(
            setting="metadata service",
            group=f"HttpTokens {options.get('HttpTokens') or 'not set'}",
            release="requires IMDSv2: the application must not use IMDSv1",
        )
    if options.get("HttpEndpoint") == "disabled":
        yield Gap(setting="metadata service", group="disabled", release="enables it")
    if options.get("HttpProtocolIpv6") == "enabled":
        yield Gap(setting="metadata service", group="IPv6", release="has IPv4 only")
    if (hops := options.get("HttpPutResponseHopLimit") or 1) > 2:  # noqa: PLR2004 - the module's most
        yield Gap(setting="metadata service", group=f"{hops} hops", release="has 2 hops")


def _interfaces(launch: Described) -> list[Described]:
    return list(launch.get("NetworkInterfaces") or [])


def _interface_gaps(launch: Described) -> Iterator[Gap]:
    for place, each in enumerate(_interfaces(launch)):
        extra = present({key: each[key] for key in each if key not in _INTERFACE})
        if place:
            yield Gap(setting=f"interface {place}", group=shown(each), release="has one interface")
        elif extra:
            release = "has an interface as its subnet says"
            yield Gap(setting="network interface", group=shown(extra), release=release)
