"""The script that many write instead: boto3, its own waiters, their own delays.

A re-creation of what scripts for blue/green on Auto Scaling do, step by step: a template and a
group, wait until its instances run, attach it, wait until the load balancer finds them in service,
detach the old group, sleep as long as connections may drain, delete the old group. The waiters
are boto3's, with their default of 15 s between two looks; only how often they look is limited, so
that a release that never gets healthy is given up as soon as by the others.

    python waiter.py '{"name": ..., "image": ..., "members": ..., ...}'
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError

LOOK = 5
"""Seconds between two looks of the script's own loop, until the group has its instances."""


def main(given: dict[str, Any]) -> int:
    """Put an image into service in the place of a group; return the exit code."""
    make: Any = boto3.client  # its stubs know services by literal name only
    agent = Config(user_agent_extra="waiter-script")
    asg, ec2, elbv2 = (make(name, config=agent) for name in ("autoscaling", "ec2", "elbv2"))
    name, old, target_group = given["name"], given["old"], given["target_group"]
    create(ec2, asg, given)
    ids = members(asg, name, given["members"])
    attempts = {"MaxAttempts": given["attempts"]}
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=attempts)
        asg.attach_load_balancer_target_groups(
            AutoScalingGroupName=name, TargetGroupARNs=[target_group]
        )
        elbv2.get_waiter("target_in_service").wait(
            TargetGroupArn=target_group,
            Targets=[{"Id": each} for each in ids],
            WaiterConfig=attempts,
        )
    except WaiterError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if old:
        asg.detach_load_balancer_target_groups(
            AutoScalingGroupName=old, TargetGroupARNs=[target_group]
        )
        time.sleep(given["drain"])
        asg.delete_auto_scaling_group(AutoScalingGroupName=old, ForceDelete=True)
        ec2.delete_launch_template(LaunchTemplateName=old)
    return 0


def create(ec2: Any, asg: Any, given: dict[str, Any]) -> None:
    """Make a launch template and a group of it."""
    ec2.create_launch_template(
        LaunchTemplateName=given["name"],
        LaunchTemplateData={
            "ImageId": given["image"],
            "InstanceType": "t3.micro",
            "SecurityGroupIds": given["security_group_ids"],
        },
    )
    asg.create_auto_scaling_group(
        AutoScalingGroupName=given["name"],
        LaunchTemplate={"LaunchTemplateName": given["name"], "Version": "1"},
        MinSize=given["members"],
        MaxSize=given["members"],
        VPCZoneIdentifier=",".join(given["subnet_ids"]),
        HealthCheckType="ELB",
        HealthCheckGracePeriod=300,
    )


def members(asg: Any, name: str, count: int) -> list[str]:
    """Wait until a group has its instances; return their ids."""
    while True:
        (group,) = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ]
        if len(group["Instances"]) >= count:
            return [each["InstanceId"] for each in group["Instances"]]
        time.sleep(LOOK)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
