"""Patch the calls for single members of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import ASG_NAME_TAG, AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches.autoscaling.pages import page
from local_cloud.patches.autoscaling.refusals import answers
from local_cloud.patches.autoscaling.warm_pools import pool_members
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch
from local_cloud.scaling import lifecycle, requests
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.model import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.scaling.model import Group, Wait

NAME = "AutoScalingGroupName"


@patch(AutoScalingBackend, "describe_auto_scaling_instances")
def members_of(
    context: Context, _original: Callable[..., Any], backend: Any, instance_ids: list[str]
) -> list[Member]:
    """Return the members of every group."""
    return [
        member
        for group in context.regions.of(backend).groups.values()
        for member in (*group.members, *pool_members(group))
        if not instance_ids or member.instance_id in instance_ids
    ]


# DescribeAutoScalingInstances has pages of 50 and shows HEALTHY in capitals (AWS CLI
# Command Reference, describe-auto-scaling-instances).
@answers(AutoScalingResponse, "describe_auto_scaling_instances")
def describe(context: Context, _original: Callable[..., Any], response: Any) -> ActionResult:
    """Describe members."""
    ids = response.params.get("InstanceIds") or []
    members = members_of(context, _original, response.autoscaling_backend, ids)
    shown, token = page(members, response.params, 50)
    described = [
        {
            "InstanceId": member.instance_id,
            "InstanceType": member.instance_type,
            NAME: member.auto_scaling_group_name,
            "AvailabilityZone": member.availability_zone,
            "LifecycleState": member.lifecycle_state,
            "HealthStatus": member.health_status.upper(),
            "LaunchConfigurationName": member.launch_configuration_name,
            "LaunchTemplate": member.launch_template,
            "ProtectedFromScaleIn": member.protected_from_scale_in,
        }
        for member in shown
    ]
    return ActionResult({"AutoScalingInstances": described, "NextToken": token})


# TerminateInstanceInAutoScalingGroup starts an ordinary termination: deregister, drain,
# hold by hooks (API Reference). moto terminates at once.
@answers(AutoScalingResponse, "terminate_instance_in_auto_scaling_group")
def terminate(context: Context, _original: Callable[..., Any], response: Any) -> ActionResult:
    """Terminate a member, or several of one group."""
    backend, params = response.autoscaling_backend, response.params
    ports = context.regions.of(backend).ports
    many = params.get("InstanceIds") or []
    begun = []
    for instance in many or [params["InstanceId"]]:
        group, member = context.regions.member(backend, instance)
        fewer = bool(params.get("ShouldDecrementDesiredCapacity"))
        now = context.regions.now()
        begun.append(requests.terminate(group, member, ports, now, fewer=fewer))
    return ActionResult({"Activities": begun} if many else {"Activity": begun[0]})


@answers(AutoScalingResponse, "detach_instances")
def detach(context: Context, _original: Callable[..., Any], response: Any) -> ActionResult:
    """Detach members; they leave their load balancers first."""
    group, ids, fewer = requested_members(context, response)
    ports = context.regions.of(response.autoscaling_backend).ports
    begun = requests.detach(group, ids, ports, context.regions.now(), fewer=fewer)
    return ActionResult({"Activities": begun})


@answers(AutoScalingResponse, "enter_standby")
def enter_standby(context: Context, _original: Callable[..., Any], response: Any) -> ActionResult:
    """Move members to standby; they leave their load balancers first."""
    group, ids, fewer = requested_members(context, response)
    ports = context.regions.of(response.autoscaling_backend).ports
    begun = requests.enter_standby(group, ids, ports, context.regions.now(), fewer=fewer)
    return ActionResult({"Activities": begun})


@answers(AutoScalingResponse, "exit_standby")
def exit_standby(context: Context, _original: Callable[..., Any], response: Any) -> ActionResult:
    """Move members out of standby."""
    group, ids, _ = requested_members(context, response)
    ports = context.regions.of(response.autoscaling_backend).ports
    return ActionResult({"Activities": requests.exit_standby(group, ids, ports)})


def requested_members(context: Context, response: Any) -> tuple[Group, list[str], bool]:
    """Return the group and the instances that a call names, and whether to lower the capacity."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params[NAME])
    fewer = bool(params.get("ShouldDecrementDesiredCapacity"))
    return group, list(params.get("InstanceIds") or []), fewer


# AttachInstances: a running instance of no other group; "if the number of instances being
# attached plus the desired capacity of the group exceeds the maximum size of the group, the
# operation fails" (API Reference).
@answers(AutoScalingResponse, "attach_instances")
def attach(context: Context, _original: Callable[..., Any], response: Any) -> EmptyResult:
    """Make running instances members."""
    group, ids, _ = requested_members(context, response)
    region = context.regions.of(response.autoscaling_backend)
    ec2 = response.autoscaling_backend.ec2_backend
    for instance in ids:
        check_attachable(ec2.get_instance_by_id(instance), instance, region.find(instance))
    members = [new_member(group, ec2.get_instance_by_id(i), context.regions.now()) for i in ids]
    requests.attach(group, members, region.ports)
    ec2.create_tags(ids, {ASG_NAME_TAG: group.name})
    return EmptyResult()


@answers(AutoScalingResponse, "set_instance_protection")
def set_protection(context: Context, _original: Callable[..., Any], response: Any) -> EmptyResult:
    """Protect members from scale-in, or remove the protection."""
    group, ids, _ = requested_members(context, response)
    protected = bool(response.params.get("ProtectedFromScaleIn"))
    requests.protect(group, ids, protected=protected)
    return EmptyResult()


# SetInstanceHealth respects the grace period by default (API Reference).
@answers(AutoScalingResponse, "set_instance_health")
def set_health(context: Context, _original: Callable[..., Any], response: Any) -> EmptyResult:
    """Set the health of a member."""
    params, backend = response.params, response.autoscaling_backend
    status = params["HealthStatus"]
    if status not in {"Healthy", "Unhealthy"}:
        raise invalid("Valid instance health states are: [Healthy, Unhealthy].")
    group, member = context.regions.member(backend, params["InstanceId"])
    respect = params.get("ShouldRespectGracePeriod")
    requests.set_health(
        group,
        member,
        context.regions.of(backend).ports,
        context.regions.now(),
        healthy=status == "Healthy",
        respect=respect is None or bool(respect),
    )
    return EmptyResult()


# CompleteLifecycleAction and RecordLifecycleActionHeartbeat name the action by its token or
# its instance (API Reference); moto has neither.
@answers(AutoScalingResponse, "complete_lifecycle_action")
def complete_lifecycle_action(
    context: Context, _original: Callable[..., Any] | None, response: Any
) -> EmptyResult:
    """Set the result of a lifecycle action."""
    result = response.params["LifecycleActionResult"]
    if result not in {"CONTINUE", "ABANDON"}:
        raise invalid("LifecycleActionResult must be CONTINUE or ABANDON.")
    lifecycle_action(context, response).result = result
    return EmptyResult()


@answers(AutoScalingResponse, "record_lifecycle_action_heartbeat")
def record_heartbeat(
    context: Context, _original: Callable[..., Any] | None, response: Any
) -> EmptyResult:
    """Extend a lifecycle action."""
    lifecycle.record_heartbeat(lifecycle_action(context, response), context.regions.now())
    return EmptyResult()


def lifecycle_action(context: Context, response: Any) -> Wait:
    """Return the lifecycle action that a call names, or refuse."""
    params = response.params
    group = context.regions.group(response.autoscaling_backend, params[NAME])
    token, instance = params.get("LifecycleActionToken"), params.get("InstanceId")
    name = params["LifecycleHookName"]
    wait = lifecycle.active(group, name, token=token, instance=instance)
    if wait is None:
        named = f"token {token}" if token else f"instance ID {instance}"
        raise invalid(f"No active Lifecycle Action found with {named}")
    return wait


def check_attachable(instance: Any, named: str, found: tuple[Group, Member] | None) -> None:
    """Refuse an instance that is not running or is already a member."""
    if instance is None or instance.state != "running":
        raise invalid(f"Invalid Instance ID(s): [{named}] specified. The instance is not running.")
    if found:
        raise invalid(f"The instance {named} is already part of AutoScalingGroup:{found[0].name}")


def new_member(group: Group, instance: Any, now: float) -> Member:
    """Return the member of an instance that is being attached."""
    return Member(
        instance_id=instance.id,
        instance_type=instance.instance_type,
        availability_zone=instance.placement.zone,
        subnet=instance.subnet_id,
        auto_scaling_group_name=group.name,
        launched=now,
        protected_from_scale_in=bool(group.settings.new_instances_protected_from_scale_in),
    )
