"""Describe the instances that behaviors may be for, from moto's models.

Call these functions under the API's lock.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from local_cloud.behaviors import TAG, BehaviorTarget

GROUP_TAG = "aws:autoscaling:groupName"
ReadTag: TypeAlias = Callable[[str], str | None]


def of_instance(instance: str) -> BehaviorTarget:
    """Return the target of an instance; one that does not exist has nothing but its id."""
    for backend in each(ec2_backends):
        if found := backend.get_instance_by_id(instance):
            return described(found)
    return BehaviorTarget(instance=instance, image="")


def of_many() -> Callable[[str], BehaviorTarget]:
    """Return a faster `of_instance` for many instances: moto searches all to find one."""
    known = {each_.id: each_ for backend in each(ec2_backends) for each_ in backend.all_instances()}
    tag_of_group, tag_of_image = functools.cache(of_group), functools.cache(of_image)

    def find(instance: str) -> BehaviorTarget:
        if instance not in known:
            return BehaviorTarget(instance=instance, image="")
        return described(known[instance], tag_of_group, tag_of_image)

    return find


def described(
    instance: Any, tag_of_group: ReadTag | None = None, tag_of_image: ReadTag | None = None
) -> BehaviorTarget:
    """Return the target of an instance, with the tags of itself, its group and its image."""
    tags = instance.ec2_backend.tags.get(instance.id, {})
    group = tags.get(GROUP_TAG, "")
    inherited = (tag_of_group or of_group)(group), (tag_of_image or of_image)(instance.image_id)
    return BehaviorTarget(
        instance=instance.id,
        image=instance.image_id,
        group=group,
        zone=instance.placement.zone,
        tags=values(tags.get(TAG), *inherited),
    )


def of_launch(*, group: str, image: str, zone: str) -> BehaviorTarget:
    """Return the target of an instance that a group is about to launch."""
    return BehaviorTarget(
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
    """Return the values that are set."""
    return tuple(tag for tag in tags if tag)


def each(backends: Any) -> Iterator[Any]:
    """Yield the backend of every account and region that has been used."""
    for regions in list(backends.values()):
        yield from list(regions.values())
