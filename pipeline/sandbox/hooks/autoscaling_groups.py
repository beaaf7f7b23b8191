"""What the hooks around Auto Scaling groups share: finding a group, answering in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE, LARGEST_PAGE = 50, 100  # MaxRecords of Auto Scaling's Describe calls


def group_named(backend: Any, name: str | None) -> Any:
    """Return a group, or refuse in Auto Scaling's words."""
    if name not in backend.autoscaling_groups:
        raise ValidationError(f"AutoScalingGroup name not found - no such group: {name}")
    return backend.autoscaling_groups[name]


def group_asked(response: Any) -> Any:
    """Return the group that a call names."""
    return group_named(response.autoscaling_backend, response._get_param("AutoScalingGroupName"))  # noqa: SLF001  how moto's responses read parameters


def groups_asked(response: Any) -> list[Any]:
    """Return the group that a call names, if it exists, or every group if it names none."""
    groups = response.autoscaling_backend.autoscaling_groups
    name = response._get_param("AutoScalingGroupName")  # noqa: SLF001  how moto's responses read parameters
    if name is None:
        return list(groups.values())
    return [groups[name]] if name in groups else []


def is_suspended(group: Any, process: str) -> bool:
    """Tell whether a process of a group is suspended."""
    return any(each["ProcessName"] == process for each in group.suspended_processes)


def page(response: Any, everything: Sequence[Any]) -> tuple[list[Any], str | None]:
    """Return one page and the token of the next; both as every Describe call has them."""
    ask = response._get_param  # noqa: SLF001  how moto's responses read parameters
    token, most = ask("NextToken") or "0", int(ask("MaxRecords") or PAGE)
    if not str(token).isdecimal():
        raise AutoscalingClientError("InvalidNextToken", "The NextToken value is not valid.")
    start = int(token)
    end = start + min(most, LARGEST_PAGE)
    return list(everything[start:end]), str(end) if end < len(everything) else None
