"""A group that a person made, in a moto account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pipeline.adapters.aws.client import Clients
from tests.aws.moto_account import register

NOTIFICATION = {"TopicARN": "arn:aws:sns:us-east-1:123456789012:web"}
"""moto has no notifications."""
REGION, IMAGE = "us-east-1", "ami-0123456789abcdef0"


def make_group(aws: Clients, *, template: bool = True) -> None:
    """Make a group behind a target group, with a policy, a schedule, a hook and a notification."""
    register(aws, IMAGE, "web")
    subnet = aws.ec2(REGION).describe_subnets()["Subnets"][0]
    target_group = aws.elbv2(REGION).create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=subnet["VpcId"]
    )["TargetGroups"][0]["TargetGroupArn"]
    client: Any = aws.autoscaling(REGION)
    answer = SimpleNamespace(status_code=200), {"NotificationConfigurations": [NOTIFICATION]}
    client.meta.events.register(
        "before-call.auto-scaling.DescribeNotificationConfigurations", lambda **_: answer
    )
    launch: dict[str, Any]
    common = {
        "AutoScalingGroupName": "web",
        "MinSize": 0,
        "MaxSize": 2,
        "DesiredCapacity": 0,
        "VPCZoneIdentifier": subnet["SubnetId"],
        "TargetGroupARNs": [target_group],
    }
    if template:
        aws.ec2(REGION).create_launch_template(
            LaunchTemplateName="web",
            LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "t3.small"},
        )
        launch = {"LaunchTemplate": {"LaunchTemplateName": "web", "Version": "$Latest"}}
    else:
        client.create_launch_configuration(
            LaunchConfigurationName="web-1", ImageId=IMAGE, InstanceType="t2.micro"
        )
        launch = {"LaunchConfigurationName": "web-1"}
    client.create_auto_scaling_group(**common, **launch)
    client.put_scheduled_update_group_action(
        AutoScalingGroupName="web", ScheduledActionName="night", Recurrence="0 1 * * *", MinSize=0
    )
    client.put_lifecycle_hook(
        AutoScalingGroupName="web",
        LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
