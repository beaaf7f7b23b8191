"""Read a group that runs already, with all that belongs to it, for its adoption.

The values stay as AWS describes them: `core.adoption` decides what each of them means. Only a
launch configuration gets the keys of a launch template, so that both are read the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.adapters.aws.balancing.balancer_settings import describe
from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.ec2 import read_instances
from pipeline.adapters.aws.group_parsing import launch_source, parse_group
from pipeline.adapters.aws.retry import call, error_code, items
from pipeline.core import commands
from pipeline.core.adoption.model import Described, RunningGroup
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer

_TRANSLATED: Final = frozenset(
    {
        "AssociatePublicIpAddress",
        "CreatedTime",
        "IamInstanceProfile",
        "InstanceMonitoring",
        "LaunchConfigurationARN",
        "LaunchConfigurationName",
        "SecurityGroups",
        "SpotPrice",
    }
)
"""Keys of a launch configuration that have another form in a launch template, or none."""


def read_running_group(clients: Clients, region: str, name: str) -> RunningGroup:
    """Return the group of this name; raises RefusedError if there is none, or without permission.

    Its calls only read. A launch template or image that does not exist any more is empty.
    """
    with translate_errors(f"reading the group {name}", region):
        client: Any = clients.autoscaling(region)
        group = _read_group(client, name, region)
        source, launch = _read_launch(clients, region, group)
        named = {"AutoScalingGroupName": name}
        notifications = items(
            client.describe_notification_configurations,
            "NotificationConfigurations",
            AutoScalingGroupNames=[name],
        )
        return RunningGroup(
            group=group,
            launch=launch,
            source=source,
            root_device=_root_device(clients.ec2(region), launch.get("ImageId", "")),
            drain_seconds=_drain_seconds(clients, region, group),
            policies=tuple(items(client.describe_policies, "ScalingPolicies", **named)),
            schedules=tuple(
                items(client.describe_scheduled_actions, "ScheduledUpdateGroupActions", **named)
            ),
            hooks=tuple(call(client.describe_lifecycle_hooks, **named)["LifecycleHooks"]),
            notifications=tuple(notifications),
        )


def read_image(clients: Clients, region: str, running: RunningGroup) -> str:
    """Return the AMI of a group; empty if it is unknown.

    A launch template may name a parameter instead (`resolve:ssm:...`): then it is the AMI of most
    members. Raises RefusedError.
    """
    named = str(running.launch.get("ImageId", ""))
    members = [each["InstanceId"] for each in running.group.get("Instances", [])]
    if named.startswith("ami-") or not members:
        return named if named.startswith("ami-") else ""
    with translate_errors(f"reading the instances of {running.name}", region):
        found = read_instances(clients.ec2(region), {"instance-id": members})
        counted = Counter(str(each.get("ImageId", "")) for each in found)
    return counted.most_common(1)[0][0] if counted else ""


def _read_group(client: Any, name: str, region: str) -> Described:
    found = call(client.describe_auto_scaling_groups, AutoScalingGroupNames=[name])
    for each in found["AutoScalingGroups"]:
        described: Described = each
        return described
    listing = commands.aws(
        "autoscaling",
        "describe-auto-scaling-groups",
        {"region": region, "query": "AutoScalingGroups[].AutoScalingGroupName"},
    )
    raise RefusedError(
        f"group {name}", f"does not exist in {region}", f"list the groups: {listing}"
    )


def _read_launch(clients: Clients, region: str, group: Described) -> tuple[str, Described]:
    """Return the name of what the group launches, and its data."""
    template, version = launch_source(group)
    if group.get("LaunchConfigurationName") == template:
        client: Any = clients.autoscaling(region)
        found = call(client.describe_launch_configurations, LaunchConfigurationNames=[template])
        listed = found["LaunchConfigurations"]
        return f"launch configuration {template}", as_launch_template(listed[0]) if listed else {}
    return _read_template(clients.ec2(region), template, version or "$Default")


def _read_template(ec2: Any, template: str, version: str) -> tuple[str, Described]:
    """Return a version of a launch template; `$Latest` and `$Default` as the number they mean."""
    from botocore.exceptions import ClientError

    which = {"LaunchTemplateId" if template.startswith("lt-") else "LaunchTemplateName": template}
    try:
        found = call(ec2.describe_launch_template_versions, **which, Versions=[version])
    except ClientError as error:
        if error_code(error).startswith("InvalidLaunchTemplate"):
            return f"launch template {template}, which does not exist any more", {}
        raise
    [one] = found["LaunchTemplateVersions"]
    name, number = one["LaunchTemplateName"], one["VersionNumber"]
    return f"launch template {name} version {number}", one["LaunchTemplateData"]


def as_launch_template(configuration: Described) -> Described:
    """Return a launch configuration with the keys of a launch template's data.

    Without InstanceMonitoring, instances have detailed monitoring (API Reference,
    CreateLaunchConfiguration).
    """
    profile, price = configuration.get("IamInstanceProfile"), configuration.get("SpotPrice")
    public = configuration.get("AssociatePublicIpAddress")
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": public}
    spot = {"MarketType": "spot", "SpotOptions": {"MaxPrice": price}}
    kept = {key: value for key, value in configuration.items() if key not in _TRANSLATED}
    return {
        **{key: value for key, value in kept.items() if value not in ("", [], None, "default")},
        "Monitoring": configuration.get("InstanceMonitoring") or {"Enabled": True},
        "SecurityGroupIds": list(configuration.get("SecurityGroups") or []),
        **({"IamInstanceProfile": _profile(profile)} if profile else {}),
        **({"InstanceMarketOptions": spot} if price else {}),
        **({"NetworkInterfaces": [interface]} if public is not None else {}),
    }


def _profile(name: str) -> Mapping[str, str]:
    return {"Arn" if name.startswith("arn:") else "Name": name}


def _root_device(ec2: Any, image: str) -> str:
    """Return the root device of an image; empty if it does not exist any more."""
    if not image.startswith("ami-"):
        return ""
    from botocore.exceptions import ClientError

    try:
        found = call(ec2.describe_images, ImageIds=[image])["Images"]
    except ClientError as error:
        if error_code(error).startswith("InvalidAMIID"):
            return ""
        raise
    return str(found[0].get("RootDeviceName", "")) if found else ""


def _drain_seconds(clients: Clients, region: str, group: Described) -> int | None:
    """Return the longest deregistration delay of the group's load balancers, in seconds."""
    balancers = _balancers(sorted(parse_group(group).attached))
    delays = [each.drain_seconds for each in describe(clients, region, balancers)]
    return int(max(delays)) if delays else None


def _balancers(identifiers: Sequence[str]) -> list[Balancer]:
    return [
        Balancer(kind="elbv2" if ":targetgroup/" in each else "elb", identifier=each, name=each)
        for each in identifiers
        if ":targetgroup/" in each or not each.startswith("arn:")
    ]
