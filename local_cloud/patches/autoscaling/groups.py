"""Share what patches of Auto Scaling groups need: finding a group, answering in pages."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeVar

from moto.autoscaling.exceptions import ValidationError

from local_cloud.patches.autoscaling import pages
from local_cloud.patches.autoscaling.refusals import with_api_errors
from local_cloud.scaling import capacity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_cloud.scaling.model import Group

PAGE, LARGEST_PAGE = 50, 100  # MaxRecords of Auto Scaling's Describe calls
T = TypeVar("T")


def group_named(backend: Any, name: str | None) -> Any:
    """Return a group, or refuse an unknown name in Auto Scaling's words."""
    if name not in backend.autoscaling_groups:
        raise ValidationError(f"AutoScalingGroup name not found - no such group: {name}")
    return backend.autoscaling_groups[name]


def requested_group(response: Any) -> Any:
    """Return the group that a call names."""
    return group_named(response.autoscaling_backend, response._get_param("AutoScalingGroupName"))  # noqa: SLF001  moto's accessor


def requested_groups(response: Any) -> list[Any]:
    """Return the group that a call names, if it exists, or every group if it names none."""
    groups = response.autoscaling_backend.autoscaling_groups
    name = response._get_param("AutoScalingGroupName")  # noqa: SLF001  moto's accessor
    if name is None:
        return list(groups.values())
    return [groups[name]] if name in groups else []


def is_suspended(group: Any, process: str) -> bool:
    """Return True if a process of a group is suspended."""
    return any(each["ProcessName"] == process for each in group.suspended_processes)


def set_capacity(group: Any, desired: int, why: str, more: str = "") -> None:
    """Set the desired capacity; `why` and `more` are the cause of the next activities."""
    own: Group = group.local_cloud_group
    before = group.desired_capacity
    capacity.resize(own, desired, why, dt.datetime.now(tz=dt.UTC))
    if more and desired != before:
        own.requested = f"{own.requested} {more}"


def page(response: Any, everything: Sequence[T]) -> tuple[list[T], str | None]:
    """Return one page and the token of the next."""
    params = {"MaxRecords": PAGE, **response.params}
    shown: tuple[list[T], str | None] = with_api_errors(pages.page)(
        everything, params, LARGEST_PAGE
    )
    return shown
