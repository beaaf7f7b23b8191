"""Who an order may be for, read from moto's models; call these under the API's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from pipeline.sandbox.orders import TAG, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP_TAG = "aws:autoscaling:groupName"


def of_instance(instance: str) -> Subject:
    """Return what an instance is of; nothing but its id if there is none."""
    for backend in each(ec2_backends):
        if found := backend.get_instance_by_id(instance):
            return described(found)
    return Subject(instance=instance, image="")


def described(instance: Any) -> Subject:
    """Describe an instance, with the tags of itself, its group and its image."""
    tags = {tag["key"]: tag["value"] for tag in instance.get_tags()}
    group = tags.get(GROUP_TAG, "")
    return Subject(
        instance=instance.id,
        image=instance.image_id,
        group=group,
        zone=instance.placement.zone,
        tags=values(tags.get(TAG), of_group(group), of_image(instance.image_id)),
    )


def of_launch(*, group: str, image: str, zone: str) -> Subject:
    """Describe an instance that a group is about to launch."""
    return Subject(
        image=image, group=group, zone=zone, tags=values(of_group(group), of_image(image))
    )


def of_group(name: str) -> str | None:
    """Return the value of the tag on a group, if it has one."""
    for backend in each(autoscaling_backends):
        if group := backend.autoscaling_groups.get(name):
            return next((tag["Value"] for tag in group.tags if tag["Key"] == TAG), None)
    return None


def of_image(image: str) -> str | None:
    """Return the value of the tag on an image, if it has one."""
    for backend in each(ec2_backends):
        if image in backend.amis:
            tags = backend.amis[image].get_tags()
            return next((tag["value"] for tag in tags if tag["key"] == TAG), None)
    return None


def values(*tags: str | None) -> tuple[str, ...]:
    """Return the values that are there."""
    return tuple(tag for tag in tags if tag)


def each(backends: Any) -> Iterator[Any]:
    """Yield the backend of every account and region that was used."""
    for regions in list(backends.values()):
        yield from list(regions.values())
