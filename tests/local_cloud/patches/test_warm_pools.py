"""Warm pools and deletion protection through AWS's own client."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from tests.running_cloud import Cloud

NUMBERS = itertools.count(1)


def group(cloud: Cloud, **more: Any) -> dict[str, str]:
    name = f"pooled-{next(NUMBERS)}"
    data = {"ImageId": cloud.base_image(), "InstanceType": "t3.micro"}
    cloud.aws("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    cloud.aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=2,
        AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateName": name},
        **more,
    )
    return {"AutoScalingGroupName": name}


def refused(call: Any, **given: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**given)
    return str(error.value.response["Error"]["Code"])


def described(cloud: Cloud, named: dict[str, str]) -> dict[str, Any]:
    names = [named["AutoScalingGroupName"]]
    found = cloud.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=names)
    return next(iter(found["AutoScalingGroups"]), {})


def test_a_warm_pool_is_put_described_and_deleted(cloud: Cloud) -> None:
    asg, named = cloud.aws("autoscaling"), group(cloud, DesiredCapacity=1)
    assert "WarmPoolConfiguration" not in described(cloud, named)
    asg.put_warm_pool(**named, PoolState="Stopped", MinSize=1)

    def stopped() -> list[dict[str, Any]]:
        found = asg.describe_warm_pool(**named)["Instances"]
        return [each for each in found if each["LifecycleState"] == "Warmed:Stopped"]

    (one,) = eventually(stopped)
    shown = described(cloud, named)
    assert shown["WarmPoolConfiguration"] == {"MinSize": 1, "PoolState": "Stopped"}
    assert shown["WarmPoolSize"] == 1
    assert one["InstanceId"] not in {each["InstanceId"] for each in shown["Instances"]}
    (told,) = asg.describe_auto_scaling_instances(InstanceIds=[one["InstanceId"]])[
        "AutoScalingInstances"
    ]
    assert told["LifecycleState"] == "Warmed:Stopped"
    assert cloud.instance(one["InstanceId"])["State"]["Name"] == "stopped"
    asg.set_desired_capacity(**named, DesiredCapacity=2)
    eventually(
        lambda: (
            one["InstanceId"]
            in {
                each["InstanceId"]
                for each in described(cloud, named)["Instances"]
                if each["LifecycleState"] == "InService"
            }
        )
    )
    assert refused(asg.delete_warm_pool, **named) == "ResourceInUse"
    asg.delete_warm_pool(**named, ForceDelete=True)
    eventually(lambda: "WarmPoolConfiguration" not in described(cloud, named))
    asg.delete_auto_scaling_group(**named, ForceDelete=True)


@pytest.mark.parametrize(
    ("protection", "plain", "forced"),
    [("prevent-force-deletion", True, False), ("prevent-all-deletion", False, False)],
)
def test_deletion_protection_refuses_what_it_says(
    cloud: Cloud, protection: str, plain: bool, forced: bool
) -> None:
    asg, named = cloud.aws("autoscaling"), group(cloud, DeletionProtection=protection)
    assert described(cloud, named)["DeletionProtection"] == protection
    for force, allowed in ((True, forced), (False, plain)):
        if not allowed:
            given = {**named, "ForceDelete": force}
            assert refused(asg.delete_auto_scaling_group, **given) == "ResourceInUse"
    asg.update_auto_scaling_group(**named, DeletionProtection="none")
    asg.delete_auto_scaling_group(**named, ForceDelete=True)
