"""The odd shapes of what Auto Scaling answers, by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws.group_parsing import (
    launch_source,
    parse_group,
    read_activities,
    read_groups,
)

BARE = {"AutoScalingGroupName": "g", "MinSize": 0, "MaxSize": 1, "DesiredCapacity": 0}
OVERRIDDEN: dict[str, Any] = {
    "LaunchTemplate": {
        "LaunchTemplateSpecification": {"LaunchTemplateName": "t", "Version": "$Default"},
        "Overrides": [{"InstanceType": "t3.micro"}],
    }
}


@pytest.mark.parametrize(
    ("said", "source"),
    [
        (
            {
                "LaunchTemplate": {
                    "LaunchTemplateId": "lt-1",
                    "LaunchTemplateName": "t",
                    "Version": "7",
                }
            },
            ("lt-1", "7"),
        ),
        ({"LaunchTemplate": {"LaunchTemplateName": "t", "Version": "$Latest"}}, ("t", "$Latest")),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}, ("lt-1", "")),
        ({"MixedInstancesPolicy": OVERRIDDEN}, ("t", "$Default")),
        ({"LaunchConfigurationName": "old"}, ("old", "")),
        ({}, ("", "")),
    ],
)
def test_launch_template_and_version_are_those_that_aws_names(
    said: Any, source: tuple[str, str]
) -> None:
    assert launch_source(said) == source


def test_a_group_with_the_fewest_fields_is_parsed() -> None:
    group = parse_group(BARE)
    assert (group.members, group.attached, group.status, group.created) == ((), frozenset(), "", "")
    assert group.health_check == "EC2"


WEIGHTED = {
    "MixedInstancesPolicy": {
        "LaunchTemplate": {"Overrides": [{"InstanceType": "m5.large", "WeightedCapacity": "4"}]}
    }
}


@pytest.mark.parametrize(
    ("said", "sizes", "weighted"),
    [
        (WEIGHTED, (1, 6, 3), True),
        ({"DesiredCapacityType": "memory-mib"}, (1, 6, 3), True),
        ({"DesiredCapacityType": "units"}, (4, 24, 12), False),
        ({"MixedInstancesPolicy": OVERRIDDEN}, (4, 24, 12), False),
    ],
)
def test_the_size_of_a_group_is_its_instances_whatever_aws_counts(
    said: Any, sizes: tuple[int, int, int], weighted: bool
) -> None:
    members = [{"InstanceId": f"i-{n}", "LifecycleState": "InService"} for n in range(3)]
    members.append({"InstanceId": "i-9", "LifecycleState": "Terminating:Wait"})
    sized = {"MinSize": 4, "MaxSize": 24, "DesiredCapacity": 12, "Instances": members}
    group = parse_group({**BARE, **sized, **said})
    assert ((group.minimum, group.maximum, group.desired), group.weighted) == (sizes, weighted)


def test_attachments_of_every_kind_are_one_set() -> None:
    sources = {
        "LoadBalancerNames": ["web"],
        "TargetGroupARNs": ["arn:1"],
        "TrafficSources": [
            {"Identifier": "arn:1", "Type": "elbv2"},
            {"Identifier": "arn:lattice", "Type": "vpc-lattice"},
        ],
    }
    assert parse_group({**BARE, **sources}).attached == {"web", "arn:1", "arn:lattice"}


def test_status_suspensions_creation_time_and_tags_are_parsed() -> None:
    said = {
        "Status": "Delete in progress",
        "SuspendedProcesses": [{"ProcessName": "Launch", "SuspensionReason": "x"}],
        "CreatedTime": datetime(2026, 1, 2, 3, 4, 5, 678, timezone(timedelta(hours=2))),
        "Tags": [{"Key": "app", "Value": "web"}, {"Key": "empty"}],
    }
    group = parse_group({**BARE, **said})
    assert group.status == "Delete in progress"
    assert group.suspended == {"Launch"}
    assert group.created == "2026-01-02T01:04:05+00:00"
    assert group.tags == {"app": "web", "empty": ""}


class Pages:
    """A client that answers a group a page, and refuses activities in words of its own."""

    def __init__(self, message: str = "") -> None:
        self.message = message
        self.asked: list[dict[str, Any]] = []

    def describe_auto_scaling_groups(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        number = int(asked.get("NextToken", 0))
        page = {"AutoScalingGroups": [{**BARE, "AutoScalingGroupName": f"g{number}"}]}
        return page | ({"NextToken": str(number + 1)} if number < 2 else {})

    def describe_scaling_activities(self, **_: Any) -> dict[str, Any]:
        said: Any = {"Code": "ValidationError", "Message": self.message}
        raise ClientError({"Error": said}, "DescribeScalingActivities")


def test_groups_are_read_from_every_page() -> None:
    client = Pages()
    assert list(read_groups(client, ["g0", "g1", "g2"])) == ["g0", "g1", "g2"]
    assert [asked.get("NextToken") for asked in client.asked] == [None, "1", "2"]
    assert {asked["MaxRecords"] for asked in client.asked} == {100}


def test_a_missing_group_has_no_activities_with_either_response() -> None:
    assert read_activities(Pages("AutoScalingGroup name not found - null"), "g") == ()
    with pytest.raises(ClientError):
        read_activities(Pages("MaxRecords is out of range"), "g")


class ShortPages:
    """Auto Scaling that has three activities: an empty page, a page of one, and the rest."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def describe_scaling_activities(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        made = [{"ActivityId": each} for each in "abc"]
        number = int(asked.get("NextToken", 0))
        pages = [made[:0], made[:1], made[1:]]
        more = {"NextToken": str(number + 1)} if number < 2 else {}
        return {"Activities": pages[number], **more}


def test_short_and_empty_pages_of_activities_are_followed() -> None:
    client = ShortPages()
    assert [each.id for each in read_activities(client, "web")] == ["a", "b", "c"]
    assert [each.get("NextToken") for each in client.asked] == [None, "1", "2"]


def test_no_more_activities_are_read_than_a_full_page_has() -> None:
    class Endless(ShortPages):
        def describe_scaling_activities(self, **asked: Any) -> dict[str, Any]:
            self.asked.append(asked)
            ids = range(len(self.asked) * 60, len(self.asked) * 60 + 60)
            return {"Activities": [{"ActivityId": str(each)} for each in ids], "NextToken": "on"}

    client = Endless()
    assert len(read_activities(client, "web")) == 100
    assert len(client.asked) == 2


@pytest.mark.parametrize(
    ("said", "protection"),
    [
        ({}, ""),
        ({"DeletionProtection": "none"}, ""),
        ({"DeletionProtection": "prevent-all-deletion"}, "prevent-all-deletion"),
    ],
)
def test_a_group_says_how_it_is_protected_from_deletion(
    said: dict[str, str], protection: str
) -> None:
    assert parse_group({**BARE, **said}).protection == protection
