"""Reads from the past, asked through boto3 without retries."""

from __future__ import annotations

import contextlib
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from local_cloud.consistency.past import Past
from local_cloud.consistency.setting import OBSERVER, Consistency, may_be_stale
from tests import running_cloud
from tests.patched_moto import FakeTraffic, refused
from tests.running_cloud import Cloud, eventually

IMAGE = {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.micro"}


@pytest.fixture(autouse=True)
def _clear_faults(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.client.clear_faults()


def stale(cloud: Cloud, service: str, action: str) -> None:
    """Let every read of an action show the state as of now, as if nothing happened since."""
    cloud.fault(service=service, action=action, kind="stale", seconds=60, times=0)


def template(cloud: Cloud, name: str) -> str:
    data = {**IMAGE, "ImageId": cloud.base_image()}
    made = cloud.aws("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def group(cloud: Cloud, name: str, **more: Any) -> None:
    cloud.aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=3,
        LaunchTemplate={"LaunchTemplateId": template(cloud, name)},
        AvailabilityZones=["us-east-1a"],
        **more,
    )


def test_a_new_launch_template_is_not_found_and_not_listed_for_a_while(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    stale(cloud, "ec2", "DescribeLaunchTemplates")
    made = template(cloud, "new-template")
    with refused("InvalidLaunchTemplateId.NotFound"):
        ec2.describe_launch_templates(LaunchTemplateIds=[made])
    assert made not in str(ec2.describe_launch_templates())
    assert ec2.describe_launch_template_versions(LaunchTemplateId=made)["LaunchTemplateVersions"]
    cloud.client.clear_faults()
    assert ec2.describe_launch_templates(LaunchTemplateIds=[made])["LaunchTemplates"]


def test_a_group_is_shown_as_it_was_and_one_that_was_deleted_still_is(cloud: Cloud) -> None:
    scaling = cloud.aws("autoscaling")
    group(cloud, "past-group")

    def shown() -> Any:
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["past-group"])
        return [each["DesiredCapacity"] for each in found["AutoScalingGroups"]]

    stale(cloud, "autoscaling", "DescribeAutoScalingGroups")
    scaling.set_desired_capacity(AutoScalingGroupName="past-group", DesiredCapacity=2)
    assert shown() == [0]
    scaling.delete_auto_scaling_group(AutoScalingGroupName="past-group", ForceDelete=True)
    assert shown() == [0]
    cloud.client.clear_faults()
    eventually(lambda: shown() == [])


def test_new_instances_and_tags_appear_late(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    instance = cloud.launch()["InstanceId"]
    stale(cloud, "ec2", "DescribeTags")
    stale(cloud, "ec2", "DescribeInstances")
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "late", "Value": "yes"}])
    second = cloud.launch()["InstanceId"]
    of_instance = [{"Name": "resource-id", "Values": [instance]}]
    assert ec2.describe_tags(Filters=of_instance)["Tags"] == []
    assert cloud.instance(instance).get("Tags", []) == []
    with refused("InvalidInstanceID.NotFound"):
        ec2.describe_instances(InstanceIds=[second])
    cloud.client.clear_faults()
    assert len(ec2.describe_tags(Filters=of_instance)["Tags"]) == 1
    assert cloud.instance(second)["InstanceId"] == second


def test_the_health_of_targets_may_be_that_of_the_past(cloud: Cloud) -> None:
    elb = cloud.aws("elb")
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    elb.create_load_balancer(
        LoadBalancerName="past", Listeners=[listener], AvailabilityZones=["us-east-1a"]
    )
    instance = cloud.launch(Placement={"AvailabilityZone": "us-east-1a"})["InstanceId"]
    eventually(lambda: cloud.instance(instance)["State"]["Name"] == "running")
    registered = {"LoadBalancerName": "past", "Instances": [{"InstanceId": instance}]}
    elb.register_instances_with_load_balancer(**registered)
    stale(cloud, "elb", "DescribeInstanceHealth")
    elb.deregister_instances_from_load_balancer(**registered)
    (shown,) = elb.describe_instance_health(LoadBalancerName="past")["InstanceStates"]
    assert shown["InstanceId"] == instance
    cloud.client.clear_faults()
    eventually(
        lambda: elb.describe_instance_health(LoadBalancerName="past")["InstanceStates"] == []
    )


def test_the_weights_of_a_pair_may_be_those_of_the_past(cloud: Cloud) -> None:
    elbv2 = cloud.aws("elbv2")
    vpc = cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    groups = [
        elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)
        for name in ("past-blue", "past-green")
    ]
    arns = [each["TargetGroups"][0]["TargetGroupArn"] for each in groups]
    subnets = cloud.aws("ec2").describe_subnets()["Subnets"][:2]
    made = elbv2.create_load_balancer(Name="past", Subnets=[each["SubnetId"] for each in subnets])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]

    def to(*weights: int) -> list[Any]:
        pairs = zip(arns, weights, strict=True)
        tuples = [{"TargetGroupArn": group, "Weight": weight} for group, weight in pairs]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}]

    opened = elbv2.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=to(100, 0)
    )
    listener = opened["Listeners"][0]["ListenerArn"]

    def shown(listeners: Any) -> list[int]:
        config = listeners["Listeners"][0]["DefaultActions"][0]["ForwardConfig"]
        return [each["Weight"] for each in config["TargetGroups"]]

    stale(cloud, "elbv2", "DescribeListeners")
    changed = elbv2.modify_listener(ListenerArn=listener, DefaultActions=to(0, 100))
    assert shown(changed) == [0, 100]
    assert shown(elbv2.describe_listeners(ListenerArns=[listener])) == [100, 0]
    cloud.client.clear_faults()
    assert shown(elbv2.describe_listeners(ListenerArns=[listener])) == [0, 100]
    elbv2.delete_load_balancer(LoadBalancerArn=arn)


def test_a_late_write_is_acknowledged_and_takes_effect_later(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    cloud.fault(service="ec2", action="CreateTags", kind="late", seconds=0.3)
    began = time.monotonic()
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "late", "Value": "yes"}])

    def tagged() -> bool:
        return "late" in str(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0].get("Tags"))

    assert not tagged()
    eventually(tagged)
    assert time.monotonic() - began >= 0.3


def test_a_late_attachment_answers_in_the_form_of_its_service(cloud: Cloud) -> None:
    scaling = cloud.aws("autoscaling")
    group(cloud, "late-group")
    cloud.fault(service="autoscaling", action="SetDesiredCapacity", kind="late", seconds=60)
    cloud.fault(service="autoscaling", action="AttachTrafficSources", kind="late", seconds=60)
    scaling.set_desired_capacity(AutoScalingGroupName="late-group", DesiredCapacity=1)
    answer = scaling.attach_traffic_sources(
        AutoScalingGroupName="late-group",
        TrafficSources=[{"Identifier": "no-such-balancer", "Type": "elb"}],
    )
    assert set(answer) == {"ResponseMetadata"}
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["late-group"])
    assert found["AutoScalingGroups"][0]["DesiredCapacity"] == 0


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"kind": "late", "service": "ec2", "action": "RunInstances"}, "its answer shows"),
        ({"kind": "late", "service": "ec2", "action": "DescribeTags"}, "its answer shows"),
        ({"kind": "late", "service": "ec2", "action": "Make"}, "has no action"),
        ({"kind": "late", "service": "s3", "action": "PutObject"}, "one service of"),
        ({"kind": "stale", "service": "ec2", "action": "CreateTags"}, "is not a read"),
        ({"kind": "stale", "service": "s3", "action": "GetObject"}, "is not a read"),
    ],
)
def test_what_cannot_be_late_or_stale_is_refused(
    cloud: Cloud, order: dict[str, str], reason: str
) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400") as failed:
        cloud.fault(**order)
    with contextlib.closing(failed.value) as answer:
        assert reason in answer.read().decode()


def gateways(ec2: Any) -> int:
    return len(ec2.describe_internet_gateways()["InternetGateways"])


@pytest.mark.long
def test_with_eventual_consistency_each_caller_and_call_has_its_own_past(tmp_path: Any) -> None:
    settings: dict[str, Any] = {"speed": 20, "consistency": "eventual:60", "seed": 3}
    with running_cloud.a_cloud(tmp_path / "cloud", **settings) as eventual:
        assert eventual.state.consistency == "eventual:60"
        for _ in range(12):
            eventual.aws("ec2").create_internet_gateway()
            time.sleep(0.1)
        counts = {
            caller: [gateways(eventual.aws("ec2", key=caller)) for _ in range(20)]
            for caller in ("one", "other", OBSERVER)
        }
    assert set(counts[OBSERVER]) == {12}
    assert counts["one"] != counts["other"]
    assert len(set(counts["one"])) > 2
    assert counts["one"] != sorted(counts["one"])


# --- by seed, on a clock of the test's own --------------------------------------------------------


@dataclass(kw_only=True)
class Replay:
    """moto with a past of ten seconds, and a clock that moves by a second a write."""

    seed: int
    time: float = 100.0
    past: Past = field(init=False)

    def __post_init__(self) -> None:
        self.past = Past(
            consistency=Consistency(seconds=10, seed=self.seed),
            oldest=10,
            traffic=cast("Any", SimpleNamespace(record=lambda *_: None, as_of=lambda _: None)),
            now=lambda: self.time,
        )

    def run(self) -> list[int]:
        """Return how many gateways each of twenty reads shows, with a write before each."""
        make: Any = boto3.client  # its stubs know services by literal name only
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        ec2 = make("ec2", region_name="us-east-1", **keys)
        action = "DescribeInternetGateways"
        gateways(ec2)
        self.past.record()
        shown = []
        for _ in range(20):
            self.time += 1
            ec2.create_internet_gateway()
            self.past.record()
            moment = self.past.moment_of("ec2", action, "caller", b"")
            with self.past.as_of(moment or self.time):
                shown.append(gateways(ec2))
        return shown


def replayed(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        return Replay(seed=seed).run()


@pytest.mark.long
def test_the_same_seed_gives_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    first = replayed(1, monkeypatch)
    assert replayed(1, monkeypatch) == first
    assert replayed(2, monkeypatch) != first
    assert all(number + 1 - 10 <= shown <= number + 1 for number, shown in enumerate(first))
    assert first != sorted(first)


def test_the_pages_of_an_answer_are_of_one_moment() -> None:
    past = Past(
        consistency=Consistency(seconds=10),
        oldest=10,
        traffic=cast("Any", FakeTraffic()),
        now=time.monotonic,
    )
    reader = ("ec2", "DescribeInstances", "caller")
    first = past.moment_of(*reader, b"MaxResults=5")
    assert past.moment_of(*reader, b"MaxResults=5&NextToken=x") == first
    assert past.moment_of(*reader, b"MaxResults=5") != first


def test_reads_of_other_services_and_writes_are_of_the_present() -> None:
    past = Past(consistency=Consistency(seconds=10), oldest=10, traffic=cast("Any", FakeTraffic()))
    for service, action in (("s3", "GetObject"), ("ec2", "CreateTags"), ("iam", "GetRole")):
        assert past.moment_of(service, action, "caller", b"") is None
    assert may_be_stale("elbv2", "DescribeTargetHealth")


@pytest.mark.parametrize(
    ("text", "seconds"), [("strong", 0), ("eventual", 10), ("eventual:2.5", 2.5)]
)
def test_a_consistency_is_named_with_its_seconds(text: str, seconds: float) -> None:
    assert Consistency.named(text, seed=4) == Consistency(seconds=seconds, seed=4)


@pytest.mark.parametrize(
    "text", ["", "weak", "eventual:x", "eventual:0", "eventual:inf", "strong:1"]
)
def test_an_unknown_consistency_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not strong, eventual or eventual:SECONDS"):
        Consistency.named(text)
