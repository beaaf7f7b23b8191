"""Patch AMIs: give each the files of an instance, and the states of its creation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.amis import AmisResponse

from local_cloud import behavior_targets
from local_cloud.patches.context import Context
from local_cloud.patches.ec2.published import published
from local_cloud.patches.patching import patch


# An AMI made by CreateImage or RegisterImage from a snapshot has root device type `ebs`
# (EC2 User Guide, "Root volumes for your EC2 instances"). moto has `standard`, a value
# that EC2 does not have, and Packer refuses such an AMI as a source. The device name is that of the
# instance or source AMI; moto names every root device /dev/sda1.
@patch(Ami, "__init__")
def make_ami(original: Callable[..., Any], ami: Any, *arguments: Any, **named: Any) -> None:
    """Make an AMI whose root device is `ebs` and keeps its name."""
    original(ami, *arguments, **named)
    if made_from := named.get("instance") or named.get("source_ami"):
        ami.root_device_name = made_from.root_device_name
        ami.hypervisor = made_from.hypervisor
    if ami.root_device_type == "standard":
        ami.root_device_type = "ebs"
    if ami.owner_alias and not named.get("creation_date"):
        ami.creation_date = published(ami.name)


# DescribeImages finds images by the AMI that they were copied from (EC2 API Reference, filters
# source-image-id and source-image-region); moto does not know these filters. EC2 also gives them to
# an AMI of CreateImage, whose source is the AMI of the instance (User Guide, "AMI ancestry").
@patch(Ami, "get_filter_value")
def filter_value(
    original: Callable[..., Any], ami: Any, name: str, method: str | None = None
) -> Any:
    """Return the value of an image for a filter."""
    if attribute := FILTERS.get(name):
        return attribute(ami)
    return original(ami, name, method)


# EC2 API Reference, DescribeImages: filters that templates use and moto does not know.
FILTERS: dict[str, Callable[[Any], Any]] = {
    "source-image-id": lambda ami: getattr(ami, "source_image_id", None),
    "source-image-region": lambda ami: getattr(ami, "source_image_region", None),
    "creation-date": lambda ami: f"{ami.creation_date:%Y-%m-%dT%H:%M:%S.000Z}",
    "ena-support": lambda _: "true",
    "sriov-net-support": lambda _: "simple",
    "block-device-mapping.volume-type": lambda ami: ami.block_device_mappings[0]["Ebs"][
        "VolumeType"
    ],
}


# DescribeImages shows whether the root volume's snapshot is encrypted (EC2 API Reference,
# data type EbsBlockDevice); moto does not show Encrypted. Its 15 GiB for any size stay unpatched.
# Publishers name a volume type other than gp3 in the name of the image.
@patch(Ami, "block_device_mappings")
def block_device_mappings(original: Callable[..., Any], ami: Any) -> Any:
    """Show whether the snapshot is encrypted, and the type of the volume."""
    mappings = original(ami)
    is_older = "gp2" in (ami.name or "") or "/hvm-ssd/" in (ami.name or "")
    for mapping in mappings:
        mapping["Ebs"]["Encrypted"] = bool(ami.ebs_snapshot.encrypted)
        mapping["Ebs"]["VolumeType"] = "gp2" if is_older else "gp3"
    return mappings


# CreateImage: `pending` until its snapshot is complete; a name is used once per account
# and region (InvalidAMIName.Duplicate); a tag specification may name `snapshot`, for which
# moto raises NotImplementedError; the snapshot of an encrypted volume is encrypted.
@patch(AmiBackend, "create_image")
def create_image(
    context: Context,
    original: Callable[..., Any],
    backend: Any,
    instance_id: str,
    name: str,
    description: str,
    tag_specifications: list[dict[str, Any]],
) -> Any:
    """Make an image of the instance's directory."""
    if {t["ResourceType"] for t in tag_specifications} <= {"image", "snapshot"}:
        check_name(backend, name)  # EC2 checks the parameters first
    of_snapshot = [t for t in tag_specifications if t["ResourceType"] == "snapshot"]
    others = [t for t in tag_specifications if t["ResourceType"] != "snapshot"]
    ami = original(backend, instance_id, name, description, others)
    for specification in of_snapshot:
        ami.ebs_snapshot.add_tags({t["Key"]: t["Value"] for t in specification["Tags"]})
    ami.ebs_snapshot.encrypted = root_is_encrypted(ami.instance)
    ami.source_image_id, ami.source_image_region = ami.instance.image_id, backend.region_name
    longer = context.cloud.behaviors.image_delay(behavior_targets.of_instance(instance_id))
    show_pending(context, ami, context.cloud.host.clock.delays.image + longer)
    settle = partial(show_result, context, ami)
    context.cloud.snapshot(ami.id, instance_id, settle, longer=longer)
    return ami


# CopyImage: `pending` until its snapshot is complete, and the copy has the source's
# contents; encrypted if the source's snapshot is.
@patch(AmiBackend, "copy_image")
def copy_image(
    context: Context,
    original: Callable[..., Any],
    backend: Any,
    source_image_id: str,
    source_region: str,
    name: str | None = None,
    description: str | None = None,
) -> Any:
    """Copy an image from this or another region."""
    ami = original(backend, source_image_id, source_region, name, description)
    source = ec2_backends[backend.account_id][source_region].amis[source_image_id]
    ami.ebs_snapshot.encrypted = bool(source.ebs_snapshot.encrypted)
    ami.source_image_id, ami.source_image_region = source_image_id, source_region
    target = behavior_targets.of_launch(group="", image=source_image_id, zone="")
    longer = context.cloud.behaviors.image_delay(target)
    show_pending(context, ami, context.cloud.host.clock.delays.copy + longer)
    context.cloud.copy(ami.id, source_image_id, partial(show_result, context, ami), longer=longer)
    return ami


def show_pending(context: Context, ami: Any, seconds: float) -> None:
    """Show the image as pending, if that lasts long enough to be seen."""
    ami.state = "pending" if context.cloud.takes_time(seconds) else "available"


def show_result(context: Context, ami: Any, state: str) -> None:
    """Show the final state of the image."""
    with context.lock:
        if ami.state == "pending" or state == "failed":
            ami.state = state
            context.cloud.changed()


# DescribeImages answers in pages if MaxResults is given, which ImageIds exclude (EC2 API
# Reference); moto answers everything at once.
@patch(AmisResponse, "describe_images")
def describe_images_call(original: Callable[..., Any], response: Any) -> Any:
    """Describe one page of images."""
    result = original(response)
    most = int(response._get_param("MaxResults") or 0)  # noqa: SLF001  moto's accessor
    if not most:
        return result
    if response._get_param("ImageIds"):  # noqa: SLF001  the same
        raise EC2ClientError(
            "InvalidParameterCombination",
            "The parameter imageIdsSet cannot be used with the parameter maxResults",
        )
    first = int(response._get_param("NextToken") or 0)  # noqa: SLF001  the same
    images = list(result.result["Images"])
    rest = first + most
    token = str(rest) if rest < len(images) else None
    return ActionResult({"Images": images[first:rest], "NextToken": token})


# CopyImage with Encrypted makes an encrypted copy, and with CopyImageTags one that has the tags of
# the AMI, not those of its snapshots (EC2 API Reference); moto ignores both.
@patch(AmisResponse, "copy_image")
def copy_image_call(original: Callable[..., Any], response: Any) -> Any:
    """Encrypt and tag the copy on request."""
    result = original(response)
    get = response._get_param  # noqa: SLF001  moto's accessor
    copy = response.ec2_backend.amis[result.result["ImageId"]]
    if response._get_bool_param("Encrypted"):  # noqa: SLF001  the same
        copy.ebs_snapshot.encrypted = True
    if response._get_bool_param("CopyImageTags"):  # noqa: SLF001  the same
        region = ec2_backends[copy.ec2_backend.account_id][get("SourceRegion")]
        tags = {tag["key"]: tag["value"] for tag in region.amis[get("SourceImageId")].get_tags()}
        copy.add_tags({key: tags[key] for key in tags if not key.startswith("aws:")})
    return result


# DeregisterImage: no launch can use the image any longer. Its snapshots stay unless
# DeleteAssociatedSnapshots is set (EC2 API Reference); moto ignores that.
@patch(AmiBackend, "deregister_image")
def deregister_image(
    context: Context, original: Callable[..., Any], backend: Any, ami_id: str
) -> None:
    """Delete the files of the image."""
    original(backend, ami_id)
    context.cloud.forget(ami_id)


@patch(AmisResponse, "deregister_image")
def deregister_image_call(original: Callable[..., Any], response: Any) -> Any:
    """Delete the snapshot with the image on request."""
    ami = response.ec2_backend.amis.get(response._get_param("ImageId"))  # noqa: SLF001  moto's accessor
    result = original(response)
    if ami and response._get_bool_param("DeleteAssociatedSnapshots"):  # noqa: SLF001  the same
        response.ec2_backend.delete_snapshot(ami.ebs_snapshot.id)
    return result


def check_name(backend: Any, name: str) -> None:
    """Refuse a name that is taken, in EC2's words."""
    for ami in backend.amis.values():
        if ami.name == name and ami.owner_id == backend.account_id:
            raise EC2ClientError(
                "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {ami.id}"
            )


def root_is_encrypted(instance: Any) -> bool:
    """Return True if the root volume of an instance is encrypted."""
    device = instance.block_device_mapping.get(instance.root_device_name)
    devices = [device] if device else list(instance.block_device_mapping.values())
    volumes = instance.ec2_backend.volumes
    return any(volumes[d.volume_id].encrypted for d in devices if d.volume_id in volumes)
