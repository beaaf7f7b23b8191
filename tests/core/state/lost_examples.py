"""Groups of an environment whose document is lost."""

from __future__ import annotations

from typing import Any

from pipeline.core.health.observation import Balancer, ObservedGroup
from pipeline.core.state.environment import Environment
from pipeline.core.state.rebuilding import LaunchSource, Rebuilding, Traces, rebuilt

WANTED = Environment(
    app="web", environment="staging", account="123456789012", region="eu-central-1"
)
ELB = Balancer(kind="elb", identifier="web", name="web")
ALB = Balancer(
    kind="elbv2", identifier="arn:aws:elasticloadbalancing:x:targetgroup/api/1", name="api"
)
BOTH = (ELB, ALB)
ATTACHED = frozenset({ELB.identifier, ALB.identifier})
OTHERS = {"ami-pipeline:app": "web-staging", "ami-pipeline:environment": "x"}


def group(number: int, attached: frozenset[str] = frozenset(), **facts: Any) -> ObservedGroup:
    tags = {
        "ami-pipeline:app": "web",
        "ami-pipeline:environment": "staging",
        "ami-pipeline:release": f"r{number:06}",
        "ami-pipeline:image": f"ami-{number}",
        "ami-pipeline:version": f"1.{number}.0",
        "ami-pipeline:deployment": f"2026010{number}T030700-7f3a",
    }
    named = {"name": f"web-staging-r{number:06}", "template": "lt-1", "version": "1"}
    size = {"minimum": 1, "maximum": 4, "desired": 2}
    return ObservedGroup(**{**named, **size, "attached": attached, "tags": tags, **facts})


def traces(*groups: ObservedGroup, releases: tuple[str, ...] = ()) -> Traces:
    sources = {
        each.name: LaunchSource(image=f"ami-{number}", instance_type="t3.small")
        for each in groups
        if (number := each.tags.get("ami-pipeline:release", "").lstrip("r0"))
    }
    return Traces(groups=groups, sources=sources, releases=frozenset(releases))


GROUPS = traces(group(3), group(4, ATTACHED), group(5))
FOUND = Rebuilding(
    where="s3://states/web/environments/staging.json", document=rebuilt(WANTED, GROUPS, BOTH)
)
