"""What groups of the local cloud have beside their members, asked for through boto3."""

from __future__ import annotations

import datetime as dt
import itertools
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

from tests.running_cloud import eventually

if TYPE_CHECKING:
    from typing import Any

    from tests.running_cloud import Cloud

NUMBERS = itertools.count(1)
TARGET = {
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
    "TargetValue": 50.0,
}


def said(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    answer: Any = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(answer["Error"]["Code"]), str(answer["Error"]["Message"])


@pytest.fixture
def group(cloud: Cloud) -> str:
    """An empty group."""
    return make_group(cloud, f"group-{next(NUMBERS)}")


def make_group(cloud: Cloud, name: str, **more: Any) -> str:
    ec2, asg = cloud.aws("ec2"), cloud.aws("autoscaling")
    template = ec2.create_launch_template(
        LaunchTemplateName=f"of-{name}-{next(NUMBERS)}",
        LaunchTemplateData={"ImageId": cloud.base_image(), "InstanceType": "t3.micro"},
    )["LaunchTemplate"]["LaunchTemplateId"]
    sizes = {"MinSize": 0, "MaxSize": 4, "DesiredCapacity": 0, **more}
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    asg.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
        VPCZoneIdentifier=subnet,
        **sizes,
    )
    return name


def described(cloud: Cloud, name: str) -> dict[str, Any]:
    found = cloud.aws("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    one: dict[str, Any] = found["AutoScalingGroups"][0]
    return one


def sizes(cloud: Cloud, name: str) -> tuple[int, int, int]:
    one = described(cloud, name)
    return one["MinSize"], one["MaxSize"], one["DesiredCapacity"]


def causes(cloud: Cloud, name: str) -> list[str]:
    found = cloud.aws("autoscaling").describe_scaling_activities(AutoScalingGroupName=name)
    return [activity["Cause"] for activity in found["Activities"]]


def delete_group(cloud: Cloud, name: str) -> None:
    asg = cloud.aws("autoscaling")
    asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    eventually(
        lambda: (
            not asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        )
    )


def soon(seconds: float) -> dt.datetime:
    """AWS takes whole seconds."""
    return dt.datetime.fromtimestamp(int(time.time() + seconds) + 1, tz=dt.UTC)


# Scheduled actions


def actions(cloud: Cloud, name: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.aws("autoscaling").describe_scheduled_actions(
        AutoScalingGroupName=name, **more
    )["ScheduledUpdateGroupActions"]
    return found


def test_a_scheduled_action_is_described_as_it_was_put(cloud: Cloud, group: str) -> None:
    at = soon(3600)
    cloud.aws("autoscaling").put_scheduled_update_group_action(
        AutoScalingGroupName=group, ScheduledActionName="once", StartTime=at, MinSize=1, MaxSize=2
    )
    (action,) = actions(cloud, group)
    arn = action.pop("ScheduledActionARN")
    assert arn.startswith("arn:aws:autoscaling:us-east-1:123456789012:scheduledUpdateGroupAction:")
    assert arn.endswith(f":autoScalingGroupName/{group}:scheduledActionName/once")
    assert action == {
        "AutoScalingGroupName": group,
        "ScheduledActionName": "once",
        "Time": at,
        "StartTime": at,
        "MinSize": 1,
        "MaxSize": 2,
    }


def test_a_recurring_action_shows_when_it_is_due_next(cloud: Cloud, group: str) -> None:
    cloud.aws("autoscaling").put_scheduled_update_group_action(
        AutoScalingGroupName=group,
        ScheduledActionName="nightly",
        Recurrence="0 22 * * *",
        TimeZone="Etc/GMT+2",
        DesiredCapacity=0,
    )
    (action,) = actions(cloud, group)
    assert (action["Recurrence"], action["TimeZone"]) == ("0 22 * * *", "Etc/GMT+2")
    assert action["StartTime"].hour == 0
    assert action["StartTime"] > dt.datetime.now(tz=dt.UTC)


def test_actions_of_one_name_belong_to_their_groups(cloud: Cloud, group: str) -> None:
    asg, other = cloud.aws("autoscaling"), make_group(cloud, f"{group}-other")
    for name, desired in ((group, 1), (other, 2)):
        asg.put_scheduled_update_group_action(
            AutoScalingGroupName=name,
            ScheduledActionName="same",
            StartTime=soon(3600),
            DesiredCapacity=desired,
        )
    assert actions(cloud, group)[0]["DesiredCapacity"] == 1
    asg.delete_scheduled_action(AutoScalingGroupName=other, ScheduledActionName="same")
    assert [a["ScheduledActionName"] for a in actions(cloud, group)] == ["same"]
    assert actions(cloud, other) == []


def test_an_update_keeps_what_it_does_not_name(cloud: Cloud, group: str) -> None:
    named = {"AutoScalingGroupName": group, "ScheduledActionName": "nightly"}
    put = cloud.aws("autoscaling").put_scheduled_update_group_action
    put(**named, Recurrence="0 22 * * *", DesiredCapacity=0)
    (before,) = actions(cloud, group)
    put(**named, Recurrence="0 22 * * 6")
    (after,) = actions(cloud, group)
    assert after == {**before, "Recurrence": "0 22 * * 6"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (
            {"StartTime": dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "MinSize": 1},
            "ValidationError",
            "Given start time is in the past",
        ),
        (
            {"Recurrence": "0 0 6 * * 1-5", "MinSize": 1},
            "ValidationError",
            "Given recurrence string: 0 0 6 * * 1-5 is invalid",
        ),
        ({"Recurrence": "0 6 * * *"}, "ValidationError", "MinSize, MaxSize, DesiredCapacity"),
        ({"DesiredCapacity": 1}, "ValidationError", "StartTime or Recurrence"),
        (
            {"Recurrence": "0 6 * * *", "MinSize": 3, "MaxSize": 2},
            "ValidationError",
            "Max bound, 2, must be greater than or equal to min bound, 3",
        ),
        (
            {"Recurrence": "0 6 * * *", "MaxSize": 2, "DesiredCapacity": 3},
            "ValidationError",
            "Desired capacity:3 must be between",
        ),
        ({"Recurrence": "0 5 * * *", "MinSize": 1}, "AlreadyExists", "start time already exists"),
    ],
)
def test_a_schedule_that_aws_refuses_is_refused(
    cloud: Cloud, group: str, given: dict[str, Any], code: str, text: str
) -> None:
    put = cloud.aws("autoscaling").put_scheduled_update_group_action
    put(
        AutoScalingGroupName=group,
        ScheduledActionName="first",
        Recurrence="0 5 * * *",
        DesiredCapacity=1,
    )
    refused = said(put, AutoScalingGroupName=group, ScheduledActionName="second", **given)
    assert refused[0] == code
    assert text in refused[1]
    assert [a["ScheduledActionName"] for a in actions(cloud, group)] == ["first"]


def test_a_batch_applies_what_it_can_and_lists_the_failures(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    failed = asg.batch_put_scheduled_update_group_action(
        AutoScalingGroupName=group,
        ScheduledUpdateGroupActions=[
            {"ScheduledActionName": "good", "Recurrence": "0 6 * * *", "DesiredCapacity": 1},
            {"ScheduledActionName": "bad", "Recurrence": "@daily", "DesiredCapacity": 1},
        ],
    )["FailedScheduledUpdateGroupActions"]
    assert failed == [
        {
            "ScheduledActionName": "bad",
            "ErrorCode": "ValidationError",
            "ErrorMessage": "Given recurrence string: @daily is invalid",
        }
    ]
    failed = asg.batch_delete_scheduled_action(
        AutoScalingGroupName=group, ScheduledActionNames=["good", "bad"]
    )["FailedScheduledActions"]
    assert [f["ScheduledActionName"] for f in failed] == ["bad"]
    assert actions(cloud, group) == []


@pytest.mark.long
def test_an_action_is_carried_out_when_due_and_deleted(cloud: Cloud, group: str) -> None:
    cloud.aws("autoscaling").put_scheduled_update_group_action(
        AutoScalingGroupName=group,
        ScheduledActionName="grow",
        StartTime=soon(0.5),
        MinSize=1,
        MaxSize=3,
        DesiredCapacity=1,
    )
    assert sizes(cloud, group) == (0, 4, 0)
    eventually(lambda: sizes(cloud, group) == (1, 3, 1))
    assert actions(cloud, group) == []
    because = eventually(lambda: causes(cloud, group))[0]
    assert (
        " a scheduled action update of AutoScalingGroup constraints to min: 1, max: 3, desired: 1 "
        "changing the desired capacity from 0 to 1."
    ) in because
    assert (
        " the scheduled action grow was executed. Setting min size from 0 to 1. Setting max size "
        "from 4 to 3. Setting desired capacity from 0 to 1."
    ) in because
    delete_group(cloud, group)


@pytest.mark.long
def test_an_action_that_is_due_while_suspended_is_skipped(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    processes = {"AutoScalingGroupName": group, "ScalingProcesses": ["ScheduledActions"]}
    asg.suspend_processes(**processes)
    put = asg.put_scheduled_update_group_action
    named = {"AutoScalingGroupName": group}
    put(**named, ScheduledActionName="missed", StartTime=soon(0), MaxSize=9)
    eventually(lambda: not actions(cloud, group))
    asg.resume_processes(**processes)
    put(**named, ScheduledActionName="seen", StartTime=soon(0), MinSize=0, MaxSize=3)
    eventually(lambda: sizes(cloud, group)[1] != 4)
    assert sizes(cloud, group) == (0, 3, 0)


# Policies


def policies(cloud: Cloud, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.aws("autoscaling").describe_policies(**more)[
        "ScalingPolicies"
    ]
    return found


def test_a_policy_is_described_as_it_was_put(cloud: Cloud, group: str) -> None:
    put = cloud.aws("autoscaling").put_scaling_policy
    answer = put(
        AutoScalingGroupName=group,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=TARGET,
    )
    assert answer["Alarms"] == []
    (policy,) = policies(cloud, AutoScalingGroupName=group)
    assert policy == {
        "AutoScalingGroupName": group,
        "PolicyName": "cpu",
        "PolicyARN": answer["PolicyARN"],
        "PolicyType": "TargetTrackingScaling",
        "StepAdjustments": [],
        "Alarms": [],
        "TargetTrackingConfiguration": {**TARGET, "DisableScaleIn": False},
        "Enabled": True,
    }
    again = put(
        AutoScalingGroupName=group,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={**TARGET, "TargetValue": 70.0},
        Enabled=False,
    )
    assert again["PolicyARN"] == answer["PolicyARN"]
    assert policies(cloud, PolicyNames=["cpu"], AutoScalingGroupName=group)[0]["Enabled"] is False


@pytest.mark.long
def test_policies_of_one_name_belong_to_their_groups(cloud: Cloud, group: str) -> None:
    other = make_group(cloud, f"{group}-other")
    asg = cloud.aws("autoscaling")
    arns = {
        name: asg.put_scaling_policy(
            AutoScalingGroupName=name,
            PolicyName="more",
            AdjustmentType="ChangeInCapacity",
            ScalingAdjustment=1,
        )["PolicyARN"]
        for name in (group, other)
    }
    assert len(set(arns.values())) == 2
    asg.delete_policy(PolicyName=arns[other])
    assert [p["PolicyARN"] for p in policies(cloud, AutoScalingGroupName=group)] == [arns[group]]
    assert policies(cloud, AutoScalingGroupName=other) == []


@pytest.mark.long
def test_a_policy_changes_the_capacity_within_the_bounds(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    named = {"AutoScalingGroupName": group, "PolicyName": "more"}
    asg.put_scaling_policy(**named, AdjustmentType="ChangeInCapacity", ScalingAdjustment=3)
    asg.execute_policy(**named)
    assert sizes(cloud, group)[2] == 3
    assert (
        " a user request executed policy more changing the desired capacity from 0 to 3."
        in eventually(lambda: causes(cloud, group))[0]
    )
    assert said(asg.execute_policy, **named, HonorCooldown=True)[0] == "ScalingActivityInProgress"
    asg.execute_policy(**named)
    assert sizes(cloud, group)[2] == 4
    asg.put_scaling_policy(**named, AdjustmentType="PercentChangeInCapacity", ScalingAdjustment=-30)
    asg.execute_policy(**named)
    assert sizes(cloud, group)[2] == 3
    delete_group(cloud, group)


@pytest.mark.long
def test_a_step_is_chosen_by_the_breach(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    named = {"AutoScalingGroupName": group, "PolicyName": "steps"}
    asg.put_scaling_policy(
        **named,
        PolicyType="StepScaling",
        AdjustmentType="ExactCapacity",
        StepAdjustments=[
            {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 2},
        ],
    )
    (policy,) = policies(cloud, AutoScalingGroupName=group)
    assert policy["MetricAggregationType"] == "Average"
    asg.execute_policy(**named, MetricValue=65, BreachThreshold=50)
    assert sizes(cloud, group)[2] == 2
    asg.execute_policy(**named, MetricValue=55, BreachThreshold=50)
    assert sizes(cloud, group)[2] == 1
    assert said(asg.execute_policy, **named)[0] == "ValidationError"
    delete_group(cloud, group)


@pytest.mark.long
@pytest.mark.parametrize(
    "given",
    [
        {"PolicyType": "Magic"},
        {"PolicyType": "SimpleScaling", "AdjustmentType": "ChangeInCapacity"},
        {"PolicyType": "SimpleScaling", "AdjustmentType": "Double", "ScalingAdjustment": 1},
        {"PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity"},
        {"PolicyType": "TargetTrackingScaling"},
        {
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingConfiguration": TARGET,
            "Cooldown": 60,
        },
    ],
)
def test_a_policy_that_aws_refuses_is_refused(
    cloud: Cloud, group: str, given: dict[str, Any]
) -> None:
    put = cloud.aws("autoscaling").put_scaling_policy
    assert said(put, AutoScalingGroupName=group, PolicyName="bad", **given)[0] == "ValidationError"


# Lifecycle hooks


def lifecycle_hooks(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.aws("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName=name
    )["LifecycleHooks"]
    return found


@pytest.mark.long
def test_a_lifecycle_hook_has_the_given_settings_only(cloud: Cloud, group: str) -> None:
    put = cloud.aws("autoscaling").put_lifecycle_hook
    named = {"AutoScalingGroupName": group, "LifecycleHookName": "warm"}
    put(**named, LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING")
    hook = {
        **named,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout": 3600,
        "GlobalTimeout": 172800,
        "DefaultResult": "ABANDON",
    }
    assert lifecycle_hooks(cloud, group) == [hook]
    put(**named, HeartbeatTimeout=60, NotificationMetadata="web")
    hook |= {"HeartbeatTimeout": 60, "GlobalTimeout": 6000, "NotificationMetadata": "web"}
    assert lifecycle_hooks(cloud, group) == [hook]
    put(**named, DefaultResult="CONTINUE")
    assert lifecycle_hooks(cloud, group) == [{**hook, "DefaultResult": "CONTINUE"}]


@pytest.mark.long
def test_a_lifecycle_hook_that_aws_refuses_is_refused(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    named = {"AutoScalingGroupName": group, "LifecycleHookName": "bad"}
    launching = "autoscaling:EC2_INSTANCE_LAUNCHING"
    for given in (
        {},
        {"LifecycleTransition": "launching"},
        {"LifecycleTransition": launching, "HeartbeatTimeout": 29},
        {"LifecycleTransition": launching, "DefaultResult": "IGNORE"},
    ):
        assert said(asg.put_lifecycle_hook, **named, **given)[0] == "ValidationError"
    assert said(asg.delete_lifecycle_hook, **named)[0] == "ValidationError"


# Metrics, notifications, tags, limits


def metrics(cloud: Cloud, name: str) -> list[str]:
    enabled = described(cloud, name).get("EnabledMetrics", [])
    assert {metric["Granularity"] for metric in enabled} <= {"1Minute"}
    return [metric["Metric"] for metric in enabled]


@pytest.mark.long
def test_metrics_are_enabled_and_disabled_by_name_or_all(cloud: Cloud, group: str) -> None:
    asg, named = cloud.aws("autoscaling"), {"AutoScalingGroupName": group}
    asg.enable_metrics_collection(**named, Granularity="1Minute", Metrics=["GroupMinSize"])
    asg.enable_metrics_collection(**named, Granularity="1Minute", Metrics=["GroupMaxSize"])
    assert metrics(cloud, group) == ["GroupMinSize", "GroupMaxSize"]
    asg.disable_metrics_collection(**named, Metrics=["GroupMinSize"])
    assert metrics(cloud, group) == ["GroupMaxSize"]
    asg.enable_metrics_collection(**named, Granularity="1Minute")
    known = {m["Metric"] for m in asg.describe_metric_collection_types()["Metrics"]}
    assert set(metrics(cloud, group)) == known
    assert "GroupInServiceInstances" in known
    asg.disable_metrics_collection(**named)
    assert metrics(cloud, group) == []
    assert said(asg.enable_metrics_collection, **named, Granularity="5Minute")[0] == (
        "ValidationError"
    )


def test_notifications_are_described_one_by_one(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    topic = {"TopicARN": "arn:aws:sns:us-east-1:123456789012:ops"}
    named = {"AutoScalingGroupName": group, **topic}
    launch, end = "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"

    def kinds() -> list[str]:
        found = asg.describe_notification_configurations(AutoScalingGroupNames=[group])
        return [c["NotificationType"] for c in found["NotificationConfigurations"]]

    asg.put_notification_configuration(**named, NotificationTypes=[launch, end])
    assert kinds() == [launch, end]
    asg.put_notification_configuration(**named, NotificationTypes=[end])
    assert kinds() == [end]
    asg.delete_notification_configuration(**named)
    assert kinds() == []
    assert launch in asg.describe_auto_scaling_notification_types()["AutoScalingNotificationTypes"]


@pytest.mark.long
def test_the_tags_of_a_group_are_described_in_pages(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    of_group = {"ResourceId": group, "ResourceType": "auto-scaling-group"}
    asg.create_or_update_tags(
        Tags=[
            {**of_group, "Key": f"k{n}", "Value": "v", "PropagateAtLaunch": n == 0}
            for n in range(3)
        ]
    )
    wanted = [{"Name": "auto-scaling-group", "Values": [group]}]
    pages = asg.get_paginator("describe_tags").paginate(
        Filters=wanted, PaginationConfig={"PageSize": 2}
    )
    assert [[tag["Key"] for tag in page["Tags"]] for page in pages] == [["k0", "k1"], ["k2"]]
    wanted.append({"Name": "propagate-at-launch", "Values": ["true"]})
    assert [tag["Key"] for tag in asg.describe_tags(Filters=wanted)["Tags"]] == ["k0"]
    asg.delete_tags(Tags=[{**of_group, "Key": "k0"}])
    assert [t["Key"] for t in described(cloud, group)["Tags"]] == ["k1", "k2"]


def test_limits_show_the_present_numbers(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    limits = asg.describe_account_limits()
    assert limits["MaxNumberOfAutoScalingGroups"] == 500
    make_group(cloud, f"{group}-more")
    after = asg.describe_account_limits()["NumberOfAutoScalingGroups"]
    assert after == limits["NumberOfAutoScalingGroups"] + 1


@pytest.mark.long
def test_everything_on_a_group_is_deleted_with_it(cloud: Cloud, group: str) -> None:
    asg, named = cloud.aws("autoscaling"), {"AutoScalingGroupName": group}
    asg.put_scaling_policy(
        **named, PolicyName="more", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    asg.put_lifecycle_hook(
        **named, LifecycleHookName="warm", LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING"
    )
    asg.put_scheduled_update_group_action(
        **named, ScheduledActionName="nightly", Recurrence="0 22 * * *", MinSize=0
    )
    delete_group(cloud, group)
    assert actions(cloud, group) == []
    make_group(cloud, group)
    assert actions(cloud, group) == []
    assert policies(cloud, **named) == []
    assert lifecycle_hooks(cloud, group) == []


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("put_scaling_policy", {"PolicyName": "more"}),
        ("put_scheduled_update_group_action", {"ScheduledActionName": "a", "MinSize": 1}),
        ("put_lifecycle_hook", {"LifecycleHookName": "warm"}),
        ("describe_lifecycle_hooks", {}),
        ("enable_metrics_collection", {"Granularity": "1Minute"}),
        ("disable_metrics_collection", {}),
        ("describe_instance_refreshes", {}),
    ],
)
def test_a_group_that_does_not_exist_is_a_validation_error(
    cloud: Cloud, action: str, given: dict[str, Any]
) -> None:
    call = getattr(cloud.aws("autoscaling"), action)
    code, text = said(call, AutoScalingGroupName="unknown", **given)
    assert code == "ValidationError"
    assert "not found" in text


def test_tags_of_a_group_that_does_not_exist_are_refused(cloud: Cloud) -> None:
    tag = {"ResourceId": "unknown", "ResourceType": "auto-scaling-group", "Key": "k", "Value": "v"}
    code, _ = said(cloud.aws("autoscaling").create_or_update_tags, Tags=[tag])
    assert code == "ValidationError"


# What a group launches from


def test_a_launch_configuration_is_created_once_and_kept_while_in_use(cloud: Cloud) -> None:
    asg, name = cloud.aws("autoscaling"), f"configuration-{next(NUMBERS)}"
    wanted = {"LaunchConfigurationName": name, "InstanceType": "t3.micro"}
    code, _ = said(asg.create_launch_configuration, **wanted, ImageId="ami-0123456789abcdef0")
    assert code == "ValidationError"
    asg.create_launch_configuration(**wanted, ImageId=cloud.base_image())
    code, text = said(asg.create_launch_configuration, **wanted, ImageId=cloud.base_image())
    assert code == "AlreadyExists"
    assert text == (
        "Launch Configuration by this name already exists - A launch configuration already "
        f"exists with the name {name}"
    )
    asg.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        AvailabilityZones=["us-east-1a"],
        MinSize=0,
        MaxSize=0,
    )
    code, text = said(asg.delete_launch_configuration, LaunchConfigurationName=name)
    assert code == "ResourceInUse"
    assert text == (
        f"Cannot delete launch configuration {name} because it is attached to AutoScalingGroup "
        f"{name}"
    )
    delete_group(cloud, name)
    asg.delete_launch_configuration(LaunchConfigurationName=name)
    code, _ = said(asg.delete_launch_configuration, LaunchConfigurationName=name)
    assert code == "ValidationError"


OTHER_ARCHITECTURE = (
    "The architecture 'arm64' of the specified instance type does not match the architecture "
    "'x86_64' of the specified AMI. Specify an instance type and an AMI that have matching "
    "architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to "
    "discover the architecture of the instance type or AMI."
)


def test_an_instance_whose_type_cannot_run_its_image_is_refused(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    launch = {"ImageId": cloud.base_image(), "MinCount": 1, "MaxCount": 1}
    refusal = ("InvalidParameterValue", OTHER_ARCHITECTURE)
    assert said(ec2.run_instances, **launch, InstanceType="t4g.micro") == refusal
    data = {"ImageId": launch["ImageId"], "InstanceType": "t4g.micro"}
    made = ec2.create_launch_template(LaunchTemplateName="of-arm", LaunchTemplateData=data)
    named = {"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"]}
    assert said(ec2.run_instances, LaunchTemplate=named, MinCount=1, MaxCount=1) == refusal


def test_a_group_with_a_launch_template_that_cannot_be_launched_is_refused(
    cloud: Cloud, group: str
) -> None:
    update = cloud.aws("autoscaling").update_auto_scaling_group
    missing, image = "lt-0123456789abcdef0", "ami-0123456789abcdef0"
    begins = "You must use a valid fully-formed launch template. "
    wanted = {"LaunchTemplateId": missing}
    assert said(update, AutoScalingGroupName=group, LaunchTemplate=wanted) == (
        "ValidationError",
        f"{begins}The specified launch template, with template ID {missing}, does not exist.",
    )
    known = described(cloud, group)["LaunchTemplate"]["LaunchTemplateId"]
    wanted = {"LaunchTemplateId": known, "Version": "7"}
    code, text = said(update, AutoScalingGroupName=group, LaunchTemplate=wanted)
    assert (code, text.startswith(begins)) == ("ValidationError", True)
    cloud.aws("ec2").create_launch_template_version(
        LaunchTemplateId=known, LaunchTemplateData={"ImageId": image}
    )
    wanted = {"LaunchTemplateId": known, "Version": "$Latest"}
    assert said(update, AutoScalingGroupName=group, LaunchTemplate=wanted) == (
        "ValidationError",
        f"{begins}The image id '[{image}]' does not exist",
    )
    cloud.aws("ec2").create_launch_template_version(
        LaunchTemplateId=known,
        LaunchTemplateData={"ImageId": cloud.base_image(), "InstanceType": "t4g.micro"},
    )
    assert said(update, AutoScalingGroupName=group, LaunchTemplate=wanted) == (
        "ValidationError",
        begins + OTHER_ARCHITECTURE,
    )
    assert described(cloud, group)["LaunchTemplate"]["Version"] == "1"


def test_a_launch_template_in_use_can_be_deleted(cloud: Cloud, group: str) -> None:
    used = described(cloud, group)["LaunchTemplate"]
    cloud.aws("ec2").delete_launch_template(LaunchTemplateId=used["LaunchTemplateId"])
    assert described(cloud, group)["LaunchTemplate"] == used


# Instance refreshes


def test_a_refresh_is_started_once_described_and_cancelled(cloud: Cloud, group: str) -> None:
    asg = cloud.aws("autoscaling")
    named = {"AutoScalingGroupName": group}
    asg.suspend_processes(**named, ScalingProcesses=["InstanceRefresh"])
    given = {"MinHealthyPercentage": 50, "SkipMatching": True}
    started = asg.start_instance_refresh(**named, Preferences=given)["InstanceRefreshId"]
    assert said(asg.start_instance_refresh, **named)[0] == "InstanceRefreshInProgress"
    (shown,) = asg.describe_instance_refreshes(**named)["InstanceRefreshes"]
    assert (shown["InstanceRefreshId"], shown["Status"]) == (started, "Pending")
    assert shown["Preferences"] == {**given, "InstanceWarmup": 0}
    assert said(asg.rollback_instance_refresh, **named)[0] == "IrreversibleInstanceRefresh"
    assert asg.cancel_instance_refresh(**named) | {"ResponseMetadata": 0} == {
        "InstanceRefreshId": started,
        "ResponseMetadata": 0,
    }
    asg.resume_processes(**named, ScalingProcesses=["InstanceRefresh"])
    (shown,) = asg.describe_instance_refreshes(**named)["InstanceRefreshes"]
    assert shown["Status"] == "Cancelled"
    assert said(asg.cancel_instance_refresh, **named)[0] == "ActiveInstanceRefreshNotFound"


# What is left out


@pytest.mark.long
@pytest.mark.parametrize(
    ("service", "action", "given"),
    [
        ("autoscaling", "get_predictive_scaling_forecast", "forecast"),
        ("ec2", "describe_capacity_blocks", None),
        ("elb", "describe_account_limits", None),
        ("elbv2", "describe_trust_store_associations", "trust"),
    ],
)
def test_an_unsupported_action_is_refused_at_once(
    cloud: Cloud, service: str, action: str, given: str | None
) -> None:
    arguments: dict[str, Any] = {}
    if given == "forecast":
        at = soon(60)
        arguments = {
            "AutoScalingGroupName": "a",
            "PolicyName": "b",
            "StartTime": at,
            "EndTime": at,
        }
    if given == "trust":
        arguments = {"TrustStoreArn": "arn:aws:elasticloadbalancing:us-east-1:1:truststore/a/b"}
    cloud.client.forget_calls()
    code, text = said(getattr(cloud.aws(service, retries=3), action), **arguments)
    assert code == "NotImplementedByLocalCloud"
    assert "The local cloud does not support" in text
    assert [call["calls"] for call in cloud.client.calls()] == [1]


@pytest.mark.parametrize(
    ("service", "version"),
    [("autoscaling", "2011-01-01"), ("ec2", "2016-11-15"), ("elasticloadbalancing", "2015-12-01")],
)
def test_an_unknown_action_is_refused(cloud: Cloud, service: str, version: str) -> None:
    signed = f"AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{service}/aws4_request"
    asked = urllib.request.Request(  # noqa: S310  loopback
        cloud.endpoint,
        data=f"Action=MakeTea&Version={version}".encode(),
        headers={"Authorization": f"{signed}, SignedHeaders=host, Signature=none"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)  # noqa: S310  the same
    with refused.value as answer:
        assert answer.code == 400
        assert b"NotImplementedByLocalCloud" in answer.read()


def test_groups_are_described_in_pages_while_groups_are_deleted(cloud: Cloud) -> None:
    asg, run = cloud.aws("autoscaling"), f"run-{next(NUMBERS)}"
    tag = [{"Key": "paged", "Value": run, "PropagateAtLaunch": False}]
    names = [make_group(cloud, f"{run}-{letter}", Tags=tag) for letter in "dbca"]
    of_run = {"Filters": [{"Name": "tag:paged", "Values": [run]}], "MaxRecords": 2}
    first = asg.describe_auto_scaling_groups(**of_run)
    for name in names[:2]:
        delete_group(cloud, name)
    rest = asg.describe_auto_scaling_groups(**of_run, NextToken=first["NextToken"])
    told = [[one["AutoScalingGroupName"] for one in p["AutoScalingGroups"]] for p in (first, rest)]
    assert told == [names[:2], names[2:]]
    assert "NextToken" not in rest


def test_invalid_pages_of_groups_are_refused(cloud: Cloud) -> None:
    ask = cloud.aws("autoscaling").describe_auto_scaling_groups
    assert said(ask, NextToken="group-that-never-was")[0] == "InvalidNextToken"
    assert said(ask, MaxRecords=101)[0] == "ValidationError"
