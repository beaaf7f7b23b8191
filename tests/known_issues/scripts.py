"""The deployments of other tools, each re-created in a few calls of boto3.

Only the order of the calls is theirs, as in their code or their users' reports. An issue that comes
from that order affects every tool that follows it. The groups are like those of the usual recipe.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e.site import Balancer
from tests.e2e.testbed import CloudTestbed
from tests.running_cloud import eventually

PATIENCE = 4.0
"""Seconds to wait for health: minutes of AWS's time."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """Groups created by hand behind one load balancer."""

    testbed: CloudTestbed
    name: str
    balancer: Balancer
    size: int = 2

    @staticmethod
    def of(testbed: CloudTestbed, name: str, size: int = 2) -> Service:
        """Create a service whose first group, `old`, is in service."""
        balancer = Balancer.make(testbed, name, "classic")
        made = Service(testbed=testbed, name=name, balancer=balancer, size=size)
        made.launch("old", testbed.old)
        eventually(lambda: made.healthy("old"))
        return made

    @property
    def scaling(self) -> Any:
        return self.testbed.cloud.aws("autoscaling")

    def group(self, which: str) -> str:
        return f"web-{self.name}-{which}"

    def launch(self, which: str, image: str, *, detached: bool = False) -> None:
        """Create a launch template and a group, attached to the load balancer unless `detached`."""
        made = self.testbed.made
        template = self.testbed.cloud.aws("ec2").create_launch_template(
            LaunchTemplateName=self.group(which),
            LaunchTemplateData={
                "ImageId": image,
                "InstanceType": "t3.micro",
                "SecurityGroupIds": made["security_group_ids"],
            },
        )["LaunchTemplate"]
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=self.group(which),
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
            MinSize=self.size,
            MaxSize=6,
            VPCZoneIdentifier=",".join(made["subnet_ids"]),
            LoadBalancerNames=[] if detached else [self.balancer.name],
            HealthCheckType="ELB",
            HealthCheckGracePeriod=600,
        )

    def described(self, which: str) -> dict[str, Any]:
        """Return AWS's description of a group, or an empty one if it does not exist."""
        named = [self.group(which)]
        answer = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=named)
        found: dict[str, Any] = (answer["AutoScalingGroups"] or [{}])[0]
        return found

    def healthy(self, which: str) -> bool:
        """Return True if all desired members are in service in the load balancer."""
        group = self.described(which)
        members = {each["InstanceId"] for each in group["Instances"]}
        answer = self.testbed.cloud.aws("elb").describe_instance_health(
            LoadBalancerName=self.balancer.name
        )
        good = {s["InstanceId"] for s in answer["InstanceStates"] if s["State"] == "InService"}
        return len(members & good) >= int(group["DesiredCapacity"])

    def wait(self, which: str) -> bool:
        """Wait a limited time for health; return whether the group became healthy."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.healthy(which):
                return True
            time.sleep(0.1)
        return False

    def delete(self, which: str) -> None:
        self.scaling.delete_auto_scaling_group(
            AutoScalingGroupName=self.group(which), ForceDelete=True
        )


def as_goployer_did(service: Service, image: str) -> bool:
    """Deploy like goployer before its pull request 170: a timeout is only logged.

    Returns whether the new group became healthy; goployer's caller did not check.
    """
    service.launch("new", image)
    is_healthy = service.wait("new")
    service.delete("old")
    return is_healthy


def as_riff_raff_does(service: Service) -> None:
    """Deploy like riff-raff's `autoscaling` type: suspend alarms, double the size, then restore
    both.

    Raises TimeoutError if the new members do not become healthy; riff-raff stops there.
    """
    group = service.group("old")
    service.scaling.suspend_processes(
        AutoScalingGroupName=group, ScalingProcesses=["AlarmNotification"]
    )
    service.scaling.set_desired_capacity(
        AutoScalingGroupName=group, DesiredCapacity=2 * service.size
    )
    if not service.wait("old"):
        raise TimeoutError(group)
    service.scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=service.size)
    service.scaling.resume_processes(
        AutoScalingGroupName=group, ScalingProcesses=["AlarmNotification"]
    )


def as_spinnaker_did(service: Service, image: str) -> None:
    """Deploy red/black with `pinMinimumCapacity`: the serving group cannot shrink until the end.

    Raises TimeoutError if the new group does not become healthy; the pipeline ends there.
    """
    before = service.described("old")
    service.scaling.update_auto_scaling_group(
        AutoScalingGroupName=service.group("old"), MinSize=before["DesiredCapacity"]
    )
    service.launch("new", image)
    if not service.wait("new"):
        raise TimeoutError(service.group("new"))
    service.scaling.update_auto_scaling_group(
        AutoScalingGroupName=service.group("old"), MinSize=before["MinSize"]
    )


def as_senza_does(service: Service, *, to: str, versions: Sequence[str]) -> None:
    """Switch the traffic by going through all versions, one after another.

    As with weights, the versions before the new one are switched off first. Raises the error of any
    version; those after it are not reached.
    """
    source = {"Identifier": service.balancer.name, "Type": "elb"}
    for which in versions:
        move = service.scaling.detach_traffic_sources
        if which == to:
            move = service.scaling.attach_traffic_sources
        move(AutoScalingGroupName=service.group(which), TrafficSources=[source])
