"""Quotas that refuse like AWS."""

from __future__ import annotations

import itertools
import urllib.error
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_cloud import Cloud

NUMBERS = itertools.count(1)
VCPU_LIMIT = "You have requested more vCPU capacity than your current vCPU limit of {} allows"


@pytest.fixture(autouse=True)
def _default_quotas(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.client.reset_quotas()


def refused(call: Any, **given: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**given)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def used(cloud: Cloud) -> int:
    """Return the vCPUs of the running instances, as DescribeInstances tells them."""
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = cloud.aws("ec2").describe_instances(Filters=states)["Reservations"]
    options = [each["CpuOptions"] for one in found for each in one["Instances"]]
    return sum(each["CoreCount"] * each["ThreadsPerCore"] for each in options)


def test_a_launch_beyond_the_quota_of_vcpus_is_refused(cloud: Cloud) -> None:
    limit = used(cloud) + 2
    cloud.client.set_quotas(vcpus=limit)
    one = cloud.launch(InstanceType="t3.micro")
    launch = cloud.aws("ec2").run_instances
    given = {"ImageId": cloud.base_image(), "MinCount": 1, "MaxCount": 1}
    code, words = refused(launch, **given, InstanceType="t3.micro")
    assert (code, words.startswith(VCPU_LIMIT.format(limit))) == ("VcpuLimitExceeded", True)
    quota = cloud.aws("service-quotas").get_service_quota(
        ServiceCode="ec2", QuotaCode="L-1216C47A"
    )["Quota"]
    assert quota["Value"] == limit
    cloud.aws("ec2").terminate_instances(InstanceIds=[one["InstanceId"]])
    assert used(cloud) == limit - 2


def group(cloud: Cloud, **more: Any) -> str:
    name = f"quota-{next(NUMBERS)}"
    data = {"ImageId": cloud.base_image(), "InstanceType": "t3.micro"}
    cloud.aws("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    cloud.aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=4,
        AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateName": name},
        **more,
    )
    return name


def test_a_group_shows_the_quota_in_its_activity(cloud: Cloud) -> None:
    limit = used(cloud)
    cloud.client.set_quotas(vcpus=limit)
    name = group(cloud, DesiredCapacity=1)
    asg = cloud.aws("autoscaling")

    def failed() -> list[dict[str, Any]]:
        found = asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]
        return [each for each in found if each["StatusCode"] == "Failed"]

    message = eventually(failed)[0]["StatusMessage"]
    assert message.startswith(VCPU_LIMIT.format(limit))
    asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)


def test_groups_and_launch_templates_beyond_their_quotas_are_refused(cloud: Cloud) -> None:
    asg, ec2 = cloud.aws("autoscaling"), cloud.aws("ec2")
    known = group(cloud)
    limits = asg.describe_account_limits()
    cloud.client.set_quotas(groups=limits["NumberOfAutoScalingGroups"])
    assert (
        asg.describe_account_limits()["MaxNumberOfAutoScalingGroups"]
        == (limits["NumberOfAutoScalingGroups"])
    )
    call = {
        "AutoScalingGroupName": "one-more",
        "MinSize": 0,
        "MaxSize": 1,
        "AvailabilityZones": ["us-east-1a"],
        "LaunchTemplate": {"LaunchTemplateName": known},
    }
    assert refused(asg.create_auto_scaling_group, **call)[0] == "LimitExceeded"
    cloud.client.set_quotas(launch_templates=1)
    data = {"InstanceType": "t3.micro"}
    assert refused(
        ec2.create_launch_template, LaunchTemplateName="one-more", LaunchTemplateData=data
    ) == ("MaxTemplateLimitExceeded", "Account has already reached max permitted templates")
    asg.delete_auto_scaling_group(AutoScalingGroupName=known, ForceDelete=True)


def test_targets_beyond_the_quota_are_refused_and_the_quota_is_told(cloud: Cloud) -> None:
    elbv2, ec2 = cloud.aws("elbv2"), cloud.aws("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = elbv2.create_target_group(Name="full", Protocol="HTTP", Port=80, VpcId=vpc)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    cloud.client.set_quotas(targets_per_target_group=0)
    one = cloud.launch(InstanceType="t3.micro")["InstanceId"]
    full = f"targets per target group '0' has been reached on target group '{arn}'"
    code, words = refused(elbv2.register_targets, TargetGroupArn=arn, Targets=[{"Id": one}])
    assert (code, words) == ("TooManyTargets", f"The maximum number of {full}")
    told = {each["Name"]: each["Max"] for each in elbv2.describe_account_limits()["Limits"]}
    assert told["targets-per-target-group"] == "0"
    ec2.terminate_instances(InstanceIds=[one])
    elbv2.delete_target_group(TargetGroupArn=arn)


@pytest.mark.parametrize(("most", "sizes"), [(0, [0, 1, 1, 1]), (2, [2, 1])])
def test_activities_come_in_short_pages_if_a_test_orders_them(
    cloud: Cloud, most: int, sizes: list[int]
) -> None:
    name, asg = group(cloud), cloud.aws("autoscaling")
    cloud.client.set_quotas(vcpus=0)
    asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)

    def activities() -> list[dict[str, Any]]:
        found = asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]
        return list(found)

    eventually(lambda: len(activities()) >= 3)
    asg.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch"])
    newest = activities()[:3]
    cloud.client.set_quotas(records_per_page=most)
    ids = [each["ActivityId"] for each in newest]
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    for size in sizes:
        page = asg.describe_scaling_activities(ActivityIds=ids, MaxRecords=100, **token)
        assert len(page["Activities"]) == size
        found += page["Activities"]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert (found, token) == (newest, {})
    asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)


def test_an_unknown_quota_is_refused(cloud: Cloud) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        cloud.client.set_quotas(patience=1)
    assert cloud.client.quotas()["vcpus"] == 1152
