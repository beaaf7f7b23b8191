"""Patch DescribeAutoScalingGroups: its pages stay right while groups are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import FakeAutoScalingGroup, FakeLaunchConfiguration
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.patching import fact
from local_cloud.scaling.errors import RefusedRequestError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable


PAGE, LARGEST = 50, 100  # MaxRecords (API Reference, DescribeAutoScalingGroups)


# Each group that exists throughout is described once, even if others are deleted between two pages.
# moto's token is the name of the last group shown; if that group was deleted, moto answers 500.
@answers(AutoScalingResponse, "describe_auto_scaling_groups")
def describe(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe the requested groups, oldest first."""
    params = response.params
    count = int(params.get("MaxRecords") or PAGE)
    if count > LARGEST:
        raise invalid(
            f"1 validation error detected: Value '{count}' at 'maxRecords' failed to satisfy "
            f"constraint: Member must have value less than or equal to {LARGEST}"
        )
    requested = response.autoscaling_backend.describe_auto_scaling_groups(
        params.get("AutoScalingGroupNames") or [], filters=params.get("Filters")
    )
    after = place(params.get("NextToken"))
    rest = [group for group in sorted(requested, key=age) if after is None or age(group) > after]
    token = "/".join(map(str, age(rest[count - 1]))) if len(rest) > count else None
    return ActionResult({"AutoScalingGroups": rest[:count], "NextToken": token})


def age(group: Any) -> tuple[float, str]:
    """Return the sort key of a group: its creation time and its name."""
    return group.created_time.timestamp(), group.name


def place(token: str | None) -> tuple[float, str] | None:
    """Return the age of the last group of the previous page, or refuse an invalid token."""
    if not token:
        return None
    created, _, name = token.partition("/")
    try:
        return float(created), name
    except ValueError as error:
        raise RefusedRequestError("InvalidNextToken", f"The token '{token}' is invalid.") from error


# Keys that AWS answers for every group and launch configuration, with its defaults (API Reference).
@fact(FakeAutoScalingGroup, "AvailabilityZoneDistribution")
def zone_distribution(_group: Any) -> dict[str, str]:
    """Return the default: launch in another zone if one has no capacity."""
    return {"CapacityDistributionStrategy": "balanced-best-effort"}


@fact(FakeAutoScalingGroup, "CapacityReservationSpecification")
def capacity_reservation(_group: Any) -> dict[str, str]:
    """Return the default: what the launch template says."""
    return {"CapacityReservationPreference": "default"}


@fact(FakeLaunchConfiguration, "KernelId")
def kernel_id(configuration: Any) -> str:
    """Return the kernel, or an empty text."""
    return configuration.kernel_id or ""


@fact(FakeLaunchConfiguration, "RamdiskId")
def ramdisk_id(configuration: Any) -> str:
    """Return the RAM disk, or an empty text."""
    return configuration.ramdisk_id or ""


@fact(FakeLaunchConfiguration, "ClassicLinkVPCSecurityGroups")
def classic_link_groups(_configuration: Any) -> list[str]:
    """Return none: EC2-Classic is retired."""
    return []
