"""Patch launches from a launch template: it supplies what the call leaves out.

Separate from `instances` and from `launch_templates`, which keeps the templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import filter_iam_instance_profiles
from moto.iam.exceptions import NotFoundException

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

Data = dict[str, Any]

DEFAULT_TYPE = "m1.small"
"""EC2 API Reference, RunInstances: the type of a launch that names none."""

# EC2 API Reference, RunInstances: parameters in the call override those of the template.
# moto's name of a parameter -> the template's name, for parameters that moto drops.
SIMPLE = {
    "metadata_options": "MetadataOptions",
    "ebs_optimized": "EbsOptimized",
    "disable_api_stop": "DisableApiStop",
    "disable_api_termination": "DisableApiTermination",
    "instance_initiated_shutdown_behavior": "InstanceInitiatedShutdownBehavior",
}


def template_of(backend: Any, named: Data) -> Data:
    """Return the data of the launch template version that a launch names, if it names one."""
    if not named.get("launch_template"):
        return {}
    version = backend._get_template_from_args(named["launch_template"])  # noqa: SLF001  moto's accessor
    return dict(version.data)


def complete(
    backend: Any, template: Data, image: str, groups: list[str], named: Data
) -> tuple[list[str], Data]:
    """Return a launch's security groups and parameters, completed from a launch template."""
    if not template:
        return groups, named
    check_key(backend, template)
    check_profile(backend, template)
    completed = dict(named)
    for name, key in SIMPLE.items():
        if not completed.get(name) and (value := template.get(key)):
            completed[name] = value
    if template.get("Monitoring", {}).get("Enabled"):
        completed["monitoring_state"] = "enabled"
    zone = template.get("Placement", {}).get("AvailabilityZone")
    if zone and not completed.get("placement") and not completed.get("subnet_id"):
        completed["placement"] = zone
    tags = named.get("tags", {})
    completed["tags"] = {**tags, "volume": tags_of(template, "volume") | tags.get("volume", {})}
    ids = [group for group in groups if group.startswith("sg-")]  # moto would add the template's
    completed["security_group_ids"] = [*ids, *named.get("security_group_ids", [])]
    completed |= interfaces(template, completed) | devices(backend, template, image, named)
    return [group for group in groups if group not in ids], completed


def check_key(backend: Any, template: Data) -> None:
    """Refuse a key pair that does not exist, in EC2's words."""
    key = template.get("KeyName")
    if key and key not in backend.key_pairs:
        raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")


def check_profile(backend: Any, template: Data) -> None:
    """Refuse an instance profile that does not exist, in EC2's words."""
    profile = template.get("IamInstanceProfile", {})
    name, arn = profile.get("Name"), profile.get("Arn")
    try:
        known = filter_iam_instance_profiles(backend.account_id, backend.partition, arn, name)
    except NotFoundException:
        known = None
    if (name or arn) and known is None:
        part = "name" if name else "arn"
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({name or arn}) for parameter iamInstanceProfile.{part} is invalid. "
            f"Invalid IAM Instance Profile {'name' if name else 'ARN'}",
        )


# Network interfaces of a template have the security groups and the setting for a public
# address (EC2 User Guide, "Create a launch template using advanced settings").
def interfaces(template: Data, named: Data) -> Data:
    """Return the network parameters of a launch, for moto."""
    if named.get("nics") or not template.get("NetworkInterfaces"):
        return {}
    nics = [{"DeviceIndex": 0, **nic} for nic in template["NetworkInterfaces"]]
    groups = nics[0].pop("Groups", [])
    return {"nics": nics, "security_group_ids": named.get("security_group_ids") or list(groups)}


# Block devices of the image are overridden by those of the template, and those by the call's,
# each by its device name; there is always a root volume, deleted with its instance by
# default (EC2 User Guide, "Block device mappings").
def devices(backend: Any, template: Data, image: str, named: Data) -> Data:
    """Return the block devices of a launch, for moto."""
    given = [*template.get("BlockDeviceMappings", []), *named.get("block_device_mappings", [])]
    if not template.get("BlockDeviceMappings") or image not in backend.amis:
        return {}
    ami = backend.amis[image]
    size = ami.block_device_mappings[0]["Ebs"]["VolumeSize"]
    root = {"VolumeSize": size, "SnapshotId": ami.ebs_snapshot.id, "DeleteOnTermination": True}
    merged: dict[str, Data] = {ami.root_device_name: root}
    for mapping in given:
        if "Ebs" in mapping:
            device = mapping["DeviceName"]
            merged[device] = merged.get(device, {}) | mapping["Ebs"]
    return {
        "block_device_mappings": [
            {"DeviceName": device, "Ebs": volume} for device, volume in merged.items()
        ]
    }


# The instance profile of a template is that of every instance it launches (EC2 User Guide,
# "Create a launch template using advanced settings"); moto drops it. Not done in
# `complete`, because moto gives a profile to an instance only after its launch.
@patch(InstanceResponse, "run_instances")
def run_instances(original: Callable[..., Any], response: Any) -> Any:
    """Launch instances with the instance profile of their template."""
    result = original(response)
    wanted = response._get_param("LaunchTemplate")  # noqa: SLF001  moto's accessor
    if not wanted or response._get_param("IamInstanceProfile"):  # noqa: SLF001  the same
        return result
    template = template_of(response.ec2_backend, {"launch_template": wanted})
    if profile := template.get("IamInstanceProfile"):
        for instance in result.result.instances:
            response.ec2_backend.associate_iam_instance_profile(
                instance.id, profile.get("Name"), profile.get("Arn")
            )
    return result


def type_of(template: Data, named: Data) -> str:
    """Return the instance type that a launch asks for, or that of its template."""
    given = "" if named.get("is_instance_type_default") else named.get("instance_type")
    return given or template.get("InstanceType") or DEFAULT_TYPE


def tags_of(template: Data, kind: str) -> dict[str, str]:
    """Return the tags that a template gives to what it launches."""
    return {
        tag["Key"]: tag["Value"]
        for specification in template.get("TagSpecifications", [])
        if specification["ResourceType"] == kind
        for tag in specification.get("Tags", [])
    }
