"""Patch the calls that create, update, resize and delete groups.

The Describe calls still read moto's groups. The state machine (`scaling`) changes them after the
call, over time.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import EmptyResult

from local_cloud.patches.autoscaling import checks, fields
from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.autoscaling.sources import attach_at_creation
from local_cloud.patches.context import Context
from local_cloud.scaling import attachments, capacity, processes, retries
from local_cloud.scaling import group as groups
from local_cloud.scaling.errors import RefusedRequestError, invalid
from local_cloud.scaling.model import Group

if TYPE_CHECKING:
    from collections.abc import Callable


LAUNCH_SETTINGS = ("launch_config_name", "launch_template", "mixed_instances_policy")


# The fields of CreateAutoScalingGroup that moto drops, TrafficSources and
# LifecycleHookSpecificationList among them (API Reference, CreateAutoScalingGroup).
@answers(AutoScalingResponse, "create_auto_scaling_group")
def create_call(context: Context, original: Callable[..., Any], response: Any) -> Any:
    """Create a group with all settings of the call."""
    backend, params = response.autoscaling_backend, response.params
    name = params["AutoScalingGroupName"]
    checks.check_sources(backend, params)
    result = original(response)
    group = context.regions.of(backend).groups[name]
    fields.set_at_creation(group.settings, params)
    attach_at_creation(group, params)
    fields.put_hooks(backend, name, params)
    return result


# CreateAutoScalingGroup: AlreadyExists for a name that is taken, also by a group that is
# being deleted; the sizes and the launch template are validated (User Guide, "Create a
# launch template"); HealthCheckGracePeriod is 0 if not named (API Reference). moto replaces
# the old group and takes anything.
@answers(AutoScalingBackend, "create_auto_scaling_group")
def create(
    context: Context, original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Create a group, without instances so far."""
    region = context.regions.of(backend)
    name = named["name"]
    if name in region.groups:
        raise RefusedRequestError(
            "AlreadyExists",
            "AutoScalingGroup by this name already exists - A group with the name "
            f"{name} already exists",
        )
    minimum, maximum = int(named["min_size"]), int(named["max_size"])
    wanted = named.get("desired_capacity")
    desired = minimum if wanted is None else int(wanted)
    capacity.check_bounds(minimum, maximum, desired)
    settings = call_moto(original, backend, *arguments, **{**named, "desired_capacity": 0})
    checks.check_recipe(backend, settings, undo=name)
    settings.health_check_grace_period = int(named.get("health_check_period") or 0)
    cooldown = named.get("default_cooldown")
    settings.default_cooldown = 300 if cooldown is None else int(cooldown)
    group = Group(settings=settings, activities=region.activities)
    fields.connect(group)
    for kind, names in (("elb", "load_balancers"), ("elbv2", "target_group_arns")):
        attachments.attach_at_creation(group, kind, list(named.get(names) or []))  # type: ignore[arg-type]  # literals of the tuple
    fields.show_sources(group)
    region.groups[name] = group
    capacity.resize(group, desired, capacity.BY_CREATION, region.ports.stamp())
    return settings


# UpdateAutoScalingGroup: "Any properties that you don't specify are not changed" (API
# Reference); moto drops a mixed instances policy, and half of the properties.
@answers(AutoScalingResponse, "update_auto_scaling_group")
def update_call(context: Context, original: Callable[..., Any], response: Any) -> Any:
    """Update a group with all settings of the call."""
    backend, params = response.autoscaling_backend, response.params
    group = context.regions.group(backend, params["AutoScalingGroupName"])
    result = original(response)
    fields.set_at_update(group.settings, params)
    return result


@answers(AutoScalingBackend, "update_auto_scaling_group")
def update(
    context: Context, original: Callable[..., Any], backend: Any, name: str, **named: Any
) -> Any:
    """Update a group; its size changes over time."""
    group = context.regions.group(backend, name)
    settings = group.settings
    minimum, maximum, desired = sizes(settings, named)
    before = fields.launch_fields(settings)
    current = {**named, "desired_capacity": settings.desired_capacity}
    with checks.restored_if_refused(settings):
        call_moto(original, backend, name, **current)
        fields.keep_launch(settings, before, named)
        if any(named.get(field) for field in LAUNCH_SETTINGS):
            checks.check_recipe(backend, settings)
    retries.reset(group)
    why = capacity.by_constraints(minimum, maximum, desired)
    capacity.resize(group, desired, why, dt.datetime.now(tz=dt.UTC))
    return settings


# DeleteAutoScalingGroup: ResourceInUse unless the group is empty or the deletion is forced;
# then it is asynchronous, with Status "Delete in progress" (API Reference). moto drops
# ForceDelete and deletes everything at once.
@answers(AutoScalingResponse, "delete_auto_scaling_group")
def delete_call(context: Context, _original: Callable[..., Any], response: Any) -> EmptyResult:
    """Start deleting a group."""
    name = response.params["AutoScalingGroupName"]
    begin_deletion(
        context, response.autoscaling_backend, name, force=bool(response.params.get("ForceDelete"))
    )
    return EmptyResult()


@answers(AutoScalingBackend, "delete_auto_scaling_group")
def delete(context: Context, _original: Callable[..., Any], backend: Any, group_name: str) -> None:
    """Delete a group with its instances, for CloudFormation."""
    begin_deletion(context, backend, group_name, force=True)
    context.regions.step_safely()


def begin_deletion(context: Context, backend: Any, name: str, *, force: bool) -> None:
    """Mark a group as being deleted, or refuse."""
    region = context.regions.of(backend)
    group = region.groups.get(name)
    if group is None:
        raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    if group.deleting is not None and group.forced >= force:
        return
    checks.check_deletion(group, force=force)
    groups.delete(group, region.ports, context.regions.now(), force=force)


# SetDesiredCapacity: within the bounds; with HonorCooldown not during a cooldown (API
# Reference). moto takes any number.
@answers(AutoScalingResponse, "set_desired_capacity")
def set_desired_call(context: Context, _original: Callable[..., Any], response: Any) -> EmptyResult:
    """Set the desired capacity."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params["AutoScalingGroupName"])
    desired = int(params["DesiredCapacity"])
    capacity.check_desired(group, desired)
    now = dt.datetime.now(tz=dt.UTC)
    if params.get("HonorCooldown"):
        ports = context.regions.of(response.autoscaling_backend).ports
        capacity.check_cooldown(group, now, ports.scaled(group.settings.default_cooldown))
    capacity.resize(group, desired, capacity.BY_SETTING, now)
    return EmptyResult()


# What policies and scheduled actions ask for is moved into the bounds (User Guide, "Step and
# simple scaling policies", "Scheduled scaling").
@answers(AutoScalingBackend, "set_desired_capacity")
def set_desired(
    context: Context,
    _original: Callable[..., Any],
    backend: Any,
    group_name: str,
    desired_capacity: int | None,
) -> None:
    """Set the desired capacity, within the bounds."""
    group = context.regions.group(backend, group_name)
    settings = group.settings
    wanted = settings.min_size if desired_capacity is None else int(desired_capacity)
    desired = capacity.within(wanted, settings.min_size, settings.max_size)
    capacity.resize(group, desired, capacity.BY_SETTING, dt.datetime.now(tz=dt.UTC))


@answers(FakeAutoScalingGroup, "set_desired_capacity")
def remember_desired(
    _original: Callable[..., Any], settings: Any, new_capacity: int | None
) -> None:
    """Store the number; the state machine launches."""
    settings.desired_capacity = settings.min_size if new_capacity is None else new_capacity


# SuspendedProcess.SuspensionReason has the time (API Reference); moto leaves it empty.
@answers(FakeAutoScalingGroup, "suspended_processes")
def suspended_processes(original: Callable[..., Any], settings: Any) -> Any:
    """Describe the suspended processes with their reasons."""
    group = settings.__dict__.get("local_cloud_group")
    if group is None:
        return original(settings)
    return [
        {"ProcessName": name, "SuspensionReason": reason}
        for name, reason in group.suspended.items()
    ]


# ScalingProcessQuery: no names mean all processes; an unknown name is refused.
@answers(AutoScalingBackend, "suspend_processes")
def suspend(
    context: Context, _original: Callable[..., Any], backend: Any, group_name: str, names: list[str]
) -> None:
    """Suspend processes."""
    group = context.regions.group(backend, group_name)
    check_processes(names)
    processes.suspend(group, names, dt.datetime.now(tz=dt.UTC))


@answers(AutoScalingBackend, "resume_processes")
def resume(
    context: Context, _original: Callable[..., Any], backend: Any, group_name: str, names: list[str]
) -> None:
    """Resume processes."""
    group = context.regions.group(backend, group_name)
    check_processes(names)
    processes.resume(group, names)


@answers(
    AutoScalingBackend,
    "update_attached_elbs",
    "update_attached_target_groups",
    "notify_terminate_instances",
)
def do_nothing(_original: Callable[..., Any], _backend: Any, *_: Any) -> None:
    """Do nothing: the state machine does it."""


def call_moto(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call moto; turn refusals of EC2 into ValidationError of Auto Scaling."""
    try:
        return original(*arguments, **named)
    except AutoscalingClientError:
        raise
    except ServiceException as refusal:
        raise invalid(refusal.message) from refusal


def sizes(settings: Any, named: dict[str, Any]) -> tuple[int, int, int]:
    """Return the minimum, maximum and desired size after an update, or refuse."""
    given = {name: named.get(name) for name in ("min_size", "max_size", "desired_capacity")}
    minimum = settings.min_size if given["min_size"] is None else int(given["min_size"])
    maximum = settings.max_size if given["max_size"] is None else int(given["max_size"])
    wanted = given["desired_capacity"]
    if wanted is None:
        desired = settings.desired_capacity
        desired = capacity.within(desired, minimum, max(minimum, maximum))
    else:
        desired = int(wanted)
    capacity.check_bounds(minimum, maximum, desired)
    return minimum, maximum, desired


def check_processes(names: list[str]) -> None:
    """Refuse names that are not processes."""
    if unknown := processes.unknown(names or []):
        raise invalid(f"Invalid process type: {', '.join(unknown)}")
