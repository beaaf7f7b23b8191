"""Which resources of a release exist in AWS, by moto, and how Terraform would import them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.terraform.orphans import find
from pipeline.adapters.terraform.root_module import shipped_module
from pipeline.core.state.release import Release, Size
from pipeline.core.terraform.root_module import Root
from tests.aws.moto_account import register

GROUP = "web-staging-r000003"
SIZE = Size(instance_type="t3.small", minimum=0, maximum=1, desired=0)
RELEASE = Release(number=3, ami_id="ami-0123456789abcdef0", size=SIZE, facts={})


def test_scaling_policies_and_schedules_that_the_inputs_name_belong_to_a_release(
    aws: Clients, tmp_path: Path
) -> None:
    register(aws, RELEASE.ami_id, "web")
    data: Any = {"ImageId": RELEASE.ami_id, "InstanceType": "t3.small"}
    aws.ec2("us-east-1").create_launch_template(LaunchTemplateName=GROUP, LaunchTemplateData=data)
    client = aws.autoscaling("us-east-1")
    client.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchTemplate={"LaunchTemplateName": GROUP, "Version": "1"},
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
    )
    for name in ("cpu", "by-hand"):
        client.put_scaling_policy(
            AutoScalingGroupName=GROUP,
            PolicyName=name,
            AdjustmentType="ExactCapacity",
            ScalingAdjustment=1,
        )
    client.put_scheduled_update_group_action(
        AutoScalingGroupName=GROUP, ScheduledActionName="night", Recurrence="0 3 * * *", MinSize=0
    )
    root = Root(
        app="web",
        environment="staging",
        region="us-east-1",
        account="",
        module=shipped_module(),
        folder=tmp_path,
        bucket=None,
        inputs={"scaling_policies": {"cpu": {}, "new": {}}, "schedules": {"night": {}}},
        provider="",
    )
    found = [(each.kind, each.key, each.id) for each in find(aws, root, [RELEASE])]
    assert found[1:] == [
        ("aws_autoscaling_group", "r000003", GROUP),
        ("aws_autoscaling_policy", "r000003/cpu", f"{GROUP}/cpu"),
        ("aws_autoscaling_schedule", "r000003/night", f"{GROUP}/night"),
    ]
