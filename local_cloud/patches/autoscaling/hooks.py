"""Patch the calls that store and describe lifecycle hooks.

`scaling.lifecycle` holds members with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.autoscaling.groups import requested_group
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

HEARTBEATS = range(30, 7200 + 1)  # PutLifecycleHook: seconds
LONGEST_WAIT = 172800  # 48 hours, or a hundred heartbeats if that is less
TRANSITIONS = ("autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING")
RESULTS = ("CONTINUE", "ABANDON")
OPTIONAL = {
    "RoleARN": "role_arn",
    "NotificationTargetARN": "notification_target_arn",
    "NotificationMetadata": "notification_metadata",
}


# DescribeLifecycleHooks shows a role and a target only where they were given, and a global
# timeout of 48 hours or a hundred heartbeats, whichever is less (EC2 Auto Scaling API
# Reference, data type LifecycleHook). moto invents both, and every plan of Terraform
# removes them.
@patch(LifecycleHook, "__init__")
def make_hook(original: Callable[..., Any], hook: Any, *arguments: Any, **named: Any) -> None:
    """Make a hook without a role and a target."""
    original(hook, *arguments, **named)
    for name in OPTIONAL.values():
        setattr(hook, name, None)
    set_global_timeout(hook)


def set_global_timeout(hook: Any) -> None:
    """Set the longest time that a member can wait."""
    hook.global_timeout = min(LONGEST_WAIT, 100 * hook.heartbeat_timeout)


# PutLifecycleHook creates or updates; when it updates, a parameter that is left out stays as
# it was, an empty target removes the target; a new hook needs a transition; heartbeats are
# 30 to 7200 seconds (EC2 Auto Scaling API Reference).
@patch(AutoScalingResponse, "put_lifecycle_hook")
def put(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Store a lifecycle hook."""
    put_hook(response.autoscaling_backend, requested_group(response), response.params)
    return EmptyResult()


def put_hook(backend: Any, group: Any, given: dict[str, Any]) -> None:
    """Store a lifecycle hook of a group."""
    check(given)
    name = given["LifecycleHookName"]
    known = backend.describe_lifecycle_hooks(group.name, [name])
    if not known and not given.get("LifecycleTransition"):
        raise ValidationError("LifecycleTransition is required for a new lifecycle hook")
    hook: Any = known[0] if known else LifecycleHook(name, group.name, None, None, None)
    hook.local_cloud_group = group
    update(hook, given)
    backend.lifecycle_hooks[f"{group.name}_{name}"] = hook


def check(given: dict[str, Any]) -> None:
    """Refuse invalid settings."""
    transition, result = given.get("LifecycleTransition"), given.get("DefaultResult")
    if transition is not None and transition not in TRANSITIONS:
        raise ValidationError(f"Invalid Lifecycle Transition: {transition}")
    if result is not None and result not in RESULTS:
        raise ValidationError(f"Invalid Lifecycle Action Result: {result}")
    heartbeat = given.get("HeartbeatTimeout")
    if heartbeat is not None and int(heartbeat) not in HEARTBEATS:
        raise ValidationError("Heartbeat timeout must be between 30 and 7200 seconds (inclusive)")


def update(hook: Any, given: dict[str, Any]) -> None:
    """Change the given settings of a lifecycle hook."""
    hook.lifecycle_transition = given.get("LifecycleTransition") or hook.lifecycle_transition
    hook.heartbeat_timeout = int(given.get("HeartbeatTimeout") or hook.heartbeat_timeout)
    hook.default_result = given.get("DefaultResult") or hook.default_result
    for key, name in OPTIONAL.items():
        if key in given:
            setattr(hook, name, given[key] or None)
    set_global_timeout(hook)


# Lifecycle hooks are deleted with their group. In moto they stay and belong to the next group of
# that name.
@patch(AutoScalingBackend, "describe_lifecycle_hooks")
def of_group(
    original: Callable[..., Any],
    backend: Any,
    as_name: str,
    lifecycle_hook_names: list[str] | None = None,
) -> Any:
    """Return the hooks of a group, without those of an earlier group of that name."""
    group = backend.autoscaling_groups.get(as_name)
    return [
        hook
        for hook in original(backend, as_name, lifecycle_hook_names)
        if group is not None and getattr(hook, "local_cloud_group", group) is group  # else stale
    ]


@patch(AutoScalingResponse, "describe_lifecycle_hooks")
def describe(_original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe the lifecycle hooks of a group."""
    hooks_there = response.autoscaling_backend.describe_lifecycle_hooks(
        requested_group(response).name,
        response._get_param("LifecycleHookNames", []),  # noqa: SLF001  moto's accessor
    )
    described = [describe_hook(hook) for hook in hooks_there]
    return ActionResult({"LifecycleHooks": described})


def describe_hook(hook: Any) -> dict[str, Any]:
    """Describe a lifecycle hook as DescribeLifecycleHooks does."""
    optional = {key: getattr(hook, name) for key, name in OPTIONAL.items()}
    return {
        "LifecycleHookName": hook.name,
        "AutoScalingGroupName": hook.auto_scaling_group_name,
        "LifecycleTransition": hook.lifecycle_transition,
        "HeartbeatTimeout": hook.heartbeat_timeout,
        "GlobalTimeout": hook.global_timeout,
        "DefaultResult": hook.default_result,
        **{key: value for key, value in optional.items() if value is not None},
    }


@patch(AutoScalingResponse, "delete_lifecycle_hook")
def delete(_original: Callable[..., Any], response: Any) -> EmptyResult:
    """Delete a lifecycle hook, or refuse an unknown name in Auto Scaling's words."""
    group, name = requested_group(response), response._get_param("LifecycleHookName")  # noqa: SLF001  moto's accessor
    backend = response.autoscaling_backend
    if not backend.describe_lifecycle_hooks(group.name, [name]):
        raise ValidationError(
            f"No Lifecycle Hook found with name: {name} for the group: {group.name}"
        )
    backend.delete_lifecycle_hook(group.name, name)
    return EmptyResult()
