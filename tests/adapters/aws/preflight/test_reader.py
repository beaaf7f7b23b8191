"""What preflight reads, from a local cloud: `tests/core/preflight/test_checks.py` judges it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.adapters.aws.balancing.balancer_settings import describe
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.groups import Groups
from pipeline.adapters.aws.images import read_image_facts
from pipeline.adapters.aws.preflight import queries as reading
from pipeline.adapters.aws.preflight.reader import PreflightReader
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.health.place import Place
from pipeline.core.image import NO_ITEMS
from pipeline.core.permissions.probes import Launch, PermissionFacts
from pipeline.core.preflight.additions import (
    HOOKS,
    NOTIFICATIONS,
    POLICIES,
    SCHEDULES,
    Attached,
)
from pipeline.core.preflight.checks import findings
from pipeline.core.preflight.facts import BalancerFacts, Facts, Proposal, Quota, TemplateFacts
from pipeline.core.state.environment import Environment
from tests.aws.service import connected_cloud
from tests.running_cloud import Cloud, eventually

REGION = "us-east-1"
ACCOUNT = "123456789012"
BLUE, DETACHED, UNMANAGED = "web-production-r000003", "web-production-r000002", "legacy"
RUN_TOGETHER = "web-production-r000007"
OURS = {"app": "web", "environment": "production", "release": "r000002"}
CLASSIC = Balancer(kind="elb", identifier="web", name="web")


class FakeGroups:
    """Groups that return an empty observation; `test_groups.py` tests the real one."""

    def __init__(self, *unreadable: str) -> None:
        self.asked: list[tuple[Sequence[str], Sequence[Balancer]]] = []
        self.unreadable = unreadable

    def observe(
        self,
        names: Sequence[str],
        balancers: Sequence[Balancer],
        *,
        activities: Sequence[str],
        rules: Sequence[str] = (),
    ) -> Observation:
        assert not activities
        assert not rules
        self.asked.append((names, balancers))
        return Observation(at=0.0, unreadable=self.unreadable)


@dataclass(frozen=True, kw_only=True)
class World:
    """A local cloud with groups, and clients of it."""

    cloud: Cloud
    clients: Clients
    subnets: tuple[str, ...]
    image: str
    proposal: Proposal

    def facts(self, proposal: Proposal | None = None, **more: Any) -> Facts:
        self.cloud.client.forget_calls()
        given = {"groups": FakeGroups(), "describe": lambda _: (), **more}
        return PreflightReader(self.clients, **given).facts(proposal or self.proposal)

    def calls(self) -> dict[str, int]:
        return {call["action"]: call["calls"] for call in self.cloud.client.calls()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("preflight")
    with connected_cloud(folder / "cloud") as (cloud, clients):
        yield build(cloud, clients)


def build(cloud: Cloud, clients: Clients) -> World:
    described = cloud.aws("ec2").describe_subnets()["Subnets"]
    zones = {each["AvailabilityZone"]: each["SubnetId"] for each in described}
    subnets = (zones["us-east-1a"], zones["us-east-1b"])
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080}
    cloud.aws("elb").create_load_balancer(
        LoadBalancerName="web", Listeners=[listener], Subnets=list(subnets)
    )
    make_group(cloud, BLUE, subnets, LoadBalancerNames=["web"])
    make_group(cloud, DETACHED, subnets, tags=OURS)
    make_group(cloud, RUN_TOGETHER, subnets, tags={**OURS, "environment": "production-eu"})
    make_group(cloud, UNMANAGED, subnets, LoadBalancerNames=["web"])
    make_group(cloud, "worker", subnets)
    place = Place(
        app="web", environment="production", region=REGION, account=ACCOUNT, balancers=(CLASSIC,)
    )
    document = Environment(
        app="web", environment="production", account=ACCOUNT, region=REGION, serving="r000003"
    )
    image = cloud.base_image()
    return World(
        cloud=cloud,
        clients=clients,
        subnets=subnets,
        image=image,
        proposal=Proposal(
            place=place,
            environment=document,
            image_id=image,
            instance_type="t3.micro",
            count=1,
            seconds=1800,
            account=ACCOUNT,
            green="r000004",
        ),
    )


def make_group(
    cloud: Cloud,
    name: str,
    subnets: Sequence[str],
    *,
    tags: Mapping[str, str] = NO_ITEMS,
    **more: Any,
) -> None:
    data = {"ImageId": cloud.base_image(), "InstanceType": "t3.micro"}
    named: Any = [{"Key": f"ami-pipeline:{key}", "Value": tags[key]} for key in tags]
    specified: Any = [{"ResourceType": "launch-template", "Tags": named}] if named else []
    cloud.aws("ec2").create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData=data, TagSpecifications=specified
    )
    cloud.aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=2 if name == BLUE else 0,
        VPCZoneIdentifier=",".join(subnets),
        Tags=[{**tag, "PropagateAtLaunch": False} for tag in named],
        **more,
    )


# --- the whole -------------------------------------------------------------------------------


def test_each_fact_is_read_with_one_call(world: World) -> None:
    groups = FakeGroups()
    facts = world.facts(groups=groups)
    assert facts.failures == ()
    assert facts.identity is not None
    assert facts.identity.account == ACCOUNT
    assert facts.image is not None
    assert (facts.image.state, facts.image.architecture) == ("available", "x86_64")
    assert facts.image.root_device == "/dev/xvda"
    assert facts.type is not None
    assert (facts.type.architectures, facts.type.vcpus) == (frozenset({"x86_64"}), 2)
    assert facts.templates == (TemplateFacts(name=BLUE, release="r000003"),)
    assert (facts.refreshes, facts.missing) == ((), frozenset())
    assert facts.group_quota == Quota(limit=500, used=5)
    assert facts.vcpus is not None
    assert facts.vcpus.limit == 1152
    assert groups.asked == [((), (CLASSIC,))]  # the list of all groups shows the serving one
    assert facts.observation is not None
    assert facts.observation.groups.keys() == {BLUE}
    assert world.calls() == {
        "DescribeAccountLimits": 1,
        "DescribeAutoScalingGroups": 1,
        "DescribeImages": 1,
        "DescribeInstanceRefreshes": 1,
        "DescribeInstanceTypes": 1,
        "DescribeInstances": 1,
        "DescribeLaunchTemplates": 1,
        "DescribeLifecycleHooks": 1,
        "DescribeNotificationConfigurations": 1,
        "DescribePolicies": 1,
        "DescribeScheduledActions": 1,
        "DescribeSubnets": 1,
        "GetCallerIdentity": 1,
        "GetServiceQuota": 1,
    }


def test_systems_manager_is_asked_about_the_members_once_if_a_hook_runs_on_them(
    world: World,
) -> None:
    proposal = replace(world.proposal, instance_hook="before-traffic hook ./warm")
    facts = world.facts(proposal, groups=Groups(world.clients, REGION))
    assert facts.unmanaged is not None
    assert [*facts.unmanaged.values()] == ["not managed by Systems Manager"] * 2
    assert world.calls()["DescribeInstanceInformation"] == 1


def test_only_groups_of_the_environment_or_its_balancers_are_read(world: World) -> None:
    facts = world.facts()
    assert facts.groups is not None
    assert [(each.name, each.release, each.attached) for each in facts.groups] == [
        (UNMANAGED, "", frozenset({"web"})),
        (DETACHED, "r000002", frozenset()),
        (BLUE, "r000003", frozenset({"web"})),
    ]
    assert (facts.groups[2].desired, facts.groups[2].subnets) == (2, world.subnets)


def test_subnets_come_from_terraforms_inputs_or_the_serving_group(world: World) -> None:
    found = world.facts().subnets
    assert found is not None
    assert {each.id for each in found} == {*world.subnets}
    assert {each.zone for each in found} == {"us-east-1a", "us-east-1b"}
    assert all(each.free > 4000 and each.vpc.startswith("vpc-") for each in found)
    told = replace(world.proposal, subnets=(world.subnets[0], "subnet-0123456789abcdef0"))
    facts = world.facts(told)
    assert facts.subnets == tuple(each for each in found if each.id == world.subnets[0])
    assert facts.missing == {"subnet-0123456789abcdef0"}


def test_the_local_cloud_has_these_findings(world: World) -> None:
    found = findings(world.facts(), world.proposal)
    assert [(each.where, each.blocking) for each in found] == [
        (f"group {UNMANAGED}", True),
        (f"server group {DETACHED}", False),
    ]


def test_a_first_release_reads_nothing_of_a_serving_group(world: World) -> None:
    nothing = replace(world.proposal.environment, serving="")
    groups = FakeGroups()
    facts = world.facts(replace(world.proposal, environment=nothing), groups=groups)
    assert (facts.refreshes, facts.subnets) == (None, None)
    assert groups.asked == [((), (CLASSIC,))]
    assert facts.observation is not None
    assert facts.observation.groups == {}
    assert "DescribeInstanceRefreshes" not in world.calls()


def test_a_warm_group_reads_neither_image_nor_quotas(world: World) -> None:
    facts = world.facts(replace(world.proposal, green=""))
    assert (facts.image, facts.type, facts.missing) == (None, None, frozenset())
    assert sorted(set(world.calls()) - {"GetCallerIdentity"}) == [
        "DescribeAutoScalingGroups",
        "DescribeInstanceRefreshes",
        "DescribeSubnets",
    ]


def test_a_missing_image_type_or_subnet_is_not_a_failure(world: World) -> None:
    image = "ami-0123456789abcdef0"
    unknown = replace(world.proposal, image_id=image, instance_type="t9.micro")
    facts = world.facts(unknown)
    assert facts.missing == {image, "t9.micro"}
    assert facts.failures == ()


def test_existing_group_and_template_names_are_found(world: World) -> None:
    facts = world.facts(replace(world.proposal, green="r000002"))
    assert facts.templates is not None
    assert {each.name: (each.release, each.owner) for each in facts.templates} == {
        DETACHED: ("r000002", ""),
        BLUE: ("r000003", ""),
    }


def test_a_name_of_the_next_release_that_another_service_has_is_found(world: World) -> None:
    proposal = replace(world.proposal, green="r000007")
    facts = world.facts(proposal)
    assert facts.templates is not None
    owner = "web/production-eu"
    assert TemplateFacts(name=RUN_TOGETHER, release="", owner=owner) in facts.templates
    found = {each.where: each.what for each in findings(facts, proposal) if each.blocking}
    assert found[f"server group {RUN_TOGETHER}"] == (
        f"has the name of the next release, r000007, but it belongs to {owner}"
    )


def launch(world: World) -> Launch:
    return Launch(
        app="web",
        environment="production",
        region=REGION,
        image_id=world.image,
        instance_type="t3.micro",
    )


def test_permissions_are_proven_as_the_serving_release_launches(world: World) -> None:
    proven: list[Launch] = []

    def prove(given: Launch) -> PermissionFacts:
        proven.append(given)
        return PermissionFacts()

    facts = world.facts(replace(world.proposal, launch=launch(world)), permissions=prove)
    assert facts.permissions == PermissionFacts()
    assert proven == [replace(launch(world), template=BLUE, subnets=world.subnets)]
    assert world.facts(permissions=prove).permissions is None
    assert len(proven) == 1, "a rollback to a warm group launches nothing"


@pytest.mark.parametrize("kind", ["group", "launch template"])
def test_no_permission_is_proven_if_something_has_the_name_of_no_release(
    world: World, kind: str
) -> None:
    name, ec2 = launch(world).unused_name, world.cloud.aws("ec2")
    if kind == "group":
        make_group(world.cloud, name, world.subnets)
    else:
        data = {"ImageId": world.image, "InstanceType": "t3.micro"}
        ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    try:
        given: Any = {"permissions": lambda _: pytest.fail("a probe was made")}
        facts = world.facts(replace(world.proposal, launch=launch(world)), **given)
        assert facts.permissions is not None
        assert f"{kind} {name}" in facts.permissions.existing
        found = findings(facts, world.proposal)
        assert (f"{kind} {name}", True) in {(each.where, each.blocking) for each in found}
    finally:
        if kind == "group":
            world.cloud.aws("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=name)
        ec2.delete_launch_template(LaunchTemplateName=name)


def test_no_permission_is_proven_if_the_groups_could_not_be_read(world: World) -> None:
    world.cloud.fault(
        service="autoscaling",
        action="DescribeAutoScalingGroups",
        kind="error-before",
        status=403,
        code="AccessDenied",
    )
    given: Any = {"permissions": lambda _: pytest.fail("a probe was made")}
    facts = world.facts(replace(world.proposal, launch=launch(world)), **given)
    assert facts.permissions is None
    assert [each.needed for each in facts.failures] == [True]


def test_standby_members_and_suspended_processes_are_found(world: World) -> None:
    scaling = world.cloud.aws("autoscaling")

    def in_service() -> list[str]:
        said = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[BLUE])
        members = said["AutoScalingGroups"][0]["Instances"]
        return [m["InstanceId"] for m in members if m["LifecycleState"] == "InService"]

    members = eventually(lambda: in_service() if len(in_service()) == 2 else [])
    named = {"AutoScalingGroupName": BLUE}
    scaling.set_instance_protection(InstanceIds=members[:1], ProtectedFromScaleIn=True, **named)
    scaling.enter_standby(InstanceIds=members[1:], ShouldDecrementDesiredCapacity=True, **named)
    scaling.suspend_processes(ScalingProcesses=["Launch"], **named)
    try:
        facts = world.facts()
    finally:
        scaling.resume_processes(ScalingProcesses=["Launch"], **named)
        scaling.exit_standby(InstanceIds=members[1:], **named)
        scaling.set_instance_protection(InstanceIds=members, ProtectedFromScaleIn=False, **named)
    assert facts.groups is not None
    blue = facts.groups[2]
    assert (blue.standby, blue.protected) == ((members[1],), (members[0],))
    assert blue.suspended == {"Launch"}
    assert blue.members == {*members}


def test_what_people_attached_to_the_serving_group_is_read(world: World) -> None:
    scaling, named = world.cloud.aws("autoscaling"), {"AutoScalingGroupName": BLUE}
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:ops"
    scaling.put_scheduled_update_group_action(
        ScheduledActionName="night", Recurrence="0 20 * * *", MinSize=0, **named
    )
    scaling.put_scaling_policy(
        PolicyName="more",
        PolicyType="SimpleScaling",
        AdjustmentType="ChangeInCapacity",
        ScalingAdjustment=1,
        **named,
    )
    scaling.put_lifecycle_hook(
        LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        **named,
    )
    scaling.put_notification_configuration(
        TopicARN=topic, NotificationTypes=["autoscaling:EC2_INSTANCE_LAUNCH"], **named
    )
    try:
        facts = world.facts()
    finally:
        scaling.delete_scheduled_action(ScheduledActionName="night", **named)
        scaling.delete_policy(PolicyName="more", **named)
        scaling.delete_lifecycle_hook(LifecycleHookName="drain", **named)
        scaling.delete_notification_configuration(TopicARN=topic, **named)
    assert facts.failures == ()
    assert facts.attached == Attached(
        kinds={
            SCHEDULES: frozenset({"night"}),
            POLICIES: frozenset({"more"}),
            HOOKS: frozenset({"drain"}),
            NOTIFICATIONS: frozenset({topic}),
        }
    )


def test_an_unhealthy_fleet_is_found_in_one_observation(
    world: World,
) -> None:
    targets = target_group(world)
    place = replace(world.proposal.place, balancers=(CLASSIC, targets))
    proposal = replace(world.proposal, place=place)
    own: dict[str, Any] = {
        "groups": Groups(world.clients, REGION),
        "describe": partial(describe, world.clients, REGION),
    }
    facts = world.facts(proposal, **own)
    assert facts.failures == ()
    assert facts.targets == 1000
    found = {each.where: each for each in findings(facts, proposal)}
    unhealthy = found[f"server group {BLUE}"]
    assert unhealthy.what.startswith("was unhealthy before this deployment\n")
    assert unhealthy.blocking
    assert found["target group idle"].what.startswith("no listener forwards to it")
    assert sum(world.calls().values()) <= 20
    rollback = {
        each.where: each for each in findings(facts, replace(proposal, allow_unhealthy=True))
    }
    assert not rollback[f"server group {BLUE}"].blocking


def target_group(world: World) -> Balancer:
    vpc = world.cloud.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = world.cloud.aws("elbv2").create_target_group(
        Name="idle", Protocol="HTTP", Port=80, VpcId=vpc
    )
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    return Balancer(kind="elbv2", identifier=arn, name="idle")


# --- what cannot be read ---------------------------------------------------------------------


@contextlib.contextmanager
def denied(world: World, service: str, action: str) -> Iterator[None]:
    """Have a permission missing, in AWS's words."""
    said = f"User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform: {action}"
    world.cloud.fault(
        service=service,
        action=action,
        kind="error-before",
        code="AccessDenied",
        message=said,
        status=403,
    )
    try:
        yield
    finally:
        world.cloud.client.clear_faults()


def test_a_denied_read_is_a_failure_and_the_others_continue(world: World) -> None:
    with (
        denied(world, "autoscaling", "DescribeAccountLimits"),
        denied(world, "ec2", "DescribeImages"),
    ):
        facts = world.facts()
    image, room = facts.failures
    assert (image.where, image.needed) == ("reading the image in us-east-1", True)
    assert "is not authorized to perform: DescribeImages" in image.what
    assert image.remedy == (
        "allow the action named above in the IAM policy of this role; "
        "the policy that it needs: ami-pipeline permissions"
    )
    assert (room.where, room.needed) == ("reading the quota of groups in us-east-1", False)
    assert (facts.image, facts.group_quota, facts.missing) == (None, None, frozenset())
    assert facts.groups is not None


def test_an_unreadable_part_of_the_fleet_is_a_failure(world: World) -> None:
    (failure,) = world.facts(groups=FakeGroups("Throttling: Rate exceeded")).failures
    assert (failure.what, failure.needed) == ("Throttling: Rate exceeded", True)


def test_the_error_of_a_check_is_a_failure(world: World) -> None:
    def terraform() -> None:
        raise RefusedError("terraform", "no terraform on PATH", "install it")

    (failure,) = world.facts(checks=[terraform]).failures
    assert (failure.where, failure.what, failure.remedy, failure.needed) == (
        "terraform",
        "no terraform on PATH",
        "install it",
        True,
    )


def test_firing_alarms_are_facts_and_a_missing_alarm_is_a_failure(world: World) -> None:
    def missing() -> tuple[str, ...]:
        raise RefusedError("alarms in us-east-1", "there is no alarm x", "correct the names")

    assert world.facts(alarms=lambda: ("web-5xx: too many",)).alarms == ("web-5xx: too many",)
    facts = world.facts(alarms=missing)
    assert facts.alarms == ()
    assert [(each.what, each.needed) for each in facts.failures] == [("there is no alarm x", True)]


def test_the_probe_is_tried_while_a_release_serves(world: World) -> None:
    assert world.facts(probe=lambda: "HTTP 500").probe_failure == "HTTP 500"
    assert world.facts(probe=lambda: "").probe_failure == ""
    assert world.facts().probe_failure == ""


def test_all_queries_run_at_the_same_time(world: World) -> None:
    met = threading.Barrier(3)

    class Meeting(FakeGroups):
        def observe(self, *names: Any, **more: Any) -> Observation:
            met.wait(30)
            return super().observe(*names, **more)

    def describe(_: Sequence[Balancer]) -> tuple[BalancerFacts, ...]:
        met.wait(30)
        return ()

    def check() -> None:
        met.wait(30)

    facts = world.facts(groups=Meeting(), describe=describe, checks=[check])
    assert (facts.balancers, facts.failures) == ((), ())


def test_a_programming_error_is_raised(world: World) -> None:
    def broken() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        world.facts(checks=[broken])


# --- quotas ----------------------------------------------------------------------------------


def quota(value: float) -> Any:
    return SimpleNamespace(get_service_quota=lambda **_: {"Quota": {"Value": value}})


def instances(*described: dict[str, Any]) -> Any:
    pages = [
        {"Reservations": [{"Instances": list(described[:1])}], "NextToken": "more"},
        {"Reservations": [{"Instances": list(described[1:])}]},
    ]
    return SimpleNamespace(describe_instances=lambda **asked: pages["NextToken" in asked])


def an_instance(kind: str, cores: int, **more: Any) -> dict[str, Any]:
    return {
        "InstanceType": kind,
        "CpuOptions": {"CoreCount": cores, "ThreadsPerCore": 2},
        **more,
    }


def test_vcpus_in_use_are_those_of_standard_on_demand_instances() -> None:
    ec2 = instances(
        an_instance("t3.micro", 1),
        an_instance("c7g.large", 2),
        an_instance("g5.xlarge", 2),
        an_instance("inf1.xlarge", 2),
        an_instance("m5.large", 1, InstanceLifecycle="spot"),
        an_instance("u-6tb1.metal", 224),
    )
    assert reading.read_vcpus(quota(32.0), ec2, "t3.micro") == Quota(limit=32, used=6)


def test_a_type_of_another_family_has_another_quota() -> None:
    assert reading.read_vcpus(None, None, "g5.xlarge") is None  # type: ignore[arg-type]


def test_instances_of_the_local_cloud_have_vcpus(world: World) -> None:
    room = reading.read_vcpus(quota(5.0), world.clients.ec2(REGION), "t3.micro")
    assert room is not None
    assert room.limit == 5


@pytest.mark.parametrize(
    ("limits", "most"),
    [([{"Name": "targets-per-target-group", "Max": "1000"}], 1000), ([{"Name": "x"}], None)],
)
def test_the_quota_of_targets_is_read_if_aws_returns_it(
    limits: list[dict[str, str]], most: int | None
) -> None:
    elbv2 = SimpleNamespace(describe_account_limits=lambda: {"Limits": limits})
    assert reading.read_target_quota(elbv2) == most


# --- instance refreshes ----------------------------------------------------------------------


def test_active_instance_refreshes_are_listed() -> None:
    states = ["Baking", "Successful", "Cancelled", "RollbackInProgress"]
    found = [{"InstanceRefreshId": f"id-{state}", "Status": state} for state in states]
    client: Any = SimpleNamespace(
        describe_instance_refreshes=lambda **_: {"InstanceRefreshes": found}
    )
    assert reading.read_refreshes(client, BLUE) == (
        "instance refresh id-Baking is Baking",
        "instance refresh id-RollbackInProgress is RollbackInProgress",
    )


def test_a_missing_group_has_no_instance_refresh(world: World) -> None:
    assert reading.read_refreshes(world.clients.autoscaling(REGION), "missing") == ()


def test_another_error_of_instance_refreshes_is_raised() -> None:
    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "Describe")

    client: Any = SimpleNamespace(describe_instance_refreshes=refuse)
    with pytest.raises(ClientError):
        reading.read_refreshes(client, BLUE)


# --- images ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "deprecated"), [(-1, True), (1, False), (None, False)])
def test_an_image_is_deprecated_once_its_time_has_passed(
    days: int | None, deprecated: bool
) -> None:
    moment = datetime.now(UTC) + timedelta(days=days or 0)
    image = {"State": "available", "OwnerId": ACCOUNT}
    if days:
        image["DeprecationTime"] = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    asked: dict[str, Any] = {}

    def describe(**given: Any) -> Any:
        asked.update(given)
        return {"Images": [image]}

    ec2: Any = SimpleNamespace(describe_images=describe)
    found = read_image_facts(ec2, "ami-0123456789abcdef0")
    assert found is not None
    assert found.deprecated is deprecated
    assert asked["IncludeDisabled"], "otherwise a disabled image would count as missing"
