"""Launch instances of a group from its launch template or launch configuration.

EC2 Auto Scaling User Guide, "Launch templates": $Latest and $Default are resolved at each launch,
and all settings are of that version. moto takes half of them from the default version.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import ASG_NAME_TAG
from moto.core.exceptions import ServiceException
from moto.core.types import Base64EncodedString
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, UnvailableAMIIdError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.utils import convert_tag_spec, filter_iam_instance_profiles, parse_user_data

from local_cloud.scaling.ports import Launched, LaunchRefusedError

if TYPE_CHECKING:
    from local_cloud.scaling.ports import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The arguments of RunInstances."""

    image: str
    instance_type: str
    user_data: Any
    security_groups: list[str]  # to check; `more` has those that moto does not find itself
    key: str | None
    profile: dict[str, str]
    tags: dict[str, dict[str, str]]
    more: dict[str, Any]
    launch_template: dict[str, str] | None = None
    launch_configuration: str | None = None


def recipe(backend: Any, settings: Any) -> Recipe:
    """Return the arguments of a group's next launch, or refuse as EC2 does."""
    try:
        if settings.ec2_launch_template is None:
            return of_configuration(settings)
        return of_template(backend, settings)
    except ServiceException as refusal:
        raise LaunchRefusedError(refusal.message) from refusal


def of_configuration(settings: Any) -> Recipe:
    """Return the arguments from a launch configuration."""
    config = settings.launch_config
    profile = config.iam_instance_profile
    key = "Arn" if profile and profile.startswith("arn:") else "Name"
    return Recipe(
        image=config.image_id,
        instance_type=config.instance_type,
        user_data=config.user_data,
        security_groups=list(config.security_groups),
        key=config.key_name or None,
        profile={key: profile} if profile else {},
        tags={"instance": own_tags(settings)},
        more={
            "launch_config": SimpleNamespace(block_device_mapping_dict=volumes(config)),
            "associate_public_ip": config.associate_public_ip_address,
            "metadata_options": config.metadata_options or {},
            "ebs_optimized": config.ebs_optimized,
        },
        launch_configuration=config.name,
    )


# A mapping may also name an instance store volume (VirtualName) or suppress a device of the image
# (NoDevice): neither is a volume (API Reference, Auto Scaling's BlockDeviceMapping).
def volumes(config: Any) -> list[dict[str, Any]]:
    """Return the mappings of a launch configuration that are EBS volumes, for moto."""
    return [each for each in config.block_device_mapping_dict or [] if "Ebs" in each]


def of_template(backend: Any, settings: Any) -> Recipe:
    """Return the arguments from the group's version of its launch template."""
    template, wanted, override = named_version(backend, settings)
    version = template.get_version(wanted)
    data = version.data
    interface: dict[str, Any] = next(iter(data.get("NetworkInterfaces") or []), {})
    tags = convert_tag_spec(data.get("TagSpecifications") or [])
    named = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
    return Recipe(
        image=override.get("ImageId") or data.get("ImageId") or "",
        instance_type=override.get("InstanceType") or data.get("InstanceType") or "m1.small",
        user_data=encoded(data.get("UserData")),
        security_groups=[
            *(interface.get("Groups") or data.get("SecurityGroupIds") or []),
            *(data.get("SecurityGroups") or []),
        ],
        key=data.get("KeyName"),
        profile=data.get("IamInstanceProfile") or {},
        tags={**tags, "instance": {**tags.get("instance", {}), **own_tags(settings)}},
        more=options(data, interface, template.id, version.number),
        launch_template={**named, "Version": str(version.number)},
    )


def encoded(user_data: Any) -> Base64EncodedString | None:
    """Return user data in moto's type; its templates have either."""
    return user_data if isinstance(user_data, Base64EncodedString) else parse_user_data(user_data)


def named_version(backend: Any, settings: Any) -> tuple[Any, str, dict[str, Any]]:
    """Return the template, its requested version, and the first override."""
    overrides = ((settings.mixed_instances_policy or {}).get("LaunchTemplate") or {}).get(
        "Overrides"
    )
    override: dict[str, Any] = next(iter(overrides or []), {})
    other = override.get("LaunchTemplateSpecification") or {}
    ec2 = backend.ec2_backend
    if other.get("LaunchTemplateName") and not other.get("LaunchTemplateId"):
        template = ec2.get_launch_template_by_name(other["LaunchTemplateName"])
    else:
        name = other.get("LaunchTemplateId") or settings.ec2_launch_template.id
        template = ec2.get_launch_template(name)
    wanted = other.get("Version", "$Default") if other else settings.launch_template_version
    return template, wanted, override


def options(
    data: dict[str, Any], interface: dict[str, Any], template: str, version: int
) -> dict[str, Any]:
    """Return the further arguments of moto's RunInstances from a template."""
    shutdown = data.get("InstanceInitiatedShutdownBehavior")
    monitored = (data.get("Monitoring") or {}).get("Enabled")
    return {
        "launch_template": {"LaunchTemplateId": template, "Version": str(version)},
        "security_group_ids": list(interface.get("Groups") or []),
        "associate_public_ip": interface.get("AssociatePublicIpAddress"),
        "instance_initiated_shutdown_behavior": shutdown,
        "ebs_optimized": data.get("EbsOptimized") or False,
        "disable_api_termination": data.get("DisableApiTermination") or False,
        "monitoring_state": "enabled" if monitored else "disabled",
    }


# "If the launch template specifies an instance tag with a key that is also specified for the Auto
# Scaling group, Amazon EC2 Auto Scaling overrides the value" (API Reference,
# CreateAutoScalingGroup).
def own_tags(settings: Any) -> dict[str, str]:
    """Return the tags that a group gives its instances."""
    return {**settings.get_propagated_tags(), ASG_NAME_TAG: settings.name}


# The references of a launch configuration were checked at its creation.
def check(backend: Any, made: Recipe) -> None:
    """Refuse a launch that EC2 would refuse, in its words."""
    ec2 = backend.ec2_backend
    try:
        check_image(ec2, made.image)
        check_architecture(ec2, made.image, made.instance_type)
    except ServiceException as refusal:
        raise LaunchRefusedError(refusal.message) from refusal
    if made.launch_template:
        if made.key and made.key not in ec2.key_pairs:
            raise LaunchRefusedError(f"The key pair '{made.key}' does not exist")
        for group in made.security_groups:
            check_security_group(ec2, group)
    if made.profile:
        check_profile(backend, made.profile)


def check_image(ec2: Any, image: str | None) -> None:
    """Refuse an AMI that cannot be launched, in EC2's words."""
    found = ec2.amis.get(image)
    if found is None:
        raise InvalidAMIIdError([str(image)])
    if found.state != "available":
        raise UnvailableAMIIdError(str(image))


# The words are those of hashicorp/packer-plugin-amazon#649.
def check_architecture(ec2: Any, image: str, instance_type: str) -> None:
    """Refuse a type that cannot run an AMI, in EC2's words; moto launches it."""
    processor = INSTANCE_TYPES.get(instance_type, {}).get("ProcessorInfo", {})
    able, needed = processor.get("SupportedArchitectures", []), ec2.amis[image].architecture
    if able and needed not in able:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{able[-1]}' of the specified instance type does not match the "
            f"architecture '{needed}' of the specified AMI. Specify an instance type and an AMI "
            "that have matching architectures, and try again. You can use "
            "'describe-instance-types' or 'describe-images' to discover the architecture of the "
            "instance type or AMI.",
        )


def check_security_group(ec2: Any, group: str) -> None:
    """Refuse a security group that does not exist, in EC2's words."""
    if ec2.get_security_group_by_name_or_id(group) is None:
        raise LaunchRefusedError(f"The security group '{group}' does not exist")


def check_profile(backend: Any, profile: dict[str, str]) -> None:
    """Refuse an instance profile that does not exist, in EC2's words."""
    try:
        filter_iam_instance_profiles(
            backend.account_id,
            partition=backend.partition,
            iam_instance_profile_arn=profile.get("Arn"),
            iam_instance_profile_name=profile.get("Name"),
        )
    except ServiceException as refusal:
        field = "name" if profile.get("Name") else "arn"
        named = profile.get("Name") or profile.get("Arn")
        raise LaunchRefusedError(
            f"Value ({named}) for parameter iamInstanceProfile.{field} is invalid. "
            f"Invalid IAM Instance Profile {field.replace('arn', 'ARN')}"
        ) from refusal


def launch(backend: Any, settings: Any, made: Recipe, place: Place) -> Launched:
    """Launch one instance; raise LaunchRefusedError for any failure."""
    try:
        check(backend, made)
        instance = run(backend, settings, made, place)
    except ServiceException as refusal:
        raise LaunchRefusedError(refusal.message) from refusal
    except LaunchRefusedError:
        raise
    except Exception as error:  # every failed launch must show in an activity
        log.exception("a launch of group %s failed", settings.name)
        raise LaunchRefusedError(f"Internal error: {error}") from error
    return Launched(
        instance=instance.id,
        instance_type=instance.instance_type,
        zone=instance.placement.zone,
        subnet=instance.subnet_id,
        launch_template=made.launch_template,
        launch_configuration=made.launch_configuration,
    )


def run(backend: Any, settings: Any, made: Recipe, place: Place) -> Any:
    """Call moto's RunInstances."""
    if place.subnet:
        backend.ec2_backend.get_subnet(place.subnet)  # refuses an unknown one
    reservation = backend.ec2_backend.run_instances(
        made.image,
        1,
        made.user_data,
        [] if made.launch_template else made.security_groups,
        instance_type=made.instance_type,
        is_instance_type_default=False,
        placement=place.zone,
        region_name=backend.region_name,
        subnet_id=place.subnet,
        key_name=made.key,
        tags=made.tags,
        **made.more,
    )
    (instance,) = reservation.instances
    instance.autoscaling_group = settings
    if made.profile:
        backend.ec2_backend.associate_iam_instance_profile(
            instance_id=instance.id,
            iam_instance_profile_name=made.profile.get("Name"),
            iam_instance_profile_arn=made.profile.get("Arn"),
        )
    return instance
