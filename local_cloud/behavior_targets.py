"""Who an order may be for, read from moto's models; call these under the API's lock."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends

from local_cloud.behaviors import TAG, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP_TAG = "aws:autoscaling:groupName"


def of_instance(instance: str) -> Subject:
    """Return what an instance is of; nothing but its id if there is none."""
    for backend in each(ec2_backends):
        if found := backend.get_instance_by_id(instance):
            return described(found)
    return Subject(instance=instance, image="")


def everyone() -> Callable[[str], Subject]:
    """Return `of_instance` for many at once: moto looks at every instance to find one."""
    known = {each_.id: each_ for backend in each(ec2_backends) for each_ in backend.all_instances()}
    tag_of_group, tag_of_image = functools.cache(of_group), functools.cache(of_image)

    def find(instance: str) -> Subject:
        if instance not in known:
            return Subject(instance=instance, image="")
        return described(known[instance], tag_of_group, tag_of_image)

    return find


Tag: TypeAlias = Callable[[str], str | None]


def described(
    instance: Any, tag_of_group: Tag | None = None, tag_of_image: Tag | None = None
) -> Subject:
    """Describe an instance, with the tags of itself, its group and its image."""
    tags = instance.ec2_backend.tags.get(instance.id, {})
    group = tags.get(GROUP_TAG, "")
    found = (tag_of_group or of_group)(group), (tag_of_image or of_image)(instance.image_id)
    return Subject(
        instance=instance.id,
        image=instance.image_id,
        group=group,
        zone=instance.placement.zone,
        tags=values(tags.get(TAG), *found),
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
