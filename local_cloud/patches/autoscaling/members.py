"""What users ask of single members, and how members are described."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import ASG_NAME_TAG, AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from local_cloud.patches import Hook, replace
from local_cloud.patches.autoscaling.pages import page
from local_cloud.patches.autoscaling.regions import answer
from local_cloud.scaling import lifecycle, requests
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.model import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.patches.autoscaling.regions import Regions
    from local_cloud.scaling.model import Group, Wait

NAME = "AutoScalingGroupName"


def hooks(regions: Regions) -> list[Hook]:
    """Return the hooks of members."""
    here = MemberHooks(regions=regions)
    return [
        *answer(
            AutoScalingResponse,
            describe_auto_scaling_instances=here.describe,
            terminate_instance_in_auto_scaling_group=here.terminate,
            detach_instances=here.detach,
            attach_instances=here.attach,
            enter_standby=here.enter_standby,
            exit_standby=here.exit_standby,
            set_instance_protection=here.protect,
            set_instance_health=here.judge,
            complete_lifecycle_action=here.complete,
            record_lifecycle_action_heartbeat=here.beat,
        ),
        *replace(AutoScalingBackend, describe_auto_scaling_instances=here.members_of),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemberHooks:
    """The hooks of members, each a call of the API."""

    regions: Regions

    def members_of(
        self, _original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> list[Member]:
        """Return the members of every group."""
        return [
            member
            for group in self.regions.of(backend).groups.values()
            for member in group.members
            if not instance_ids or member.instance_id in instance_ids
        ]

    # DescribeAutoScalingInstances has pages of 50 and says HEALTHY in capitals (AWS CLI
    # Command Reference, describe-auto-scaling-instances).
    def describe(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Describe members."""
        ids = response.params.get("InstanceIds") or []
        members = self.members_of(_original, response.autoscaling_backend, ids)
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

    # TerminateInstanceInAutoScalingGroup begins a termination like any other: deregistered,
    # drained, held by hooks (API Reference). moto kills at once.
    def terminate(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Terminate a member, or several of one group."""
        backend, params = response.autoscaling_backend, response.params
        world = self.regions.of(backend).world
        many = params.get("InstanceIds") or []
        begun = []
        for instance in many or [params["InstanceId"]]:
            group, member = self.regions.member(backend, instance)
            fewer = bool(params.get("ShouldDecrementDesiredCapacity"))
            now = self.regions.now()
            begun.append(requests.terminate(group, member, world, now, fewer=fewer))
        return ActionResult({"Activities": begun} if many else {"Activity": begun[0]})

    def detach(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Detach members; they leave their load balancers first."""
        group, ids, fewer = self._asked(response)
        world = self.regions.of(response.autoscaling_backend).world
        begun = requests.detach(group, ids, world, self.regions.now(), fewer=fewer)
        return ActionResult({"Activities": begun})

    def enter_standby(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Put members aside; they leave their load balancers first."""
        group, ids, fewer = self._asked(response)
        world = self.regions.of(response.autoscaling_backend).world
        begun = requests.enter_standby(group, ids, world, self.regions.now(), fewer=fewer)
        return ActionResult({"Activities": begun})

    def exit_standby(self, _original: Callable[..., Any], response: Any) -> ActionResult:
        """Bring members back."""
        group, ids, _ = self._asked(response)
        world = self.regions.of(response.autoscaling_backend).world
        return ActionResult({"Activities": requests.exit_standby(group, ids, world)})

    def _asked(self, response: Any) -> tuple[Group, list[str], bool]:
        params = response.params
        group = self.regions.group(response.autoscaling_backend, params[NAME])
        fewer = bool(params.get("ShouldDecrementDesiredCapacity"))
        return group, list(params.get("InstanceIds") or []), fewer

    # AttachInstances: a running instance of no other group; "if the number of instances being
    # attached plus the desired capacity of the group exceeds the maximum size of the group, the
    # operation fails" (API Reference).
    def attach(self, _original: Callable[..., Any], response: Any) -> EmptyResult:
        """Make running instances members."""
        group, ids, _ = self._asked(response)
        region = self.regions.of(response.autoscaling_backend)
        ec2 = response.autoscaling_backend.ec2_backend
        for instance in ids:
            check_attachable(ec2.get_instance_by_id(instance), instance, region.find(instance))
        arrivals = [arrival(group, ec2.get_instance_by_id(i), self.regions.now()) for i in ids]
        requests.attach(group, arrivals, region.world)
        ec2.create_tags(ids, {ASG_NAME_TAG: group.name})
        return EmptyResult()

    def protect(self, _original: Callable[..., Any], response: Any) -> EmptyResult:
        """Protect members from scale-in, or no longer."""
        group, ids, _ = self._asked(response)
        protected = bool(response.params.get("ProtectedFromScaleIn"))
        requests.protect(group, ids, protected=protected)
        return EmptyResult()

    # SetInstanceHealth respects the grace period unless told otherwise (API Reference).
    def judge(self, _original: Callable[..., Any], response: Any) -> EmptyResult:
        """Say that a member is healthy or not."""
        params, backend = response.params, response.autoscaling_backend
        status = params["HealthStatus"]
        if status not in {"Healthy", "Unhealthy"}:
            raise invalid("Valid instance health states are: [Healthy, Unhealthy].")
        group, member = self.regions.member(backend, params["InstanceId"])
        respect = params.get("ShouldRespectGracePeriod")
        requests.judge(
            group,
            member,
            self.regions.of(backend).world,
            self.regions.now(),
            healthy=status == "Healthy",
            respect=respect is None or bool(respect),
        )
        return EmptyResult()

    # CompleteLifecycleAction and RecordLifecycleActionHeartbeat name the action by its token or
    # its instance (API Reference); moto has neither.
    def complete(self, _original: Callable[..., Any] | None, response: Any) -> EmptyResult:
        """Let a hook's result count."""
        result = response.params["LifecycleActionResult"]
        if result not in {"CONTINUE", "ABANDON"}:
            raise invalid("LifecycleActionResult must be CONTINUE or ABANDON.")
        self._action(response).result = result
        return EmptyResult()

    def beat(self, _original: Callable[..., Any] | None, response: Any) -> EmptyResult:
        """Extend a lifecycle action."""
        lifecycle.beat(self._action(response), self.regions.now())
        return EmptyResult()

    def _action(self, response: Any) -> Wait:
        params = response.params
        group = self.regions.group(response.autoscaling_backend, params[NAME])
        token, instance = params.get("LifecycleActionToken"), params.get("InstanceId")
        name = params["LifecycleHookName"]
        wait = lifecycle.active(group, name, token=token, instance=instance)
        if wait is None:
            named = f"token {token}" if token else f"instance ID {instance}"
            raise invalid(f"No active Lifecycle Action found with {named}")
        return wait


def check_attachable(instance: Any, named: str, found: tuple[Group, Member] | None) -> None:
    """Refuse an instance that does not run or is a member already."""
    if instance is None or instance.state != "running":
        raise invalid(f"Invalid Instance ID(s): [{named}] specified. The instance is not running.")
    if found:
        raise invalid(f"The instance {named} is already part of AutoScalingGroup:{found[0].name}")


def arrival(group: Group, instance: Any, now: float) -> Member:
    """Make the member of an instance that is attached."""
    return Member(
        instance_id=instance.id,
        instance_type=instance.instance_type,
        availability_zone=instance.placement.zone,
        subnet=instance.subnet_id,
        auto_scaling_group_name=group.name,
        launched=now,
        protected_from_scale_in=bool(group.settings.new_instances_protected_from_scale_in),
    )
