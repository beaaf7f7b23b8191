"""Keep the fields of a group that moto drops or confuses, and show them in Describe calls."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from local_cloud.scaling import attachments

if TYPE_CHECKING:
    from local_cloud.scaling.model import Group

# Fields that are kept as they are given (API Reference, CreateAutoScalingGroup); of these
# only DefaultInstanceWarmup and MaxInstanceLifetime have a value that removes them.
KEPT = (
    "AvailabilityZoneDistribution",
    "AvailabilityZoneImpairmentPolicy",
    "CapacityRebalance",
    "CapacityReservationSpecification",
    "Context",
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "DeletionProtection",
    "DesiredCapacityType",
    "InstanceLifecyclePolicy",
    "InstanceMaintenancePolicy",
    "MaxInstanceLifetime",
    "PlacementGroup",
    "TerminationPolicies",
)
REMOVES = {"DefaultInstanceWarmup": -1, "MaxInstanceLifetime": 0, "PlacementGroup": ""}
LAUNCH = (
    "ec2_launch_template",
    "launch_config",
    "launch_configuration_name",
    "launch_template_version",
    "mixed_instances_policy",
    "provided_launch_template_version",
)


def connect(group: Group) -> None:
    """Make moto's group show the state of the state machine."""
    settings = group.settings
    settings.local_cloud_group = group
    settings.instance_states = group.members
    settings.created_time = dt.datetime.now(tz=dt.UTC)
    settings.availability_zones = list(dict.fromkeys(settings.availability_zones))
    settings.status = None


def show_sources(group: Group) -> None:
    """Show the same attachments in all three fields (API Reference, AutoScalingGroup)."""
    settings = group.settings
    settings.load_balancer_names = attachments.identifiers(group, "elb")
    settings.target_group_arns = attachments.identifiers(group, "elbv2")
    settings.traffic_sources = [
        {"Identifier": source.identifier, "Type": source.type}
        for source in group.sources
        if source.is_attached
    ]


def set_at_creation(settings: Any, params: dict[str, Any]) -> None:
    """Set the fields of CreateAutoScalingGroup."""
    set_at_update(settings, params)
    if role := params.get("ServiceLinkedRoleARN"):
        settings.service_linked_role_arn = role


def set_at_update(settings: Any, params: dict[str, Any]) -> None:
    """Set the given fields of UpdateAutoScalingGroup."""
    for field in KEPT:
        if field in params:
            given = params[field]
            value = None if REMOVES.get(field, ...) == given else given
            setattr(settings, xform_name(field), value)
    if not settings.termination_policies:
        settings.termination_policies = ["Default"]
    settings.availability_zones = list(dict.fromkeys(settings.availability_zones))


def launch_fields(settings: Any) -> dict[str, Any]:
    """Return the fields that determine what a group launches."""
    return {name: settings.__dict__.get(name) for name in LAUNCH}


def keep_launch(settings: Any, before: dict[str, Any], named: dict[str, Any]) -> None:
    """Keep only the launch settings that an update names, or the old ones if it names none."""
    if named.get("launch_config_name"):
        settings.ec2_launch_template = settings.mixed_instances_policy = None
    elif named.get("launch_template") or named.get("mixed_instances_policy"):
        settings.launch_config = settings.launch_configuration_name = None
    else:
        settings.__dict__.update(before)


# The hooks of LifecycleHookSpecificationList exist before the first instance is launched
# (API Reference, CreateAutoScalingGroup).
def put_hooks(backend: Any, name: str, params: dict[str, Any]) -> None:
    """Create the lifecycle hooks that CreateAutoScalingGroup names."""
    for hook in params.get("LifecycleHookSpecificationList", []):
        made = backend.create_lifecycle_hook(
            name=hook["LifecycleHookName"],
            as_name=name,
            transition=hook["LifecycleTransition"],
            timeout=hook.get("HeartbeatTimeout"),
            result=hook.get("DefaultResult"),
        )
        made.role_arn = hook.get("RoleARN")
        made.notification_target_arn = hook.get("NotificationTargetARN")
        made.notification_metadata = hook.get("NotificationMetadata")
