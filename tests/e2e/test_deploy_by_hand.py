"""Deployments by hand with the shipped Terraform module, under traffic.

The groups are attached to a classic load balancer and to an application load balancer. All tests
share one service, and each brings the releases that it needs.
"""

from __future__ import annotations

import collections
import functools
import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.project import REPOSITORY
from tests.e2e.site import Balancer
from tests.e2e.testbed import IGNORED, CloudTestbed, terraform
from tests.running_cloud import eventually
from tools.load import Load, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running_cloud import Cloud

pytestmark = pytest.mark.long

FIRST, SECOND = "r000001", "r000002"
LONGER = 60.0  # seconds: a loaded machine boots Python slowly


@dataclass(kw_only=True)
class Service:
    """A service deployed by hand: its folder, its load balancers and its releases."""

    folder: Path
    cloud: Cloud
    images: dict[str, str]
    made: dict[str, Any]
    classic: str
    target_group: str
    urls: dict[str, str]
    env: dict[str, str]

    @property
    def groups(self) -> Any:
        return self.cloud.aws("autoscaling")

    def terraform(self, *arguments: str) -> str:
        return terraform(self.folder, self.env, *arguments)

    def release(self, *releases: str) -> str:
        """Apply exactly these releases, as a person would by hand."""
        sizes = {"min_size": 1, "max_size": 4, "desired_capacity": 2}
        document = {
            "app": "web",
            "environment": "by-hand",
            "health_check_grace_period": 600,  # ten seconds: programs are not sped up
            **{k: self.made[k] for k in ("subnet_ids", "security_group_ids", "instance_profile")},
            "releases": {
                name: {"ami_id": self.images[name], "instance_type": "t3.micro", **sizes}
                for name in releases
            },
        }
        path = self.folder / "releases.auto.tfvars.json"
        path.write_text(json.dumps(document))
        return self.terraform("apply", "-no-color", "-auto-approve", "-input=false")

    def sources(self) -> list[dict[str, str]]:
        classic = {"Identifier": self.classic, "Type": "elb"}
        return [classic, {"Identifier": self.target_group, "Type": "elbv2"}]

    def existing(self) -> set[str]:
        """Return the releases that have a group."""
        answer = self.groups.describe_auto_scaling_groups()["AutoScalingGroups"]
        names = {each["AutoScalingGroupName"] for each in answer if not each.get("Status")}
        return {name.removeprefix(group("")) for name in names if name.startswith(group(""))}

    def ensure(self, *releases: str, serving: str) -> None:
        """Bring the service to exactly these releases, of which one serves (or none)."""
        for each in self.existing():
            if each != serving and self.states(each):
                self.detach(each)
                eventually(functools.partial(self.is_detached, each), LONGER)
        if self.existing() != set(releases):
            self.release(*releases)
        for each in releases:
            eventually(functools.partial(self.has_members, each), LONGER)
        if serving and not self.states(serving):
            self.attach(serving)

    def has_members(self, release: str) -> bool:
        return len(self.members(release)) == 2

    def is_detached(self, release: str) -> bool:
        return self.states(release) == []

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
        """Return the members that both load balancers report as healthy."""
        answer = self.cloud.aws("elb").describe_instance_health(LoadBalancerName=self.classic)
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
    return f"web-by-hand-{release}"


@pytest.fixture(scope="module")
def service(testbed: CloudTestbed) -> Service:
    folder = testbed.folder / "by-hand"
    shutil.copytree(REPOSITORY / "terraform/release", folder, ignore=IGNORED)
    classic, modern = (
        Balancer.make(testbed, "by-hand", kind) for kind in ("classic", "application")
    )
    made = Service(
        folder=folder,
        cloud=testbed.cloud,
        images={FIRST: testbed.old, SECOND: testbed.new},
        made=testbed.made,
        classic=classic.name,
        target_group=modern.arn,
        urls={"classic": classic.url, "application": modern.url},
        env={**testbed.cloud.env, "PATH": testbed.path},
    )
    made.terraform("init", "-input=false")
    made.release(FIRST)
    return made


def versions(under: Load, since: float) -> collections.Counter[str]:
    """Count the responses since a moment by version."""
    answered = [result for result in under.since(since) if result.status]
    return collections.Counter(str(result.document.get("version")) for result in answered)


def answered_by(under: Load, since: float, *expected: str) -> Callable[[], bool]:
    """Return a predicate: the latest requests were answered by these versions only."""

    def is_answered() -> bool:
        counted = versions(under, since)
        return counted.total() > 20 and set(counted) == set(expected)

    return is_answered


@pytest.fixture
def first(service: Service) -> Service:
    """The service with the first release alone, in service."""
    service.ensure(FIRST, serving=FIRST)
    return service


@pytest.fixture
def second(service: Service) -> Service:
    """The service with the second release in service and the first one detached."""
    service.ensure(FIRST, SECOND, serving=SECOND)
    return service


def test_a_release_by_terraform_serves_only_once_it_is_attached(service: Service) -> None:
    service.ensure(FIRST, serving="")
    eventually(lambda: service.targets() == {}, LONGER)  # Terraform attaches nothing
    service.attach(FIRST)
    for url in service.urls.values():
        with load(url, 20) as under:
            eventually(lambda: len(under.results) > 20, LONGER)
        assert under.failures == []
        assert set(versions(under, 0)) == {"1.0.0"}


def test_a_second_release_shares_the_traffic_and_the_first_drains_without_a_lost_request(
    first: Service,
) -> None:
    service = first
    classic, application = service.urls.values()
    with load(f"{classic}/", 50) as one, load(f"{application}/", 50) as other:
        output = service.release(FIRST, SECOND)
        assert "Plan: 2 to add, 0 to change, 0 to destroy." in output
        eventually(lambda: len(service.members(SECOND)) == 2, LONGER)
        began = time.monotonic()
        service.attach(SECOND)
        for under in (one, other):
            eventually(answered_by(under, began, "1.0.0", "2.0.0"), LONGER)

        members = set(service.members(FIRST))
        service.detach(FIRST)
        draining = {i for i, health in service.targets().items() if health["State"] == "draining"}
        assert draining == members
        eventually(lambda: service.states(FIRST) == [], LONGER)
        detached = time.monotonic()
        for under in (one, other):
            eventually(answered_by(under, detached, "2.0.0"), LONGER)
        assert set(service.targets()) == set(service.members(SECOND))
    assert one.failures == other.failures == []
    assert len(service.members(FIRST)) == 2  # detached and warm
    plan = service.terraform("plan", "-no-color", "-input=false")
    assert "No changes." in plan


def test_a_terminated_instance_is_replaced(second: Service) -> None:
    service = second
    victim = service.members(SECOND)[0]
    service.cloud.aws("ec2").terminate_instances(InstanceIds=[victim])

    def is_complete() -> bool:
        members = service.members(SECOND)
        return victim not in members and len(members) == 2

    eventually(is_complete, LONGER)
    eventually(lambda: victim not in service.targets(), LONGER)
    causes = [activity["Cause"] for activity in service.activities(SECOND)]
    text = "in response to an EC2 health check indicating it has been terminated or stopped."
    assert any(cause.endswith(text) for cause in causes)


def test_members_that_answer_500_become_unhealthy_and_are_replaced(second: Service) -> None:
    service = second
    failing = set(service.members(SECOND))
    seen: set[tuple[str, str]] = set()

    def are_gone() -> bool:
        for id_, health in service.targets().items():
            if id_ in failing:
                seen.add((health["State"], health.get("Description", "")))
        return not failing & set(service.members(SECOND))

    service.cloud.client.set_behavior("never-healthy", group=group(SECOND))
    eventually(are_gone, LONGER)
    service.cloud.client.clear_behaviors()
    assert ("unhealthy", "Health checks failed with these codes: [500]") in seen
    eventually(lambda: len(service.healthy(SECOND)) == 2, LONGER)
    activities = service.activities(SECOND)
    for id_ in failing:
        terminated = next(
            a for a in activities if a["Description"].endswith(f"Terminating EC2 instance: {id_}")
        )
        assert "in response to an ELB system health check failure." in terminated["Cause"]
        eventually(functools.partial(has_ended, service, id_), LONGER)
    launched = [
        a for a in activities if a["Description"].startswith("Launching a new EC2 instance")
    ]
    assert len(launched) >= 4


def has_ended(service: Service, instance: str) -> bool:
    """Return True if the activity that terminated an instance was successful."""
    description = f"Terminating EC2 instance: {instance}"
    found = [a for a in service.activities(SECOND) if a["Description"] == description]
    return bool(found) and found[0]["StatusCode"] == "Successful"


def test_terraform_deletes_what_it_created(second: Service) -> None:
    second.detach(SECOND)
    output = second.release(FIRST)
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in output
    assert second.existing() == {FIRST}
