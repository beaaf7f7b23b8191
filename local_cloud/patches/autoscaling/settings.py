"""Patch metrics, notifications, tags, limits and launch configurations of groups.

Tools that describe a setting after they put it find it unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError

from local_cloud.groups import launch
from local_cloud.patches.autoscaling.groups import group_named, page, requested_group
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.scaling import settings

if TYPE_CHECKING:
    from collections.abc import Callable

# EC2 Auto Scaling API Reference, EnableMetricsCollection.
BASIC_METRICS = (
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
)
METRICS = (
    *BASIC_METRICS,
    *(f"GroupInService{what}" for what in ("Capacity",)),
    *(f"Group{state}Capacity" for state in ("Pending", "Standby", "Terminating", "Total")),
    *(f"WarmPool{what}" for what in ("DesiredCapacity", "WarmedCapacity", "PendingCapacity")),
    *(f"WarmPool{what}" for what in ("TerminatingCapacity", "TotalCapacity")),
    *(f"GroupAndWarmPool{what}" for what in ("DesiredCapacity", "TotalCapacity")),
)
GRANULARITY = "1Minute"
NOTIFICATIONS = tuple(
    f"autoscaling:{what}"
    for what in (
        "EC2_INSTANCE_LAUNCH",
        "EC2_INSTANCE_LAUNCH_ERROR",
        "EC2_INSTANCE_TERMINATE",
        "EC2_INSTANCE_TERMINATE_ERROR",
        "TEST_NOTIFICATION",
    )
)
CONFIGURATIONS_LIMIT = 200  # EC2 Auto Scaling User Guide, "Quotas"


# EnableMetricsCollection: a granularity is required and 1Minute is the only one; without
# names every metric is enabled; names are added to those that are. DisableMetricsCollection
# without names disables all (EC2 Auto Scaling API Reference). moto enables none without
# names, drops the others with names, and cannot disable.
@patch(AutoScalingResponse, "enable_metrics_collection")
def enable_metrics(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Enable metrics of a group."""
    group, param = requested_group(response), response._get_param  # noqa: SLF001  moto's accessor
    if param("Granularity") != GRANULARITY:
        raise ValidationError("Invalid granularity: the only valid value is 1Minute")
    wanted = requested_metrics(response) or METRICS
    group.metrics = [metric for metric in METRICS if metric in {*group.metrics, *wanted}]
    return EmptyResult()


@patch(AutoScalingResponse, "disable_metrics_collection")
def disable_metrics(_original: None, response: Any) -> EmptyResult:
    """Disable metrics of a group."""
    group = requested_group(response)
    unwanted = requested_metrics(response) or METRICS
    group.metrics = [metric for metric in group.metrics if metric not in unwanted]
    return EmptyResult()


def requested_metrics(response: Any) -> list[str]:
    """Return the metrics that a call names."""
    metrics: list[str] = response._get_param("Metrics") or []  # noqa: SLF001  moto's accessor
    if unknown := [metric for metric in metrics if metric not in METRICS]:
        raise ValidationError(f"Invalid metric names: {', '.join(unknown)}")
    return metrics


@patch(AutoScalingResponse, "describe_metric_collection_types")
def describe_metric_types(_original: None, _response: Any) -> ActionResult:
    """List all metrics and granularities."""
    return ActionResult(
        {
            "Metrics": [{"Metric": metric} for metric in METRICS],
            "Granularities": [{"Granularity": GRANULARITY}],
        }
    )


# PutNotificationConfiguration replaces the types of a topic; each type is described by
# itself (EC2 Auto Scaling API Reference). moto does not have these actions. Here no notification is
# sent.
@patch(AutoScalingResponse, "put_notification_configuration")
def put_notification(_original: None, response: Any) -> EmptyResult:
    """Store the notifications of a group for a topic."""
    group, param = requested_group(response), response._get_param  # noqa: SLF001  moto's accessor
    topic, kinds = param("TopicARN"), param("NotificationTypes", [])
    if unknown := [kind for kind in kinds if kind not in NOTIFICATIONS]:
        raise ValidationError(f'"{unknown[0]}" is not a valid Notification Type.')
    if not str(topic).startswith("arn:"):
        raise ValidationError(f"Invalid topic ARN: {topic}")
    settings.of(group).topics[topic] = list(dict.fromkeys(kinds))
    return EmptyResult()


@patch(AutoScalingResponse, "describe_notification_configurations")
def describe_notifications(_original: None, response: Any) -> ActionResult:
    """Describe the notifications of groups, one per topic and type."""
    backend = response.autoscaling_backend
    names = response._get_param("AutoScalingGroupNames", [])  # noqa: SLF001  moto's accessor
    described = [
        {"AutoScalingGroupName": group.name, "TopicARN": topic, "NotificationType": kind}
        for group in backend.autoscaling_groups.values()
        if not names or group.name in names
        for topic, kinds in settings.of(group).topics.items()
        for kind in kinds
    ]
    shown, token = page(response, described)
    return ActionResult({"NotificationConfigurations": shown, "NextToken": token})


@patch(AutoScalingResponse, "delete_notification_configuration")
def delete_notification(_original: None, response: Any) -> EmptyResult:
    """Delete the notifications of a topic."""
    topic = response._get_param("TopicARN")  # noqa: SLF001  moto's accessor
    if settings.of(requested_group(response)).topics.pop(topic, None) is None:
        raise ValidationError(f"No notification configuration found for topic: {topic}")
    return EmptyResult()


@patch(AutoScalingResponse, "describe_auto_scaling_notification_types")
def describe_notification_types(_original: None, _response: Any) -> ActionResult:
    """List all types of notifications."""
    return ActionResult({"AutoScalingNotificationTypes": list(NOTIFICATIONS)})


@patch(AutoScalingResponse, "describe_account_limits")
def describe_limits(context: Context, _original: None, response: Any) -> ActionResult:
    """Return the quotas and numbers of groups and launch configurations."""
    backend = response.autoscaling_backend
    return ActionResult(
        {
            "MaxNumberOfAutoScalingGroups": context.cloud.quotas.limit("groups"),
            "MaxNumberOfLaunchConfigurations": CONFIGURATIONS_LIMIT,
            "NumberOfAutoScalingGroups": len(backend.autoscaling_groups),
            "NumberOfLaunchConfigurations": len(backend.launch_configurations),
        }
    )


# CreateOrUpdateTags and DeleteTags of a group that does not exist are refused (EC2 Auto
# Scaling API Reference); moto fails. DescribeTags has pages; moto's has none.
@patch(AutoScalingBackend, "create_or_update_tags")
def put_tags(original: Callable[..., Any], backend: Any, tags: list[dict[str, Any]]) -> None:
    """Tag groups, all or none."""
    check_tags(backend, tags)
    original(backend, tags)


@patch(AutoScalingBackend, "delete_tags")
def delete_tags(original: Callable[..., Any], backend: Any, tags: list[dict[str, Any]]) -> None:
    """Remove tags of groups, all or none."""
    check_tags(backend, tags)
    original(backend, tags)


def check_tags(backend: Any, tags: list[dict[str, Any]]) -> None:
    """Refuse tags of unknown groups, and tags reserved for AWS."""
    for tag in tags:
        group_named(backend, tag.get("ResourceId"))
        if str(tag["Key"]).lower().startswith("aws:"):
            raise ValidationError(f"Tag keys may not begin with aws: {tag['Key']}")


@patch(AutoScalingResponse, "describe_tags")
def describe_tags(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe the tags of groups, in pages."""
    filters = response._get_param("Filters", [])  # noqa: SLF001  moto's accessor
    for each in filters:
        if each["Name"] == "propagate-at-launch":  # AWS: true, false; moto: True, False
            each["Values"] = [value.title() for value in each["Values"]]
    shown, token = page(response, response.autoscaling_backend.describe_tags(filters=filters))
    return ActionResult({"Tags": shown, "NextToken": token})


# CreateLaunchConfiguration with a name that is taken is AlreadyExists, DeleteLaunchConfiguration
# of one that a group uses is ResourceInUse (EC2 Auto Scaling API Reference, Errors); moto
# replaces and deletes. Accounts made since June 2023 cannot create any; this limit is not modeled.
@patch(AutoScalingResponse, "create_launch_configuration")
def create_configuration(original: Callable[..., Any], response: Any) -> Any:
    """Create a launch configuration, or refuse a used name or an unknown image."""
    param = response._get_param  # noqa: SLF001  moto's accessor
    name, image = param("LaunchConfigurationName"), param("ImageId")
    backend = response.autoscaling_backend
    if name in backend.launch_configurations:
        raise AutoscalingClientError(
            "AlreadyExists",
            "Launch Configuration by this name already exists - A launch configuration already "
            f"exists with the name {name}",
        )
    if image is not None:
        check_image(backend.ec2_backend, image)
    return original(response)


def check_image(ec2: Any, image: str) -> None:
    """Refuse an image that EC2 cannot launch, in Auto Scaling's words."""
    try:
        launch.check_image(ec2, image)
    except EC2ClientError as missing:
        raise ValidationError(f"AMI cannot be described: {image}") from missing


@patch(AutoScalingResponse, "delete_launch_configuration")
def delete_configuration(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Delete a launch configuration, or refuse one that a group uses."""
    backend = response.autoscaling_backend
    name = response._get_param("LaunchConfigurationName")  # noqa: SLF001  moto's accessor
    if name not in backend.launch_configurations:
        raise ValidationError(
            f"Launch configuration name not found - Launch configuration {name} not found"
        )
    for group in backend.autoscaling_groups.values():
        if group.launch_config and group.launch_config.name == name:
            raise AutoscalingClientError(
                "ResourceInUse",
                f"Cannot delete launch configuration {name} because it is attached to "
                f"AutoScalingGroup {group.name}",
            )
    del backend.launch_configurations[name]
    return EmptyResult()


@patch(AutoScalingResponse, "describe_launch_configurations")
def describe_configurations(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe launch configurations, in pages."""
    names = response._get_param("LaunchConfigurationNames", [])  # noqa: SLF001  moto's accessor
    configurations = response.autoscaling_backend.describe_launch_configurations(names)
    shown, token = page(response, configurations)
    return ActionResult({"LaunchConfigurations": shown, "NextToken": token})


# CreateAutoScalingGroup and UpdateAutoScalingGroup check what they launch: a launch
# template, version or image that does not exist is a ValidationError that begins "You must use
# a valid fully-formed launch template." (EC2 Auto Scaling User Guide, "Troubleshoot: launch
# templates"); moto answers with EC2's error or accepts anything. A group has one or the other.
@patch(FakeAutoScalingGroup, "_set_launch_configuration")
def use_configuration(
    original: Callable[..., Any],
    group: Any,
    launch_config_name: str | None,
    launch_template: dict[str, Any] | None,
    mixed_instances_policy: dict[str, Any] | None,
) -> None:
    """Set what a group launches, or refuse what cannot be launched."""
    if launch_config_name and launch_config_name not in (
        group.autoscaling_backend.launch_configurations
    ):
        raise ValidationError(
            "Launch configuration name not found - A launch configuration with the name: "
            f"{launch_config_name} does not exist"
        )
    if launch_template:
        check_template(group.ec2_backend, launch_template)
    original(group, launch_config_name, launch_template, mixed_instances_policy)
    if launch_config_name:
        group.ec2_launch_template = None
    elif launch_template or mixed_instances_policy:
        group.launch_config = None
        group.launch_configuration_name = None


def check_template(ec2: Any, wanted: dict[str, Any]) -> None:
    """Refuse a launch template or version that does not exist; a dry launch checks the rest."""
    given = {key: value for key, value in wanted.items() if value}
    if ("LaunchTemplateId" in given) == ("LaunchTemplateName" in given):
        return  # moto refuses these calls
    try:
        ec2._get_template_from_args({"Version": "$Default", **given})  # noqa: SLF001  moto's accessor
    except EC2ClientError as missing:
        raise ValidationError(
            f"You must use a valid fully-formed launch template. {missing.message}"
        ) from missing
