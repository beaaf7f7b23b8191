"""A baked application behind load balancers by the shipped Terraform, under traffic all the while.

One story in parts, for what it stands on takes half a minute to build: the groups are
attached to a classic load balancer, which the stack made, and to an application load
balancer beside it (made by API: the provider waits a minute for one).
"""

from __future__ import annotations

import collections
import functools
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests import local_cloud, provider
from tests.e2e.conftest import REPOSITORY, Project, new_project
from tests.load import Load, load
from tests.local_cloud import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.local_cloud import Cloud

SPEED = 60
FIRST, SECOND = "r000001", "r000002"
LONGER = 60.0  # seconds: a loaded machine boots Python slowly


@dataclass(kw_only=True)
class Service:
    """What was built, and how to ask about it."""

    project: Project
    cloud: Cloud
    images: dict[str, str]
    made: dict[str, Any]
    target_group: str
    urls: dict[str, str]
    env: dict[str, str]

    @property
    def groups(self) -> Any:
        return self.cloud.aws("autoscaling")

    def terraform(self, folder: str, *arguments: str) -> str:
        done = subprocess.run(
            ["terraform", f"-chdir=terraform/{folder}", *arguments],  # noqa: S607  as a user's shell finds it
            cwd=self.project.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def release(self, *releases: str) -> str:
        """Make these releases exist and no others, as a person would by hand."""
        sizes = {"min_size": 1, "max_size": 4, "desired_capacity": 2}
        document = {
            "app": "web",
            "environment": "staging",
            "health_check_grace_period": 600,  # ten seconds here, for programs are not sped up
            **{k: self.made[k] for k in ("subnet_ids", "security_group_ids", "instance_profile")},
            "releases": {
                name: {"ami_id": self.images[name], "instance_type": "t3.micro", **sizes}
                for name in releases
            },
        }
        path = self.project.folder / "terraform/release/releases.auto.tfvars.json"
        path.write_text(json.dumps(document))
        return self.terraform("release", "apply", "-no-color", "-auto-approve", "-input=false")

    def sources(self) -> list[dict[str, str]]:
        classic = {"Identifier": self.made["load_balancer_name"], "Type": "elb"}
        return [classic, {"Identifier": self.target_group, "Type": "elbv2"}]

    def attach(self, release: str) -> None:
        self.groups.attach_traffic_sources(
            AutoScalingGroupName=group(release), TrafficSources=self.sources()
        )
        eventually(lambda: self.states(release) == ["InService", "InService"], LONGER)
        eventually(lambda: self.healthy(release) == set(self.members(release)), LONGER)

    def detach(self, release: str) -> None:
        self.groups.detach_traffic_sources(
            AutoScalingGroupName=group(release), TrafficSources=self.sources()
        )

    def states(self, release: str) -> list[str]:
        answer = self.groups.describe_traffic_sources(AutoScalingGroupName=group(release))
        return [source["State"] for source in answer["TrafficSources"]]

    def described(self, release: str) -> dict[str, Any]:
        answer = self.groups.describe_auto_scaling_groups(AutoScalingGroupNames=[group(release)])
        found: dict[str, Any] = answer["AutoScalingGroups"][0]
        return found

    def members(self, release: str, state: str = "InService") -> list[str]:
        found = self.described(release)["Instances"]
        return [each["InstanceId"] for each in found if each["LifecycleState"] == state]

    def targets(self) -> dict[str, dict[str, str]]:
        answer = self.cloud.aws("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        found = answer["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"] for each in found}

    def healthy(self, release: str) -> set[str]:
        """The members that both load balancers find healthy."""
        name = self.made["load_balancer_name"]
        answer = self.cloud.aws("elb").describe_instance_health(LoadBalancerName=name)
        classic = {s["InstanceId"] for s in answer["InstanceStates"] if s["Description"] == "N/A"}
        application = {
            id_ for id_, health in self.targets().items() if health["State"] == "healthy"
        }
        return classic & application & set(self.members(release))

    def activities(self, release: str) -> list[dict[str, Any]]:
        answer = self.groups.describe_scaling_activities(AutoScalingGroupName=group(release))
        found: list[dict[str, Any]] = answer["Activities"]
        return found


def group(release: str) -> str:
    return f"web-staging-{release}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with local_cloud.a_cloud(folder / "cloud", speed=SPEED) as cloud:
        project = new_project(folder / "project", cloud)
        ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.auto.tfvars.json")
        shutil.copytree(REPOSITORY / "terraform", project.folder / "terraform", ignore=ignored)
        made = Service(
            project=project,
            cloud=cloud,
            images=baked(project),
            made={},
            target_group="",
            urls={},
            env=project.env,
        )
        made.terraform("stack", "init", "-input=false")
        with provider.started(project.folder / "terraform/stack", project.env) as attached:
            made.env = attached
            build(made)
            yield made


def baked(project: Project) -> dict[str, str]:
    """Bake two images; return their ids by the release they are for."""
    images = {}
    for release, version in ((FIRST, "1.0.0"), (SECOND, "2.0.0")):
        ran = project.bake(version)
        assert ran.code == 0, ran.err
        images[release] = ran.document["ami_id"]
    return images


def build(service: Service) -> None:
    """Apply the stack and the first release."""
    how = ["-var=name=web-staging", "-var=load_balancer=classic", "-var=nat=none"]
    service.terraform("stack", "apply", "-auto-approve", "-input=false", *how)
    output = json.loads(service.terraform("stack", "output", "-json"))
    service.made = {name: value["value"] for name, value in output.items()}
    service.target_group, address = application_load_balancer(service.cloud, service.made)
    service.urls = {"classic": service.made["url"], "application": f"http://{address}"}
    service.terraform("release", "init", "-input=false")
    service.release(FIRST)


def application_load_balancer(cloud: Cloud, made: dict[str, Any]) -> tuple[str, str]:
    """Make one with a target group and a listener; return the group's ARN and the address."""
    elbv2 = cloud.aws("elbv2")
    balancer = elbv2.create_load_balancer(Name="web-staging", Subnets=made["public_subnet_ids"])
    found = balancer["LoadBalancers"][0]
    check = {
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 10,
        "UnhealthyThresholdCount": 2,
    }
    groups = elbv2.create_target_group(
        Name="web-staging", Protocol="HTTP", Port=8080, VpcId=made["vpc_id"], **check
    )
    target_group = groups["TargetGroups"][0]["TargetGroupArn"]
    elbv2.modify_target_group_attributes(
        TargetGroupArn=target_group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}],
    )
    elbv2.create_listener(
        LoadBalancerArn=found["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
    )
    arn = found["LoadBalancerArn"]

    def active() -> bool:
        described = elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
        return bool(described[0]["State"]["Code"] == "active")

    eventually(active)
    return target_group, found["DNSName"]


def versions(under: Load, since: float) -> collections.Counter[str]:
    """Count who answered since a moment."""
    answered = [result for result in under.since(since) if result.status]
    return collections.Counter(str(result.document.get("version")) for result in answered)


def answered_by(under: Load, since: float, *expected: str) -> Callable[[], bool]:
    """Return what tells whether the last of many requests went to these and no others."""

    def told() -> bool:
        counted = versions(under, since)
        return counted.total() > 20 and set(counted) == set(expected)

    return told


def test_a_release_by_terraform_serves_the_baked_application_once_attached(
    service: Service,
) -> None:
    eventually(lambda: len(service.members(FIRST)) == 2, LONGER)
    assert service.targets() == {}  # dark: Terraform attaches nothing
    service.attach(FIRST)
    for url in service.urls.values():
        with load(url, 20) as under:
            eventually(lambda: len(under.results) > 20, LONGER)
        assert under.failures == []
        assert set(versions(under, 0)) == {"1.0.0"}


def test_a_second_release_shares_the_traffic_and_the_first_drains_without_a_lost_request(
    service: Service,
) -> None:
    classic, application = service.urls.values()
    with load(f"{classic}/", 50) as one, load(f"{application}/", 50) as other:
        said = service.release(FIRST, SECOND)
        assert "Plan: 2 to add, 0 to change, 0 to destroy." in said
        eventually(lambda: len(service.members(SECOND)) == 2, LONGER)
        began = time.monotonic()
        service.attach(SECOND)
        for under in (one, other):
            eventually(answered_by(under, began, "1.0.0", "2.0.0"), LONGER)

        leaving = set(service.members(FIRST))
        service.detach(FIRST)
        draining = {i for i, health in service.targets().items() if health["State"] == "draining"}
        assert draining == leaving
        eventually(lambda: service.states(FIRST) == [], LONGER)
        gone = time.monotonic()
        for under in (one, other):
            eventually(answered_by(under, gone, "2.0.0"), LONGER)
        assert set(service.targets()) == set(service.members(SECOND))
    assert one.failures == other.failures == []
    assert len(service.members(FIRST)) == 2  # dark and warm
    plan = service.terraform("release", "plan", "-no-color", "-input=false")
    assert "No changes." in plan


def test_an_instance_killed_by_hand_is_replaced(service: Service) -> None:
    victim = service.members(SECOND)[0]
    service.cloud.aws("ec2").terminate_instances(InstanceIds=[victim])

    def whole() -> bool:
        members = service.members(SECOND)
        return victim not in members and len(members) == 2

    eventually(whole, LONGER)
    eventually(lambda: victim not in service.targets(), LONGER)
    causes = [activity["Cause"] for activity in service.activities(SECOND)]
    said = "in response to an EC2 health check indicating it has been terminated or stopped."
    assert any(cause.endswith(said) for cause in causes)


def test_a_release_that_answers_500_is_found_unhealthy_terminated_and_replaced(
    service: Service,
) -> None:
    doomed = set(service.members(SECOND))
    seen: set[tuple[str, str]] = set()

    def watched() -> bool:
        for id_, health in service.targets().items():
            if id_ in doomed:
                seen.add((health["State"], health.get("Description", "")))
        return not doomed & set(service.members(SECOND))

    service.cloud.client.order("never-healthy", group=group(SECOND))
    eventually(watched, LONGER)
    service.cloud.client.clear_orders()
    assert ("unhealthy", "Health checks failed with these codes: [500]") in seen
    eventually(lambda: len(service.healthy(SECOND)) == 2, LONGER)
    activities = service.activities(SECOND)
    for id_ in doomed:
        ended = next(
            a for a in activities if a["Description"].endswith(f"Terminating EC2 instance: {id_}")
        )
        assert "in response to an ELB system health check failure." in ended["Cause"]
        eventually(functools.partial(has_ended, service, id_), LONGER)
    launched = [
        a for a in activities if a["Description"].startswith("Launching a new EC2 instance")
    ]
    assert len(launched) >= 4


def has_ended(service: Service, instance: str) -> bool:
    """Tell whether the activity that ended an instance was successful."""
    ended = f"Terminating EC2 instance: {instance}"
    found = [a for a in service.activities(SECOND) if a["Description"] == ended]
    return bool(found) and found[0]["StatusCode"] == "Successful"


def test_what_terraform_made_it_can_take_away(service: Service) -> None:
    service.detach(SECOND)
    said = service.release(FIRST)
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in said
    answer = service.groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert [each["AutoScalingGroupName"] for each in answer] == [group(FIRST)]
