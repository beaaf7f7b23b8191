"""Every change this cloud makes to moto, in one place.

Each hook has a comment that names the AWS behaviour it restores and where AWS
documents it. A hook gets moto's own method first and calls it unless it replaces it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from local_cloud.cloud import Cloud
    from local_cloud.patches.autoscaling.regions import Regions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hook:
    """A method of a moto class and what runs in its place, or one that moto lacks."""

    owner: type
    name: str
    instead: Callable[..., Any]  # (original, self, *arguments); original: None if moto has none


def replace(owner: type, **instead: Callable[..., Any]) -> list[Hook]:
    """Return the hooks of a class, each by the name of the method it replaces."""
    return [Hook(owner=owner, name=name, instead=one) for name, one in instead.items()]


def install(cloud: Cloud, lock: AbstractContextManager[Any]) -> Callable[[], None]:
    """Put every hook in; return what takes them out again."""
    from local_cloud.balancers.sync import Follower  # noqa: PLC0415  moto is slow to import
    from local_cloud.patches.autoscaling.regions import Regions  # noqa: PLC0415  the same

    regions = Regions(cloud=cloud)
    cloud.followers.append(regions.follow)
    cloud.periodic.append(regions.step)
    hooks = every(cloud, lock, regions)
    carry = Follower(cloud=cloud)  # after the groups: it carries what they decided
    cloud.followers.append(carry)
    cloud.followers.append(functools.partial(regions.settle, carry))
    return remembering(put_in(hooks))


def every(cloud: Cloud, lock: AbstractContextManager[Any], regions: Regions) -> list[Hook]:
    """Return all hooks there are."""
    from local_cloud.patches import after, cloudwatch, s3, unanswered  # noqa: PLC0415  moto is slow to import
    from local_cloud.patches.autoscaling import (  # noqa: PLC0415  moto is slow to import
        activities,
        described,
        group_calls,
        members,
        policies,
        schedules,
        settings,
        sources,
    )
    from local_cloud.patches.autoscaling import hooks as autoscaling_hooks  # noqa: PLC0415  the same
    from local_cloud.patches.ec2 import (  # noqa: PLC0415  moto is slow to import
        images,
        instances,
        launch_templates,
        security_groups,
        template_launches,
        volumes,
    )
    from local_cloud.patches.elb import classic, classic_members, elbv2, elbv2_targets  # noqa: PLC0415  moto is slow to import

    return [
        *instances.hooks(cloud, lock),
        *images.hooks(cloud, lock),
        *launch_templates.hooks(),
        *template_launches.hooks(),
        *group_calls.hooks(regions),
        *members.hooks(regions),
        *sources.hooks(regions),
        *activities.hooks(regions),
        *described.hooks(),
        *settings.hooks(),
        *autoscaling_hooks.hooks(),
        *policies.hooks(),
        *schedules.hooks(cloud),
        *cloudwatch.hooks(),
        *classic.hooks(cloud),
        *classic_members.hooks(cloud),
        *elbv2.hooks(cloud, lock),
        *elbv2_targets.hooks(cloud),
        *unanswered.hooks(),
        *security_groups.hooks(),
        *volumes.hooks(),
        *s3.hooks(),
        *after.hooks(cloud),
    ]


def remembering(take_out: Callable[[], None]) -> Callable[[], None]:
    """Have moto list the methods of a class once, not at every call, until the hooks are out."""
    responses: Any = importlib.import_module("moto.core.responses")  # moto is slow to import
    original = responses.method_names_from_class
    responses.method_names_from_class = functools.cache(original)

    def forget() -> None:
        responses.method_names_from_class = original
        take_out()

    return forget


def put_in(hooks: Iterable[Hook]) -> Callable[[], None]:
    """Replace methods, keeping their names and signatures to those who look."""
    originals = []
    for hook in hooks:
        original = hook.owner.__dict__.get(hook.name)
        originals.append((hook.owner, hook.name, original))
        if isinstance(original, property):
            getter = functools.partial(hook.instead, original.fget)
            replaced: Any = property(getter, original.fset)
        else:
            replaced = method(original, hook.instead)
        setattr(hook.owner, hook.name, replaced)

    def take_out() -> None:
        for owner, name, original in reversed(originals):
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

    return take_out


def method(original: Callable[..., Any] | None, instead: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that runs `instead` and hands it the original."""

    @functools.wraps(original or instead)
    def hooked(self: object, *arguments: object, **named: object) -> object:
        return instead(original, self, *arguments, **named)

    return hooked
