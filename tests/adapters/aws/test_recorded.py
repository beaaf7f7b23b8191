"""Every parser reads every recorded form of `tests/recorded`, and gives the right values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias, cast

import pytest

from pipeline.adapters.aws import alarms, ec2, group_parsing, images
from pipeline.adapters.aws.balancing import balancer_settings, balancers
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.preflight import queries
from pipeline.core.health.observation import Balancer
from tools.recorded_shapes import shapes

RECORDED = Path(__file__).parents[2] / "recorded"
FILES = sorted(str(file.relative_to(RECORDED)) for file in RECORDED.glob("*/*.json"))
Data: TypeAlias = dict[str, Any]
WEB = Balancer(kind="elbv2", identifier="web", name="web")


class Replay:
    """A client of boto3's that answers each call with a recorded answer."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = {key: value for answer in answers for key, value in answer.items()}

    def __getattr__(self, name: str) -> Any:
        return lambda **_: self._answers


def clients(replay: Replay) -> Clients:
    """Return clients of both services of load balancers."""
    both = SimpleNamespace(elb=lambda _region: replay, elbv2=lambda _region: replay)
    return cast("Clients", both)


def answer(file: str) -> Data:
    text = (RECORDED / file).read_text(encoding="utf-8")
    data: Data = json.loads(text, object_hook=shapes.revive)["data"]
    return data


def of_images(data: Data) -> Any:
    return [images.read_image_facts(Replay({"Images": [each]}), "") for each in data["Images"]]


def of_instances(data: Data) -> Any:
    found = ec2.read_instances(Replay(data), {})
    return [queries._vcpus(each) for each in found], ec2.read_states(Replay(data), [])


def of_target_health(data: Data) -> Any:
    return balancers.target_reader(clients(Replay(data)), "", WEB)()


def of_target_groups(data: Data) -> Any:
    return settings(Replay(data, {"Attributes": []}), "elbv2")


def of_balancers(data: Data) -> Any:
    if "LoadBalancerDescriptions" in data:
        return settings(Replay(data, {"LoadBalancerAttributes": {}}), "elb")
    groups = [{"TargetGroupArn": "web", "TargetGroupName": "web", "LoadBalancerArns": [""]}]
    return settings(Replay(data, {"Attributes": [], "TargetGroups": groups}), "elbv2")


def of_group_attributes(data: Data) -> Any:
    groups = [{"TargetGroupArn": "web", "TargetGroupName": "web"}]
    return settings(Replay(data, {"TargetGroups": groups}), "elbv2")


def of_balancer_attributes(data: Data) -> Any:
    described = [{"LoadBalancerName": "web"}]
    return settings(Replay(data, {"LoadBalancerDescriptions": described}), "elb")


def of_actions(data: Data) -> Any:
    listed = [*data.get("Listeners", []), *data.get("Rules", [])]
    actions = [each.get("DefaultActions", each.get("Actions")) for each in listed]
    arns = [a["TargetGroupArn"] for each in actions for a in each if "TargetGroupArn" in a]
    return [balancer_settings._forwards(each, arns[0]) for each in actions]


def settings(replay: Replay, kind: Literal["elb", "elbv2"]) -> Any:
    wanted = Balancer(kind=kind, identifier="web", name="web")
    return balancer_settings.describe(clients(replay), "us-east-1", [wanted])


PARSERS: dict[str, Callable[[Data], Any]] = {
    "DescribeAlarms": alarms._by_name,
    "DescribeAutoScalingGroups": lambda data: list(group_parsing.read_all_groups(Replay(data))),
    "DescribeImages": of_images,
    "DescribeInstances": of_instances,
    "DescribeLaunchTemplateVersions": lambda data: list(ec2.read_template_versions(Replay(data))),
    "DescribeLaunchTemplates": lambda data: ec2.read_templates(Replay(data)),
    "DescribeListeners": of_actions,
    "DescribeLoadBalancerAttributes": of_balancer_attributes,
    "DescribeLoadBalancers": of_balancers,
    "DescribeRules": of_actions,
    "DescribeTargetGroupAttributes": of_group_attributes,
    "DescribeTargetGroups": of_target_groups,
    "DescribeTargetHealth": of_target_health,
}
UNREAD = {"DescribeLaunchConfigurations", "DescribePolicies", "DescribeSnapshots"}
"""Actions without a parser here: of `adopt` (tests/core/adoption), or not called at all."""


def parsed(file: str) -> Any:
    """Parse a recorded answer with the parsers of its action."""
    return PARSERS[action(file)](answer(file))


def action(file: str) -> str:
    return file.partition("/")[0].partition(".")[2]


@pytest.mark.parametrize("file", [file for file in FILES if action(file) not in UNREAD])
def test_every_parser_reads_every_recorded_form(file: str) -> None:
    parsed(file)


def test_a_recorded_group_has_its_source_members_and_creation_time() -> None:
    groups = parsed("autoscaling.DescribeAutoScalingGroups/001.json")
    assert all(each.name and each.created.startswith("20") for each in groups)
    assert {bool(each.version) for each in groups} == {True, False}  # configurations have none
    assert any(each.version == "$Latest" for each in groups)
    assert all(member.lifecycle and member.zone for each in groups for member in each.members)


def test_a_recorded_image_whose_deprecation_time_is_no_time_counts_as_not_deprecated() -> None:
    said = answer("ec2.DescribeImages/001.json")["Images"][0]
    odd = {**said, "DeprecationTime": "2020-09-24T13:31:456.000Z"}
    facts = images.read_image_facts(Replay({"Images": [odd]}), "ami-1")
    past = {**said, "DeprecationTime": "2020-09-24T13:31:45.000Z"}
    assert facts is not None
    assert not facts.deprecated
    before = images.read_image_facts(Replay({"Images": [past]}), "ami-1")
    assert before is not None
    assert before.deprecated


def test_instances_without_a_type_or_a_state_count_no_vcpus_and_are_not_terminated() -> None:
    bare = {"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]}
    [instance] = ec2.read_instances(Replay(bare), {})
    assert queries._vcpus(instance) == 0
    assert not ec2.read_states(Replay(bare), ["i-1"]) <= {"terminated"}


@pytest.mark.parametrize(("delay", "seconds"), [("20", 20.0), ("value-1", 300.0), (None, 0.0)])
def test_a_deregistration_delay_that_is_no_number_counts_as_the_default(
    delay: str | None, seconds: float
) -> None:
    groups = [{"TargetGroupArn": "web", "TargetGroupName": "web"}]
    key = balancer_settings.DELAY
    attributes = [] if delay is None else [{"Key": key, "Value": delay}]
    [facts] = settings(Replay({"Attributes": attributes, "TargetGroups": groups}), "elbv2")
    assert facts.drain_seconds == seconds


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("2018-05-03T01:46:06.864000+00:00", "2018-05-03T01:46:06+00:00"),
        ("2018-05-03T01:46:06", "2018-05-03T01:46:06+00:00"),
        ("yesterday", ""),
        (None, ""),
    ],
)
def test_a_time_may_be_text(said: str | None, time: str) -> None:
    bare = {"AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 1, "DesiredCapacity": 0}
    assert group_parsing.parse_group({**bare, "CreatedTime": said}).created == time
