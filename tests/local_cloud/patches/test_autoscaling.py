"""Auto Scaling groups through AWS's own client, on a cloud in which nothing takes long."""

from __future__ import annotations

import base64
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from tests import running_cloud
from tests.running_cloud import eventually, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_cloud import Cloud

ZONES = ["us-east-1a", "us-east-1b"]
FULLY_FORMED = "You must use a valid fully-formed launch template. "
STILL_THERE = (
    "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
    "instance request(s) still in the group."
)
TAKEN = "AutoScalingGroup by this name already exists - A group with the name "
NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """A group on a cloud, and what tests ask of it."""

    cloud: Cloud
    name: str

    @property
    def client(self) -> Any:
        return self.cloud.aws("autoscaling")

    def template(self, **data: Any) -> str:
        data = {"ImageId": self.cloud.base_image(), "InstanceType": "t3.micro", **data}
        made = self.cloud.aws("ec2").create_launch_template(
            LaunchTemplateName=f"{self.name}-{next(NUMBERS)}", LaunchTemplateData=data
        )
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def create(self, **more: Any) -> None:
        call = {"MinSize": 0, "MaxSize": 4, "AvailabilityZones": ZONES, **more}
        if not {"LaunchTemplate", "LaunchConfigurationName"} & set(call):
            call["LaunchTemplate"] = {"LaunchTemplateId": self.template(), "Version": "$Latest"}
        self.client.create_auto_scaling_group(AutoScalingGroupName=self.name, **call)

    def update(self, **more: Any) -> None:
        self.client.update_auto_scaling_group(AutoScalingGroupName=self.name, **more)

    def want(self, desired: int) -> None:
        self.client.set_desired_capacity(AutoScalingGroupName=self.name, DesiredCapacity=desired)

    def described(self) -> dict[str, Any]:
        found = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        return next(iter(found["AutoScalingGroups"]), {})

    def members(self) -> list[dict[str, Any]]:
        return list(self.described().get("Instances", []))

    def ids(self) -> list[str]:
        return [str(member["InstanceId"]) for member in self.members()]

    def settled(self, count: int) -> list[dict[str, Any]]:
        def those() -> list[dict[str, Any]]:
            found = self.members()
            states = [member["LifecycleState"] for member in found]
            return found if states == ["InService"] * count else []

        if count:
            return eventually(those)
        eventually(lambda: not self.members())
        return []

    def activities(self, **more: Any) -> list[dict[str, Any]]:
        found = self.client.describe_scaling_activities(AutoScalingGroupName=self.name, **more)
        return list(found["Activities"])

    def delete(self, *, force: bool = True) -> None:
        self.client.delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=force)


@pytest.fixture
def fleet(cloud: Cloud) -> Iterator[Fleet]:
    made = Fleet(cloud=cloud, name=f"fleet-{next(NUMBERS)}")
    yield made
    if made.described() and not made.described().get("Status"):
        made.delete()
    eventually(lambda: not made.described())


@pytest.fixture(scope="module")
def unhurried_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud slow enough that the states on the way can be seen."""
    with running_cloud.a_cloud(tmp_path_factory.mktemp("unhurried"), speed=6) as running:
        yield running


@pytest.fixture
def slow(unhurried_once: Cloud) -> Fleet:
    return Fleet(cloud=unhurried_once, name=f"slow-{next(NUMBERS)}")


def refusal(call: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> tuple[str, str]:
    said = call.value.response["Error"]
    return said["Code"], said["Message"]


def test_a_group_launches_and_its_instances_run(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=3)
    members = fleet.settled(3)
    assert {member["HealthStatus"] for member in members} == {"Healthy"}
    assert sorted(member["AvailabilityZone"] for member in members) == [ZONES[0], *ZONES]
    for instance in fleet.ids():
        assert fleet.cloud.instance(instance)["State"]["Name"] == "running"


def test_a_member_is_pending_while_its_instance_is(slow: Fleet) -> None:
    slow.create(DesiredCapacity=1)
    assert [member["LifecycleState"] for member in slow.members()] == ["Pending"]
    (activity,) = slow.activities()
    assert (activity["StatusCode"], activity["Progress"]) == ("PreInService", 30)
    assert "EndTime" not in activity
    slow.settled(1)
    slow.want(0)
    assert [member["LifecycleState"] for member in slow.members()] == ["Terminating"]
    slow.settled(0)


@pytest.mark.long
def test_activities_are_described_newest_first_in_pages_and_by_id(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=2)
    fleet.settled(2)
    fleet.want(1)
    fleet.settled(1)
    told = fleet.activities()
    descriptions = [activity["Description"].partition(" ")[0] for activity in told]
    assert descriptions == ["Terminating", "Launching", "Launching"]
    assert {activity["StatusCode"] for activity in told} == {"Successful"}
    assert told[0]["EndTime"] > told[-1]["StartTime"]
    first = fleet.client.describe_scaling_activities(AutoScalingGroupName=fleet.name, MaxRecords=2)
    rest = fleet.activities(NextToken=first["NextToken"])
    assert [*first["Activities"], *rest] == told
    assert fleet.activities(ActivityIds=[told[1]["ActivityId"]]) == [told[1]]


@pytest.mark.long
def test_an_instance_that_is_terminated_is_replaced(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (before,) = fleet.settled(1)
    fleet.cloud.aws("ec2").terminate_instances(InstanceIds=[before["InstanceId"]])
    eventually(lambda: before["InstanceId"] not in fleet.ids() and fleet.settled(1))
    causes = [activity["Cause"] for activity in fleet.activities()]
    assert causes[0].endswith("in response to an unhealthy instance needing to be replaced.")
    assert causes[1].endswith("indicating it has been terminated or stopped.")


@pytest.mark.long
def test_every_property_of_the_chosen_template_version_counts(fleet: Fleet) -> None:
    template = fleet.template(UserData="IyEvYmluL3NoCmVjaG8gb25lCg==")
    group = fleet.cloud.aws("ec2").create_security_group(
        GroupName=fleet.name, Description="of version 2"
    )["GroupId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "of", "Value": "template"}]}]
    fleet.cloud.aws("ec2").create_launch_template_version(
        LaunchTemplateId=template,
        LaunchTemplateData={
            "ImageId": fleet.cloud.base_image(),
            "InstanceType": "t3.small",
            "UserData": "IyEvYmluL3NoCmVjaG8gdHdvCg==",
            "SecurityGroupIds": [group],
            "MetadataOptions": {"HttpTokens": "required"},
            "TagSpecifications": tags,
        },
    )
    own = [
        {"Key": "of", "Value": "group", "PropagateAtLaunch": True},
        {"Key": "hidden", "Value": "x", "PropagateAtLaunch": False},
    ]
    version = {"LaunchTemplateId": template, "Version": "$Latest"}
    fleet.create(DesiredCapacity=1, LaunchTemplate=version, Tags=own)
    (member,) = fleet.settled(1)
    assert member["LaunchTemplate"]["Version"] == "2"
    assert member["InstanceType"] == "t3.small"
    instance = fleet.cloud.instance(member["InstanceId"])
    told = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert told["of"] == "group"
    assert "hidden" not in told
    assert told["aws:autoscaling:groupName"] == fleet.name
    assert told["aws:ec2launchtemplate:version"] == "2"
    assert [g["GroupId"] for g in instance["SecurityGroups"]] == [group]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    eventually(lambda: "cloud-init: two" in fleet.cloud.console(member["InstanceId"]))


def test_the_default_version_is_resolved_at_each_launch(fleet: Fleet) -> None:
    template = fleet.template()
    ec2 = fleet.cloud.aws("ec2")
    fleet.create(DesiredCapacity=1, LaunchTemplate={"LaunchTemplateId": template})
    fleet.settled(1)
    ec2.create_launch_template_version(
        LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={}
    )
    data = {"ImageId": fleet.cloud.base_image(), "InstanceType": "t3.nano"}
    ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="3")
    fleet.want(2)
    versions = {member["LaunchTemplate"]["Version"] for member in fleet.settled(2)}
    assert versions == {"1", "3"}


@pytest.mark.long
def test_a_template_that_could_not_be_launched_is_refused(fleet: Fleet) -> None:
    version = {"LaunchTemplateId": fleet.template(ImageId="ami-00000000000000000")}
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.create(LaunchTemplate=version)
    assert refusal(refused) == (
        "ValidationError",
        f"{FULLY_FORMED}The image id '[ami-00000000000000000]' does not exist",
    )
    assert fleet.described() == {}


@pytest.mark.long
def test_a_launch_that_fails_is_an_activity_and_is_repeated(fleet: Fleet) -> None:
    ec2 = fleet.cloud.aws("ec2")
    image = ec2.create_image(InstanceId=fleet.cloud.launch()["InstanceId"], Name=fleet.name)
    ec2.get_waiter("image_available").wait(
        ImageIds=[image["ImageId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    template = fleet.template(ImageId=image["ImageId"])
    fleet.create(LaunchTemplate={"LaunchTemplateId": template})
    ec2.deregister_image(ImageId=image["ImageId"])
    fleet.want(1)
    eventually(lambda: len(fleet.activities()) > 1)
    failed = fleet.activities()[0]
    message = f"The image id '[{image['ImageId']}]' does not exist. Launching EC2 instance failed."
    assert failed["StatusCode"] == "Failed"
    assert failed["Progress"] == 100
    assert failed["StatusMessage"] == message
    assert failed["Description"] == f"Launching a new EC2 instance.  Status Reason: {message}"
    data = {"ImageId": fleet.cloud.base_image(), "InstanceType": "t3.micro"}
    ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
    fleet.update(LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"})
    fleet.settled(1)


@pytest.mark.long
def test_a_launch_without_capacity_fails_and_recovers(fleet: Fleet) -> None:
    fleet.create()
    fleet.cloud.client.set_behavior(behavior="no-capacity", group=fleet.name, times=2)
    fleet.want(1)
    fleet.settled(1)
    failed = [a for a in fleet.activities() if a["StatusCode"] == "Failed"]
    assert len(failed) == 2
    assert "We currently do not have sufficient t3.micro capacity" in failed[0]["StatusMessage"]


def test_a_launch_whose_kms_key_is_denied_is_cancelled_with_the_state_reason(
    fleet: Fleet,
) -> None:
    fleet.create()
    fleet.cloud.client.set_behavior(behavior="kms-denied", group=fleet.name)
    fleet.want(1)
    launches = eventually(lambda: [a for a in fleet.activities() if a["StatusCode"] == "Cancelled"])
    assert launches[0]["StatusMessage"] == (
        "Instance became unhealthy while waiting for instance to be in InService state. "
        "Termination Reason: Client.InternalError: Client error on launch"
    )
    fleet.cloud.client.clear_behaviors()


@pytest.mark.long
@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (5, "New SetDesiredCapacity value 5 is above max value 4 for the AutoScalingGroup."),
        (0, "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup."),
    ],
)
def test_a_desired_capacity_outside_the_bounds_is_refused(
    fleet: Fleet, desired: int, message: str
) -> None:
    fleet.create(MinSize=1)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.want(desired)
    assert refusal(refused) == ("ValidationError", message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MinSize": 5}, "Max bound, 4, must be greater than or equal to min bound, 5"),
        (
            {"DesiredCapacity": 9},
            "Desired capacity:9 must be between the specified min size:0 and max size:4",
        ),
    ],
)
def test_sizes_that_contradict_each_other_are_refused(
    fleet: Fleet, given: dict[str, int], message: str
) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.create(**given)
    assert refusal(refused) == ("ValidationError", message)
    fleet.create()
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.update(**given)
    assert refusal(refused) == ("ValidationError", message)


@pytest.mark.long
def test_new_bounds_move_the_desired_capacity(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=2)
    fleet.update(MinSize=3)
    assert fleet.described()["DesiredCapacity"] == 3
    fleet.settled(3)
    fleet.update(MinSize=0, MaxSize=1)
    assert fleet.described()["DesiredCapacity"] == 1
    fleet.settled(1)
    cause = fleet.activities()[0]["Cause"]
    assert re.match(
        r"At \S+Z a user request update of AutoScalingGroup constraints to min: 0, max: 1, "
        r"desired: 1 changing the desired capacity from 3 to 1\.  At ",
        cause,
    )


def test_honor_cooldown_refuses_during_a_cooldown(fleet: Fleet) -> None:
    fleet.create(DefaultCooldown=1_000_000, DesiredCapacity=1)
    fleet.settled(1)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.client.set_desired_capacity(
            AutoScalingGroupName=fleet.name, DesiredCapacity=2, HonorCooldown=True
        )
    assert refusal(refused)[0] == "ScalingActivityInProgress"
    assert "is in progress and blocks this action" in refusal(refused)[1]
    fleet.want(2)
    fleet.settled(2)


def test_fields_are_kept_as_they_are_given(fleet: Fleet) -> None:
    fleet.create(
        HealthCheckGracePeriod=0,
        DefaultCooldown=0,
        DefaultInstanceWarmup=7,
        MaxInstanceLifetime=86400,
        TerminationPolicies=["OldestInstance"],
        CapacityRebalance=True,
        Context="mine",
    )
    told = fleet.described()
    assert told["HealthCheckGracePeriod"] == 0
    assert told["DefaultCooldown"] == 0
    assert told["DefaultInstanceWarmup"] == 7
    assert told["MaxInstanceLifetime"] == 86400
    assert told["TerminationPolicies"] == ["OldestInstance"]
    assert told["CapacityRebalance"] is True
    assert told["Context"] == "mine"
    assert told["CreatedTime"].tzinfo is not None
    fleet.update(
        DefaultInstanceWarmup=-1,
        MaxInstanceLifetime=0,
        TerminationPolicies=["NewestInstance", "Default"],
        DefaultCooldown=9,
    )
    told = fleet.described()
    assert "DefaultInstanceWarmup" not in told
    assert "MaxInstanceLifetime" not in told
    assert told["TerminationPolicies"] == ["NewestInstance", "Default"]
    assert told["DefaultCooldown"] == 9
    assert told["Context"] == "mine"


def test_the_grace_period_is_zero_by_default(fleet: Fleet) -> None:
    fleet.create()
    assert fleet.described()["HealthCheckGracePeriod"] == 0


def test_a_group_with_instances_is_deleted_only_by_force(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (member,) = fleet.settled(1)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.delete(force=False)
    assert refusal(refused) == (
        "ResourceInUse",
        STILL_THERE,
    )
    fleet.delete()
    eventually(lambda: not fleet.described())
    state = fleet.cloud.instance(member["InstanceId"])["State"]["Name"]
    assert state in {"shutting-down", "terminated"}


@pytest.mark.long
def test_an_emptied_group_is_deleted_with_its_hooks(fleet: Fleet) -> None:
    hook = {
        "LifecycleHookName": "h",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "DefaultResult": "CONTINUE",
        "HeartbeatTimeout": 30,
    }
    fleet.create(DesiredCapacity=1, LifecycleHookSpecificationList=[hook])
    fleet.settled(1)
    fleet.update(MinSize=0, MaxSize=0, DesiredCapacity=0)
    fleet.settled(0)
    fleet.delete(force=False)
    eventually(lambda: not fleet.described())
    fleet.create()
    hooks = fleet.client.describe_lifecycle_hooks(AutoScalingGroupName=fleet.name)
    assert hooks["LifecycleHooks"] == []


@pytest.mark.long
def test_a_group_that_is_being_deleted_keeps_its_name_and_refuses_changes(slow: Fleet) -> None:
    slow.create(DesiredCapacity=1)
    slow.settled(1)
    slow.delete()
    assert slow.described()["Status"] == "Delete in progress"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        slow.create()
    assert refusal(refused) == (
        "AlreadyExists",
        f"{TAKEN}{slow.name} already exists",
    )
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        slow.want(1)
    assert refusal(refused)[0] == "ValidationError"
    eventually(lambda: not slow.described())


def test_activities_outlive_their_group(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    fleet.settled(1)
    fleet.delete()
    eventually(lambda: not fleet.described())
    assert fleet.activities() == []
    told = fleet.activities(IncludeDeletedGroups=True)
    assert {activity["AutoScalingGroupState"] for activity in told} == {"Deleted"}
    assert len(told) == 2


def test_a_suspended_launch_happens_after_it_is_resumed(fleet: Fleet) -> None:
    fleet.create()
    names = {"AutoScalingGroupName": fleet.name, "ScalingProcesses": ["Launch"]}
    fleet.client.suspend_processes(**names)
    fleet.want(1)
    (told,) = fleet.described()["SuspendedProcesses"]
    assert told["ProcessName"] == "Launch"
    assert re.fullmatch(
        r"User suspended at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["SuspensionReason"]
    )
    assert fleet.members() == []
    fleet.client.resume_processes(**names)
    fleet.settled(1)


def test_suspending_without_a_list_suspends_all_and_an_unknown_name_is_refused(
    fleet: Fleet,
) -> None:
    fleet.create()
    fleet.client.suspend_processes(AutoScalingGroupName=fleet.name)
    assert len(fleet.described()["SuspendedProcesses"]) == 9
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.client.suspend_processes(AutoScalingGroupName=fleet.name, ScalingProcesses=["Lunch"])
    assert refusal(refused)[0] == "ValidationError"


@pytest.mark.long
def test_a_hook_holds_a_new_member_until_it_is_completed(slow: Fleet) -> None:
    hook = {
        "LifecycleHookName": "h",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout": 3600,
    }
    slow.create(DesiredCapacity=1, LifecycleHookSpecificationList=[hook])
    eventually(lambda: [m["LifecycleState"] for m in slow.members()] == ["Pending:Wait"])
    (instance,) = slow.ids()
    action = {
        "AutoScalingGroupName": slow.name,
        "LifecycleHookName": "h",
        "InstanceId": instance,
    }
    slow.client.record_lifecycle_action_heartbeat(**action)
    slow.client.complete_lifecycle_action(**action, LifecycleActionResult="CONTINUE")
    slow.settled(1)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        slow.client.complete_lifecycle_action(**action, LifecycleActionResult="CONTINUE")
    assert refusal(refused) == (
        "ValidationError",
        f"No active Lifecycle Action found with instance ID {instance}",
    )


def test_a_user_terminates_a_member_and_it_is_replaced(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (before,) = fleet.settled(1)
    told = fleet.client.terminate_instance_in_auto_scaling_group(
        InstanceId=before["InstanceId"], ShouldDecrementDesiredCapacity=False
    )["Activity"]
    assert told["Cause"].endswith("was taken out of service in response to a user request.")
    eventually(lambda: before["InstanceId"] not in fleet.ids() and fleet.settled(1))


def test_an_instance_of_no_group_cannot_be_terminated_through_one(fleet: Fleet) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.client.terminate_instance_in_auto_scaling_group(
            InstanceId="i-0000000", ShouldDecrementDesiredCapacity=False
        )
    assert refusal(refused) == (
        "ValidationError",
        "Instance Id not found - No managed instance found for instance ID: i-0000000",
    )


def test_members_are_detached_and_attached(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (member,) = fleet.settled(1)
    ids = [member["InstanceId"]]
    fleet.client.detach_instances(
        AutoScalingGroupName=fleet.name, InstanceIds=ids, ShouldDecrementDesiredCapacity=True
    )
    fleet.settled(0)
    instance = fleet.cloud.instance(ids[0])
    assert instance["State"]["Name"] == "running"
    assert "aws:autoscaling:groupName" not in {tag["Key"] for tag in instance.get("Tags", [])}
    fleet.client.attach_instances(AutoScalingGroupName=fleet.name, InstanceIds=ids)
    fleet.settled(1)
    assert fleet.described()["DesiredCapacity"] == 1
    assert fleet.ids() == ids
    assert fleet.activities()[0]["Description"] == f"Attaching an existing EC2 instance: {ids[0]}"


def test_attaching_more_than_the_maximum_is_refused(fleet: Fleet) -> None:
    fleet.create(MaxSize=0)
    instance = fleet.cloud.launch()["InstanceId"]
    eventually(lambda: fleet.cloud.instance(instance)["State"]["Name"] == "running")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.client.attach_instances(AutoScalingGroupName=fleet.name, InstanceIds=[instance])
    assert refusal(refused)[0] == "ValidationError"


@pytest.mark.long
def test_members_are_described_by_themselves(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=2, NewInstancesProtectedFromScaleIn=True)
    fleet.settled(2)
    ids = fleet.ids()
    told = fleet.client.describe_auto_scaling_instances(InstanceIds=ids)["AutoScalingInstances"]
    assert {one["AutoScalingGroupName"] for one in told} == {fleet.name}
    assert {one["HealthStatus"] for one in told} == {"HEALTHY"}
    assert [one["ProtectedFromScaleIn"] for one in told] == [True, True]
    assert {one["LaunchTemplate"]["Version"] for one in told} == {"1"}
    first = fleet.client.describe_auto_scaling_instances(InstanceIds=ids, MaxRecords=1)
    rest = fleet.client.describe_auto_scaling_instances(
        InstanceIds=ids, NextToken=first["NextToken"]
    )
    assert [*first["AutoScalingInstances"], *rest["AutoScalingInstances"]] == told
    fleet.client.set_instance_protection(
        AutoScalingGroupName=fleet.name, InstanceIds=ids[:1], ProtectedFromScaleIn=False
    )
    fleet.want(0)
    eventually(lambda: fleet.ids() == ids[1:])


@pytest.mark.long
def test_set_instance_health_replaces_the_member(fleet: Fleet) -> None:
    fleet.create(DesiredCapacity=1)
    (before,) = fleet.settled(1)
    fleet.client.set_instance_health(InstanceId=before["InstanceId"], HealthStatus="Unhealthy")
    eventually(lambda: before["InstanceId"] not in fleet.ids() and fleet.settled(1))


def classic(cloud: Cloud, name: str) -> str:
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    cloud.aws("elb").create_load_balancer(
        LoadBalancerName=name, Listeners=[listener], AvailabilityZones=ZONES
    )
    return name


def target_group(cloud: Cloud, name: str) -> str:
    network = cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = cloud.aws("elbv2").create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=network
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def registered(cloud: Cloud, name: str) -> list[str]:
    (told,) = cloud.aws("elb").describe_load_balancers(LoadBalancerNames=[name])[
        "LoadBalancerDescriptions"
    ]
    return [instance["InstanceId"] for instance in told["Instances"]]


@pytest.mark.long
def test_three_apis_describe_the_same_sources(fleet: Fleet) -> None:
    name, arn = classic(fleet.cloud, fleet.name), target_group(fleet.cloud, fleet.name)
    sources = [{"Identifier": name, "Type": "elb"}, {"Identifier": arn, "Type": "elbv2"}]
    group = {"AutoScalingGroupName": fleet.name}
    fleet.create(DesiredCapacity=1, TrafficSources=sources)
    told = fleet.described()
    assert told["LoadBalancerNames"] == [name]
    assert told["TargetGroupARNs"] == [arn]
    assert told["TrafficSources"] == sources
    states = fleet.client.describe_traffic_sources(**group)["TrafficSources"]
    assert [(one["Identifier"], one["State"]) for one in states] == [
        (name, "InService"),
        (arn, "InService"),
    ]
    assert fleet.client.describe_load_balancers(**group)["LoadBalancers"] == [
        {"LoadBalancerName": name, "State": "InService"}
    ]
    found = fleet.client.describe_load_balancer_target_groups(**group)
    assert found["LoadBalancerTargetGroups"] == [
        {"LoadBalancerTargetGroupARN": arn, "State": "InService"}
    ]
    fleet.settled(1)
    assert registered(fleet.cloud, name) == fleet.ids()


@pytest.mark.long
def test_a_source_is_attached_and_detached_over_time(fleet: Fleet) -> None:
    name = classic(fleet.cloud, fleet.name)
    fleet.create(DesiredCapacity=2)
    fleet.settled(2)
    call = {
        "AutoScalingGroupName": fleet.name,
        "TrafficSources": [{"Identifier": name, "Type": "elb"}],
    }
    fleet.client.attach_traffic_sources(**call)
    fleet.client.attach_traffic_sources(**call)
    eventually(lambda: sorted(registered(fleet.cloud, name)) == sorted(fleet.ids()))
    fleet.client.detach_traffic_sources(**call)
    assert fleet.described()["LoadBalancerNames"] == []
    group = {"AutoScalingGroupName": fleet.name}
    eventually(lambda: not fleet.client.describe_traffic_sources(**group)["TrafficSources"])
    assert registered(fleet.cloud, name) == []
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.client.detach_load_balancers(**group, LoadBalancerNames=[name])
    assert refusal(refused) == (
        "ValidationError",
        "Trying to remove Load Balancers that are not part of the group",
    )


@pytest.mark.long
def test_a_member_that_its_load_balancer_finds_unhealthy_is_replaced(fleet: Fleet) -> None:
    name = classic(fleet.cloud, fleet.name)
    check = {"Target": "HTTP:8080/health", "Interval": 5, "Timeout": 2}
    fleet.cloud.aws("elb").configure_health_check(
        LoadBalancerName=name,
        HealthCheck={**check, "UnhealthyThreshold": 2, "HealthyThreshold": 2},
    )
    script = base64.b64encode(serving().encode()).decode()
    version = {"LaunchTemplateId": fleet.template(UserData=script)}
    fleet.create(DesiredCapacity=1, HealthCheckType="ELB", LaunchTemplate=version)
    (before,) = fleet.settled(1)
    group = {"AutoScalingGroupName": fleet.name}
    fleet.client.attach_load_balancers(**group, LoadBalancerNames=[name])
    in_service = [{"LoadBalancerName": name, "State": "InService"}]
    eventually(lambda: fleet.client.describe_load_balancers(**group)["LoadBalancers"] == in_service)
    assert fleet.ids() == [before["InstanceId"]]
    fleet.cloud.client.set_behavior(behavior="never-healthy", instance=before["InstanceId"])
    eventually(lambda: before["InstanceId"] not in fleet.ids())
    ending = f"Terminating EC2 instance: {before['InstanceId']}"
    (ended,) = (a for a in fleet.activities() if a["Description"] == ending)
    assert ended["Cause"].endswith("in response to an ELB system health check failure.")


def test_a_load_balancer_that_does_not_exist_is_refused(fleet: Fleet) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.create(LoadBalancerNames=["nothing"])
    assert refusal(refused) == (
        "ValidationError",
        "Provided Load Balancers may not be valid. Please ensure they exist and try again.",
    )
    fleet.create()
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        fleet.client.attach_load_balancer_target_groups(
            AutoScalingGroupName=fleet.name, TargetGroupARNs=["arn:aws:nothing"]
        )
    assert refusal(refused)[0] == "ValidationError"


def test_the_types_are_listed(fleet: Fleet) -> None:
    client = fleet.client
    assert len(client.describe_scaling_process_types()["Processes"]) == 9
    policies = client.describe_termination_policy_types()["TerminationPolicyTypes"]
    assert {"Default", "OldestLaunchTemplate"} <= set(policies)
    assert len(client.describe_adjustment_types()["AdjustmentTypes"]) == 3
    assert client.describe_lifecycle_hook_types()["LifecycleHookTypes"] == [
        "autoscaling:EC2_INSTANCE_LAUNCHING",
        "autoscaling:EC2_INSTANCE_TERMINATING",
    ]
