"""A snapshot of an environment, read from AWS and from the document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.e2e.site import Balancer
    from tests.running_cloud import Cloud


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The groups, templates, images, attachments and health of an environment at one instant, by
    release.

    Behind a pair, `healthy`, `registered` and `weights` are by target group.
    """

    groups: dict[str, dict[str, Any]]
    templates: frozenset[str]
    images: frozenset[str]
    attached: dict[str, frozenset[str]]
    healthy: dict[str, frozenset[str]]
    document: dict[str, Any]
    weights: dict[str, int] = field(default_factory=dict)
    registered: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def serving(self) -> str:
        return str(self.document["serving"])

    @property
    def releases(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["releases"]
        return found

    def members(self, release: str) -> frozenset[str]:
        """Return the members in service of a group."""
        found = self.groups[release]["Instances"] if release in self.groups else []
        return frozenset(i["InstanceId"] for i in found if i["LifecycleState"] == "InService")

    def capacity(self) -> int:
        """Return the healthy members of the load balancer that has the fewest.

        Of a pair, the target groups with traffic count.
        """
        serving = (each for name, each in self.healthy.items() if self.weights.get(name, 1))
        return min((len(each) for each in serving), default=0)


def healthy_targets(cloud: Cloud, balancer: Balancer, pool: str = "") -> Iterator[str]:
    """Yield the instances that a load balancer, or a target group of it, reports as healthy."""
    if balancer.kind == "classic":
        answer = cloud.aws("elb").describe_instance_health(LoadBalancerName=balancer.name)
        yield from (i["InstanceId"] for i in answer["InstanceStates"] if i["State"] == "InService")
        return
    answer = cloud.aws("elbv2").describe_target_health(TargetGroupArn=pool or balancer.arn)
    for each in answer["TargetHealthDescriptions"]:
        if each["TargetHealth"]["State"] == "healthy":
            yield each["Target"]["Id"]
