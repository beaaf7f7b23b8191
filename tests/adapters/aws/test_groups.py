"""Groups as the adapter sees and changes them, on a local cloud; odd answers by hand."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws.groups import Groups
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.health.observation import Balancer, Observation
from tests.aws.service import REGION, Service, target_group
from tests.running_cloud import eventually

OLD_AND_NEW = [Balancer(kind="elb", identifier=name, name=name) for name in ("old", "web")]
SERVING, BROKEN = "web-r000001", "web-r000002"
CRASHING = """#!/bin/sh
seq 1 200
printf '\\033[31mno \\adatabase\\033[0m\\r\\n'
exit 3
"""


@pytest.fixture(scope="module")
def service(service: Service) -> Service:
    """Two members that serve behind both load balancers, and one that does not serve."""
    sources = [{"Identifier": each.identifier} for each in service.both]
    service.group(SERVING, 2, TrafficSources=sources)
    service.group(BROKEN, 2, script=CRASHING, LoadBalancerNames=["web"])
    return service


@pytest.fixture
def groups(service: Service) -> Groups:
    return Groups(service.clients, REGION, clock=lambda: 42.0)


def settled(groups: Groups, service: Service) -> Observation:
    def good() -> Observation | None:
        observation = groups.observe([SERVING], service.both, activities=[])
        members = [each.id for each in observation.groups[SERVING].members]
        ready = {"healthy", "InService"}
        fine = [
            observation.targets[b.identifier].get(member) is not None
            and observation.targets[b.identifier][member].state in ready
            for b in service.both
            for member in members
        ]
        return observation if len(fine) == 4 and all(fine) else None

    observation = eventually(good)
    assert observation
    return observation


def test_an_observation_makes_one_call_for_each_api_and_balancer(
    groups: Groups, service: Service
) -> None:
    settled(groups, service)
    service.cloud.client.forget_calls()
    observation = groups.observe(
        [SERVING, BROKEN, "no-such"], service.both, activities=[SERVING, "no-such"]
    )
    assert service.calls() == {
        "DescribeAutoScalingGroups": 1,
        "DescribeTargetHealth": 1,
        "DescribeInstanceHealth": 1,
        "DescribeScalingActivities": 2,
    }
    assert set(observation.groups) == {SERVING, BROKEN}
    assert set(observation.targets) == {"web", service.targets.identifier}
    assert observation.activities["no-such"] == ()
    assert (observation.at, observation.unreadable) == (42.0, ())


def test_an_observation_has_members_targets_and_activities(
    groups: Groups, service: Service
) -> None:
    observation = settled(groups, service)
    group = observation.groups[SERVING]
    assert (group.minimum, group.desired, group.maximum) == (0, 2, 4)
    assert group.template.startswith("lt-")
    assert {(m.template, m.version) for m in group.members} == {(group.template, "1")}
    assert {(m.lifecycle, m.health) for m in group.members} == {("InService", "Healthy")}
    assert {m.zone for m in group.members} == group.zones == {"us-east-1a", "us-east-1b"}
    assert group.attached == {"web", service.targets.identifier}
    assert group.created.endswith("+00:00")
    ids = {member.id for member in group.members}
    carried = observation.targets[service.targets.identifier]
    assert {each.id: each.state for each in carried.values()} == dict.fromkeys(ids, "healthy")
    told = groups.observe([], [], activities=[SERVING]).activities[SERVING]
    assert {each.status for each in told} == {"Successful"}
    assert all(each.description.startswith("Launching a new EC2 instance: i-") for each in told)
    assert all("increasing the capacity from 0 to 2" in each.cause for each in told)


def test_the_groups_that_receive_traffic_are_found_by_attachment_and_by_instance(
    groups: Groups, service: Service
) -> None:
    settled(groups, service)
    old = [each for each in service.both if each.kind == "elbv2"]
    assert set(groups.receiving(old, frozenset())) == {SERVING}
    (member, *_) = groups.observe([SERVING], (), activities=[]).groups[SERVING].members
    assert set(groups.receiving((), {member.id})) == {SERVING}
    assert set(groups.receiving(service.both, frozenset())) == {SERVING, BROKEN}


def test_an_empty_observation_makes_no_call(groups: Groups, service: Service) -> None:
    service.cloud.client.forget_calls()
    assert groups.observe([], [], activities=[]) == Observation(at=42.0)
    groups.resize(SERVING, minimum=None, maximum=None, desired=None)
    groups.attach(SERVING, [])
    groups.detach("no-such", [])
    assert service.calls() == {}


def test_more_than_a_hundred_names_take_two_calls(groups: Groups, service: Service) -> None:
    service.cloud.client.forget_calls()
    names = [f"no-such-{number}" for number in range(100)]
    assert set(groups.observe([*names, SERVING], [], activities=[]).groups) == {SERVING}
    assert service.calls() == {"DescribeAutoScalingGroups": 2}


def test_a_group_of_a_mixed_instances_policy_names_its_template(
    groups: Groups, service: Service
) -> None:
    of = service.group("plain")
    source = {"LaunchTemplateId": of, "Version": "$Latest"}
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": source}}
    service.group("mixed", MixedInstancesPolicy=policy)
    group = groups.observe(["mixed"], [], activities=[]).groups["mixed"]
    assert (group.template, group.version) == (of, "$Latest")


def test_a_throttled_call_is_retried(groups: Groups, service: Service, pauses: list[float]) -> None:
    service.cloud.fault(action="DescribeTargetHealth", kind="throttle", times=2)
    service.cloud.fault(action="DescribeAutoScalingGroups", kind="error-before")
    observation = groups.observe([SERVING], service.both, activities=[])
    assert observation.unreadable == ()
    assert SERVING in observation.groups
    assert len(pauses) == 3


def test_a_call_that_stays_throttled_is_unreadable_and_the_rest_is_observed(
    groups: Groups, service: Service, pauses: list[float]
) -> None:
    service.cloud.fault(action="DescribeTargetHealth", kind="throttle", times=6)
    observation = groups.observe([SERVING], service.both, activities=[])
    assert set(observation.targets) == {"web"}
    assert SERVING in observation.groups
    [said] = observation.unreadable
    assert said.startswith("arn:aws:elasticloadbalancing:")
    assert "(Throttling) when calling the DescribeTargetHealth operation" in said
    assert said.endswith("Rate exceeded")
    assert len(pauses) == 5


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "InvalidClientTokenId"])
def test_a_permanent_error_of_an_observation_is_raised(
    groups: Groups, service: Service, code: str, pauses: list[float]
) -> None:
    service.cloud.fault(
        action="DescribeAutoScalingGroups", kind="error-before", status=403, code=code
    )
    with pytest.raises(RefusedError) as told:
        groups.observe([SERVING], service.both, activities=[])
    assert told.value.where == "reading the server groups in us-east-1"
    assert code in told.value.what
    assert pauses == []


@pytest.mark.parametrize("kind", ["elb", "elbv2"])
def test_a_deleted_balancer_is_an_error(groups: Groups, service: Service, kind: Any) -> None:
    gone = service.targets.identifier.replace("web-tg", "gone") if kind == "elbv2" else "gone"
    balancer = Balancer(kind=kind, identifier=gone, name="gone")
    with pytest.raises(RefusedError, match="NotFound"):
        groups.observe([SERVING], [balancer], activities=[])


def test_a_draining_member_is_observed_and_serves_after_a_new_attachment(
    groups: Groups, service: Service
) -> None:
    settled(groups, service)
    groups.detach(SERVING, service.both)
    observation = groups.observe([SERVING], service.both, activities=[])
    assert observation.groups[SERVING].attached == frozenset()
    states = {each.state for each in observation.targets[service.targets.identifier].values()}
    assert states == {"draining"}
    groups.attach(SERVING, service.both)
    again = groups.observe([SERVING], [], activities=[])
    assert again.groups[SERVING].attached == {"web", service.targets.identifier}
    settled(groups, service)


def test_attaching_and_detaching_may_be_repeated(groups: Groups, service: Service) -> None:
    service.group("again")

    def attached() -> frozenset[str]:
        return groups.observe(["again"], [], activities=[]).groups["again"].attached

    groups.attach("again", service.both)
    groups.attach("again", service.both)
    assert attached() == {"web", service.targets.identifier}
    service.cloud.client.forget_calls()
    groups.detach("again", service.both)
    assert service.calls() == {"DetachTrafficSources": 1}
    assert attached() == frozenset()
    groups.detach("again", service.both)
    groups.detach("gone", service.both)


def test_a_partly_attached_group_is_detached(groups: Groups, service: Service) -> None:
    service.group("part", LoadBalancerNames=["web"])
    groups.detach("part", service.both)
    assert groups.observe(["part"], [], activities=[]).groups["part"].attached == frozenset()


class Refusing:
    """A client that refuses to detach what left, and shows what an older read would show."""

    def __init__(self, words: str, shown: list[str]) -> None:
        self.attached = {"web"}
        self.words = words
        self.shown = shown

    def autoscaling(self, _: str) -> Refusing:
        return self

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        sizes = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
        group = {"AutoScalingGroupName": "g", "LoadBalancerNames": self.shown, **sizes}
        return {"AutoScalingGroups": [group]}

    def detach_traffic_sources(self, **asked: Any) -> None:
        named = {source["Identifier"] for source in asked["TrafficSources"]}
        if named - self.attached:
            said: Any = {"Code": "ValidationError", "Message": self.words}
            raise ClientError({"Error": said}, "DetachTrafficSources")
        self.attached -= named


IN_OTHER_WORDS = "The traffic source does not belong here"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Trying to remove Load Balancers that are not part of the group", ["web", "old"]),
        (IN_OTHER_WORDS, ["web"]),
    ],
)
def test_a_source_that_is_already_detached_does_not_block_the_others(
    words: str, shown: list[str]
) -> None:
    client: Any = Refusing(words, shown)
    Groups(client, REGION).detach("g", OLD_AND_NEW)
    assert client.attached == set()


def test_an_attached_source_that_cannot_be_detached_is_an_error() -> None:
    client: Any = Refusing(IN_OTHER_WORDS, ["web", "old"])
    with pytest.raises(FailedError, match=IN_OTHER_WORDS) as told:
        Groups(client, REGION).detach("g", OLD_AND_NEW)
    assert told.value.where == "detaching g from old, web in us-east-1"


@pytest.mark.parametrize("kind", ["error-after", "error-before", "throttle"])
def test_a_lost_response_does_no_harm(
    groups: Groups, service: Service, kind: str, pauses: list[float]
) -> None:
    name = f"lost-{kind}"
    service.group(name)
    service.cloud.fault(action="AttachTrafficSources", kind=kind)
    groups.attach(name, service.both)
    service.cloud.fault(action="DetachTrafficSources", kind=kind)
    groups.detach(name, service.both)
    assert groups.observe([name], [], activities=[]).groups[name].attached == frozenset()
    assert len(pauses) == 2


def test_more_than_ten_balancers_take_several_calls(groups: Groups, service: Service) -> None:
    service.group("many")
    many = [target_group(service.cloud, f"many-{number}") for number in range(11)]
    service.cloud.client.forget_calls()
    groups.attach("many", many)
    assert len(groups.observe(["many"], [], activities=[]).groups["many"].attached) == 11
    groups.detach("many", many)
    calls = service.calls()
    assert (calls["AttachTrafficSources"], calls["DetachTrafficSources"]) == (2, 2)


def test_a_missing_group_cannot_be_attached_or_resized(groups: Groups, service: Service) -> None:
    with pytest.raises(FailedError) as told:
        groups.attach("gone", service.both)
    assert told.value.where == "attaching gone to web, web-tg in us-east-1"
    assert "AutoScalingGroup name not found" in told.value.what
    assert told.value.remedy
    with pytest.raises(FailedError) as told:
        groups.resize("gone", minimum=1, maximum=None, desired=None)
    assert told.value.where == "resizing gone in us-east-1"


def test_a_busy_group_is_retried(groups: Groups, service: Service, pauses: list[float]) -> None:
    service.group("busy")
    for code in ("ScalingActivityInProgress", "ResourceContention"):
        service.cloud.fault(
            action="UpdateAutoScalingGroup", kind="error-before", status=400, code=code
        )
    groups.resize("busy", minimum=0, maximum=3, desired=None)
    group = groups.observe(["busy"], [], activities=[]).groups["busy"]
    assert (group.minimum, group.maximum, group.desired) == (0, 3, 0)
    assert len(pauses) == 2


def test_a_size_of_none_stays_unchanged(groups: Groups, service: Service) -> None:
    service.group("sized")
    groups.resize("sized", minimum=None, maximum=9, desired=None)
    groups.resize("sized", minimum=1, maximum=None, desired=2)
    group = groups.observe(["sized"], [], activities=[]).groups["sized"]
    assert (group.minimum, group.maximum, group.desired) == (1, 9, 2)
    groups.resize("sized", minimum=0, maximum=None, desired=0)


def crashed(groups: Groups, service: Service) -> tuple[str, str]:
    """Return two members of the broken group: one out of service, one terminated."""

    def failed() -> list[str]:
        observation = groups.observe([BROKEN], service.both, activities=[])
        out = [each.id for each in observation.targets["web"].values() if each.reason == "Instance"]
        ids = [each.id for each in observation.groups[BROKEN].members if each.id in out]
        printed = [each for each in ids if "database" in service.cloud.console(each)]
        return ids if len(printed) == 2 else []

    stays, goes = eventually(failed)
    service.asg.terminate_instance_in_auto_scaling_group(
        InstanceId=goes, ShouldDecrementDesiredCapacity=True
    )

    def gone() -> bool:
        observation = groups.observe([BROKEN], [], activities=[BROKEN])
        ended = {each.status for each in observation.activities[BROKEN]} == {"Successful"}
        return ended and [each.id for each in observation.groups[BROKEN].members] == [stays]

    eventually(gone)
    return stays, goes


def test_evidence_has_members_targets_activities_and_consoles(
    groups: Groups, service: Service
) -> None:
    stays, goes = crashed(groups, service)
    observation = groups.observe([BROKEN], service.both, activities=[])
    service.cloud.client.forget_calls()
    found = groups.evidence(BROKEN, observation)
    text = found.text
    assert service.calls() == {
        "DescribeInstanceInformation": 1,
        "DescribeScalingActivities": 1,
        "GetConsoleOutput": 2,
    }
    assert found.lines[0] == f"console of {stays}"
    assert len(found.lines) == 11
    group = observation.groups[BROKEN]
    head, _, rest = text.partition("\nactivities, newest first\n")
    assert (
        head
        == f"""\
group web-r000002 in us-east-1
  size: desired 1, minimum 0, maximum 4
  launched from: {group.template} version 1
  created: {group.created}
  health checks: EC2
  attached to: web
  suspended: nothing

members
  {stays} InService Healthy {group.members[0].zone} {group.template} version 1
    web: OutOfService Instance Instance has failed at least the UnhealthyThreshold number of \
health checks consecutively.
    web-tg: not a target
"""
    )
    journal = f"\njournal of {stays}\n  not managed by Systems Manager\n"
    assert journal in rest
    told, *consoles = rest.replace(journal, "").split("\nconsole of ")
    assert f" Successful Terminating EC2 instance: {goes}\n    At 20" in told
    assert f"instance {goes} was taken out of service in response to a user request" in told
    assert told.index("Terminating") < told.index("Launching")
    assert [each.split(",")[0] for each in consoles] == [stays, goes]
    for each in consoles:
        title, *lines = each.rstrip("\n").split("\n")
        assert title.endswith(", its last 100 lines")
        assert len(lines) == 100
        assert any(line.endswith("no \N{REPLACEMENT CHARACTER}database") for line in lines)


def test_evidence_lists_failed_reads_and_never_raises(groups: Groups, service: Service) -> None:
    service.cloud.fault(
        action="DescribeScalingActivities", kind="error-before", status=400, code="Unexpected"
    )
    text = groups.evidence("gone", Observation(at=0.0, unreadable=("web Rate exceeded",))).text
    assert (
        text
        == """\
group gone in us-east-1
  AWS did not return it

members
  none

activities, newest first
  none

could not be read
  web Rate exceeded
  An error occurred (Unexpected) when calling the DescribeScalingActivities operation (reached \
max retries: 0): An internal error has occurred
"""
    )
