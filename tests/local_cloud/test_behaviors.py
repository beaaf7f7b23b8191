"""Test behaviors: as data, then on running machines."""

from __future__ import annotations

import socket
import urllib.request
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from local_cloud.behaviors import Behavior, Behaviors, BehaviorTarget, parse
from local_cloud.launch_failures import DIED, REFUSED, Refusal
from tests.running_cloud import eventually, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_cloud import Cloud

GROUP = BehaviorTarget(instance="i-1", image="ami-1", group="web", zone="us-east-1a")


def behaviors_of(target: BehaviorTarget) -> Behaviors:
    return Behaviors(find=lambda _: target, launch=lambda **_: target)


def tagged(*tags: str) -> BehaviorTarget:
    return BehaviorTarget(instance="i-1", image="ami-1", group="web", zone="us-east-1a", tags=tags)


class TestTag:
    @pytest.mark.parametrize(
        ("value", "means"),
        [
            ("never-healthy", Behavior(kind="never-healthy", seconds=0)),
            ("dies", Behavior(kind="dies", seconds=60)),
            ("dies 5", Behavior(kind="dies", seconds=5)),
            (" flaps 0.5 ", Behavior(kind="flaps", seconds=0.5)),
        ],
    )
    def test_names_a_behavior_and_optional_seconds(self, value: str, means: Behavior) -> None:
        assert parse(value) == means

    @pytest.mark.parametrize("value", ["", "sulks", "dies soon", "dies 5 6"])
    def test_is_ignored_if_invalid(self, value: str) -> None:
        assert parse(value) is None

    def test_of_an_instance_wins_over_that_of_its_image(self) -> None:
        behaviors = behaviors_of(tagged("dies 5", "flaps"))
        assert behaviors.of("i-1") == Behavior(kind="dies", seconds=5)

    def test_loses_to_an_assignment(self) -> None:
        behaviors = behaviors_of(tagged("dies 5"))
        behaviors.assign([{"behavior": "exits", "image": "ami-1"}])
        assert behaviors.of("i-1") == Behavior(kind="exits", seconds=0)


class TestAssignment:
    def test_applies_to_the_targets_it_names(self) -> None:
        behaviors = behaviors_of(GROUP)
        behaviors.assign([{"behavior": "dies", "group": "other"}])
        assert behaviors.of("i-1") is None
        behaviors.assign([{"behavior": "dies", "group": "web", "zone": "us-east-1a"}])
        assert behaviors.of("i-1") == Behavior(kind="dies", seconds=60)

    def test_newer_wins(self) -> None:
        behaviors = behaviors_of(GROUP)
        behaviors.assign(
            [{"behavior": "dies", "group": "web"}, {"behavior": "flaps", "group": "web"}]
        )
        assert behaviors.of("i-1") == Behavior(kind="flaps", seconds=30)

    def test_can_be_cleared(self) -> None:
        behaviors = behaviors_of(GROUP)
        behaviors.assign([{"behavior": "dies", "group": "web"}])
        behaviors.clear()
        assert behaviors.of("i-1") is None
        assert behaviors.listed() == []

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ({"behavior": "sulks", "group": "web"}, "not 'sulks'"),
            ({"behavior": "dies"}, "needs an image, a group, an instance or a zone"),
        ],
    )
    def test_invalid_is_refused_with_all_of_the_same_call(
        self, assignment: dict[str, Any], message: str
    ) -> None:
        behaviors = behaviors_of(GROUP)
        with pytest.raises(ValueError, match=message):
            behaviors.assign([{"behavior": "flaps", "group": "web"}, assignment])
        assert behaviors.listed() == []

    @pytest.mark.parametrize(
        ("kind", "answers"),
        [("never-healthy", "500"), ("broken", "500-but-health"), ("dies", "")],
    )
    def test_determines_what_load_balancers_get(self, kind: str, answers: str) -> None:
        behaviors = behaviors_of(GROUP)
        behaviors.assign([{"behavior": kind, "group": "web"}])
        assert behaviors.answers("i-1") == answers


def test_only_registers_late_delays_the_registration() -> None:
    behaviors = behaviors_of(tagged("registers-late 7"))
    assert behaviors.registration_delay("i-1") == 7
    behaviors.assign([{"behavior": "dies", "group": "web"}])
    assert behaviors.registration_delay("i-1") == 0


def refused(behaviors: Behaviors) -> Refusal | None:
    launch = {"group": "web", "image": "ami-1", "zone": "us-east-1a"}
    return behaviors.refused_launch(**launch, instance_type="t3.micro")


class TestRefusedLaunch:
    def test_is_refused_the_given_number_of_times_in_ec2s_words(self) -> None:
        behaviors = behaviors_of(GROUP)
        behaviors.assign([{"behavior": "no-capacity", "zone": "us-east-1a", "times": 2}])
        first, second, third = (refused(behaviors) for _ in range(3))
        assert first
        assert first.elsewhere
        assert first.message.startswith(
            "We currently do not have sufficient t3.micro capacity in the Availability Zone you "
            "requested (us-east-1a)."
        )
        assert (first, third) == (second, None)

    @pytest.mark.parametrize("kind", REFUSED)
    def test_is_refused_every_time_by_tag(self, kind: str) -> None:
        behaviors = behaviors_of(tagged(kind))
        answers = [refused(behaviors) for _ in range(3)]
        assert [answer and answer.code for answer in answers] == [REFUSED[kind].code] * 3

    @pytest.mark.parametrize("kind", REFUSED)
    def test_is_no_behavior_of_a_running_instance(self, kind: str) -> None:
        assert behaviors_of(tagged(kind)).of("i-1") is None

    @pytest.mark.parametrize("kind", DIED)
    def test_is_accepted_if_the_instance_ends_later(self, kind: str) -> None:
        behaviors = behaviors_of(tagged(kind))
        assert refused(behaviors) is None
        assert behaviors.of("i-1") == Behavior(kind=kind, seconds=0)

    def test_names_the_image_that_the_allowed_amis_exclude(self) -> None:
        answer = refused(behaviors_of(tagged("image-not-allowed")))
        assert answer
        assert answer.message == "The image id '[ami-1]' does not exist"


@pytest.fixture(autouse=True)
def _clear_behaviors(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "cloud" in request.fixturenames:
        running: Cloud = request.getfixturevalue("cloud")
        running.client.clear_behaviors()


def launched(cloud: Cloud, behavior: str = "", **more: Any) -> dict[str, Any]:
    tags = [{"Key": "local-cloud:behavior", "Value": behavior}]
    of_it = [{"ResourceType": "instance", "Tags": tags}] if behavior else []
    return cloud.launch(UserData=serving(), TagSpecifications=of_it, **more)


def answers(instance: dict[str, Any]) -> bool:
    try:
        with socket.create_connection((instance["PrivateIpAddress"], 8080), timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.long
def test_an_instance_that_dies_serves_and_then_stops_serving(cloud: Cloud) -> None:
    instance = launched(cloud, "dies 1500")
    assert eventually(lambda: answers(instance))
    assert eventually(lambda: not answers(instance))
    assert cloud.instance(instance["InstanceId"])["State"]["Name"] == "running"
    said = "the services end by the behavior of this instance"
    assert eventually(lambda: said in cloud.console(instance["InstanceId"]))


@pytest.mark.long
def test_an_instance_that_flaps_serves_again_and_again(cloud: Cloud) -> None:
    instance = launched(cloud, "flaps 300")
    for _ in range(2):
        assert eventually(lambda: answers(instance))
        assert eventually(lambda: not answers(instance))


def test_an_instance_that_exits_stops_as_if_shut_down_from_within(cloud: Cloud) -> None:
    instance = launched(cloud, "exits")["InstanceId"]
    assert eventually(lambda: cloud.instance(instance)["State"]["Name"] == "stopped")
    reason = cloud.instance(instance)["StateReason"]
    assert reason["Code"] == "Client.InstanceInitiatedShutdown"


def test_an_instance_that_exits_terminates_where_its_attribute_says_so(cloud: Cloud) -> None:
    how = {"InstanceInitiatedShutdownBehavior": "terminate"}
    instance = launched(cloud, "exits", **how)["InstanceId"]
    assert eventually(lambda: cloud.instance(instance)["State"]["Name"] == "terminated")


def test_an_instance_that_boots_slowly_runs_long_before_it_answers(cloud: Cloud) -> None:
    instance = launched(cloud, "boots-slowly 900000")
    assert eventually(lambda: cloud.instance(instance["InstanceId"])["State"]["Name"] == "running")
    assert not answers(instance)
    assert b"booted" not in cloud.console(instance["InstanceId"]).encode()


def test_a_behavior_reaches_running_instances_and_can_be_cleared(cloud: Cloud) -> None:
    instance = launched(cloud)
    assert eventually(lambda: answers(instance))
    cloud.client.set_behavior("dies", instance=instance["InstanceId"], seconds=0)
    assigned = [o for o in cloud.client.behaviors() if o["instance"] == instance["InstanceId"]]
    assert [o["behavior"] for o in assigned] == ["dies"]
    assert eventually(lambda: not answers(instance))
    cloud.client.clear_behaviors()
    assert eventually(lambda: answers(instance))


def test_the_tag_of_an_image_sets_a_behavior(cloud: Cloud) -> None:
    ec2 = cloud.aws("ec2")
    made = cloud.launch()["InstanceId"]
    image = ec2.create_image(InstanceId=made, Name="exits")["ImageId"]
    ec2.create_tags(Resources=[image], Tags=[{"Key": "local-cloud:behavior", "Value": "exits"}])
    states = ec2.describe_images(ImageIds=[image])["Images"][0]["State"]
    assert eventually(lambda: states == "available")
    instance = cloud.launch(ImageId=image)["InstanceId"]
    assert eventually(lambda: cloud.instance(instance)["State"]["Name"] == "stopped")


@pytest.mark.long
def test_a_hollow_instance_is_healthy_after_its_boot(cloud: Cloud) -> None:
    elb, listener = cloud.aws("elb"), {"Protocol": "HTTP", "LoadBalancerPort": 80}
    made = elb.create_load_balancer(
        LoadBalancerName="hollow",
        Listeners=[{**listener, "InstancePort": 8080}],
        AvailabilityZones=["us-east-1a", "us-east-1b"],
    )
    ids = [launched(cloud, "hollow")["InstanceId"]]
    registered = [{"InstanceId": id_} for id_ in ids]
    elb.register_instances_with_load_balancer(LoadBalancerName="hollow", Instances=registered)

    def healthy() -> bool:
        states = elb.describe_instance_health(LoadBalancerName="hollow")["InstanceStates"]
        return bool(states[0]["State"] == "InService")

    url = f"http://{made['DNSName']}/"
    try:
        assert eventually(healthy)
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
        assert not answers(cloud.instance(ids[0]))
        cloud.aws("ec2").terminate_instances(InstanceIds=ids)
        assert eventually(lambda: cloud.instance(ids[0])["State"]["Name"] == "terminated")
    finally:
        elb.delete_load_balancer(LoadBalancerName="hollow")


def test_run_instances_refuses_a_launch_by_the_behavior_of_its_image(cloud: Cloud) -> None:
    image = cloud.base_image()
    cloud.client.set_behavior("not-free-tier", image=image, times=1)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        cloud.launch(ImageId=image, InstanceType="t3.nano")
    assert error.value.response["Error"]["Code"] == "InvalidParameterCombination"
    assert "is not eligible for Free Tier." in error.value.response["Error"]["Message"]
    cloud.aws("ec2").terminate_instances(InstanceIds=[cloud.launch(ImageId=image)["InstanceId"]])


def test_an_instance_whose_kms_key_is_denied_pends_and_is_terminated(cloud: Cloud) -> None:
    instance = launched(cloud, "kms-denied")
    assert instance["State"]["Name"] == "pending"
    found = eventually(lambda: ended(cloud, instance["InstanceId"]))
    assert found["StateReason"] == {
        "Code": "Client.InternalError",
        "Message": "Client.InternalError: Client error on launch",
    }


def ended(cloud: Cloud, instance: str) -> dict[str, Any]:
    found = cloud.instance(instance)
    return found if found["State"]["Name"] == "terminated" else {}
