"""Interpret what a group is attached to: any traffic source counts, configured or not.

A traffic source's identifier alone tells its kind (EC2 Auto Scaling API Reference,
TrafficSourceIdentifier): the name of a classic load balancer, the ARN of a target group of Elastic
Load Balancing, or the ARN of a target group of VPC Lattice.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core.health.observation import Balancer

_TARGET_GROUP, _LATTICE = ":elasticloadbalancing:", ":vpc-lattice:"


def balancer_of(identifier: str) -> Balancer | None:
    """Return a traffic source as a load balancer; None if the pipeline cannot attach its kind."""
    if not identifier.startswith("arn:"):
        return Balancer(kind="elb", identifier=identifier, name=identifier)
    if _TARGET_GROUP in identifier:
        name = identifier.partition(":targetgroup/")[2].partition("/")[0]
        return Balancer(kind="elbv2", identifier=identifier, name=name or identifier)
    return None


def describe_sources(identifiers: Iterable[str]) -> str:
    """Return traffic sources in words, such as `load balancer web, target group api`."""
    return ", ".join(map(_describe, sorted(identifiers)))


def _describe(identifier: str) -> str:
    balancer = balancer_of(identifier)
    if balancer:
        kind = {"elb": "load balancer", "elbv2": "target group"}[balancer.kind]
        return f"{kind} {balancer.name}"
    kind = "VPC Lattice target group" if _LATTICE in identifier else "traffic source"
    return f"{kind} {identifier.rpartition('/')[2] or identifier}"
