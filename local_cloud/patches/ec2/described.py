"""Patch what EC2 describes: keys that AWS answers and moto leaves out.

Their values are those of recorded answers of AWS for a Linux instance on Nitro that asks for
nothing special (`make recorded-shapes` compares the keys). Terraform and scripts read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.amis import Ami
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstancePlacement

from local_cloud.patches.patching import fact, patch

if TYPE_CHECKING:
    from collections.abc import Callable

CONSTANT: dict[type, dict[str, Any]] = {
    Instance: {
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "CurrentInstanceBootMode": "legacy-bios",
        "EnaSupport": True,
        "EnclaveOptions": {"Enabled": False},
        "MaintenanceOptions": {"AutoRecovery": "default", "RebootMigration": "default"},
        "NetworkPerformanceOptions": {"BandwidthWeighting": "default"},
        "Operator": {"Managed": False},
        "PlatformDetails": "Linux/UNIX",
        "SriovNetSupport": None,
        "UsageOperation": "RunInstances",
    },
    Ami: {
        "EnaSupport": True,
        "PlatformDetails": "Linux/UNIX",
        "SriovNetSupport": "simple",
        "UsageOperation": "RunInstances",
    },
    BlockDeviceType: {"EbsCardIndex": 0},
    NetworkInterface: {"Operator": {"Managed": False}},
}


def constant(value: Any) -> Any:
    """Return a function that returns the value."""
    return lambda _: value


for owner, keys in CONSTANT.items():
    for key, value in keys.items():
        said = constant(value)
        said.__module__ = __name__
        fact(owner, key)(said)


# The quota of vCPUs counts these (EC2 User Guide, "CPU options").
@fact(Instance, "CpuOptions")
def cpu_options(instance: Any) -> dict[str, int]:
    """Return the cores and threads of the instance's type."""
    cpu = INSTANCE_TYPES.get(instance.instance_type, {}).get("VCpuInfo", {})
    threads = cpu.get("DefaultThreadsPerCore", 1)
    cores = cpu.get("DefaultCores", cpu.get("DefaultVCpus", 1) // threads)
    return {"CoreCount": cores, "ThreadsPerCore": threads}


@fact(Instance, "HibernationOptions")
def hibernation_options(instance: Any) -> dict[str, bool]:
    """Return whether the launch asked for hibernation."""
    asked = (instance.hibernation_options or {}).get("Configured")
    return {"Configured": str(asked).lower() == "true"}


@fact(Instance, "UsageOperationUpdateTime")
def usage_operation_update_time(instance: Any) -> Any:
    """Return the time of the launch."""
    return instance.launch_time


@fact(Instance, "PrivateDnsNameOptions")
def private_dns_name_options(_instance: Any) -> dict[str, Any]:
    """Return the defaults: names by address, no records by id."""
    record = "EnableResourceNameDns"
    return {"HostnameType": "ip-name", f"{record}ARecord": False, f"{record}AAAARecord": False}


# moto names the address of an interface, but no name of each of its addresses.
@patch(NetworkInterface, "instance_private_ip_address_list")
def named_addresses(original: Callable[..., Any], interface: Any) -> list[dict[str, Any]]:
    """Return the private addresses with their names."""
    addresses: list[dict[str, Any]] = original(interface)
    return [{**each, "PrivateDnsName": interface.private_dns_name} for each in addresses]


@fact(InstancePlacement, "AvailabilityZoneId")
def availability_zone_id(placement: Any) -> str | None:
    """Return the id of the zone, which is the same in every account."""
    zones = (zone for each in RegionsAndZonesBackend.zones.values() for zone in each)
    return next((zone.zone_id for zone in zones if zone.name == placement.zone), None)


@fact(Ami, "ImageLocation")
def image_location(ami: Any) -> str:
    """Return the owner and the name (EC2 API Reference, Image.ImageLocation)."""
    return ami.image_location or f"{ami.owner_id}/{ami.name}"


# Encryption without a named key is by the key aws/ebs of the account (EC2 User Guide, "EBS
# encryption").
@fact(Snapshot, "KmsKeyId")
def kms_key_id(snapshot: Any) -> str | None:
    """Return the ARN of the key of an encrypted snapshot."""
    if not snapshot.encrypted or snapshot.kms_key_id:
        return snapshot.kms_key_id  # type: ignore[no-any-return]  # moto's attribute
    backend = snapshot.ec2_backend
    where = f"{backend.partition}:kms:{backend.region_name}:{backend.account_id}"
    return f"arn:{where}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
