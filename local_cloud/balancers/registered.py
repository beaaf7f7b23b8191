"""Describe registered instances and addresses in the types of the plan."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from local_cloud.traffic.plan import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.behaviors import Answers

REACHABLE = {"pending", "running"}
GONE = {"shutting-down", "terminated"}
EVERY_ZONE = "all"  # ELBv2's word for an address outside the VPC of its target group


def of_instance(instance: Any, port: int, answers: Callable[[str], Answers]) -> Member:
    """Return a registered instance."""
    return Member(
        id=instance.id,
        port=port,
        address=instance.private_ip if instance.state in REACHABLE else None,
        zone=str(instance.availability_zone),
        state=instance.state,
        answers=answers(instance.id),
    )


def of_address(ec2: Any, vpc: str, target: dict[str, Any], port: int) -> Member:
    """Return a registered address; addresses of instances here are in no subnet."""
    address = str(target["Id"])
    everywhere = target.get("AvailabilityZone") == EVERY_ZONE
    zone = EVERY_ZONE if everywhere else zone_of(ec2, vpc, address)
    return Member(id=address, port=port, address=address, zone=zone)


def zone_of(ec2: Any, vpc: str, address: str) -> str:
    """Return the zone of the instance, or of the subnet, that has an address."""
    for instance in ec2.all_instances():
        if instance.private_ip == address and instance.state not in GONE:
            return str(instance.availability_zone)
    for subnet in ec2.describe_subnets():
        if subnet.vpc_id == vpc and contains(subnet.cidr_block, address):
            return str(subnet.availability_zone)
    return EVERY_ZONE


def contains(block: str, address: str) -> bool:
    """Return True if an address is in a block; False if it is not an IP address."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(block)
    except ValueError:
        return False


def is_gone(instances: dict[str, Any], instance: str) -> bool:
    """Return True if an instance is terminated or does not exist."""
    return instance not in instances or instances[instance].state in GONE
