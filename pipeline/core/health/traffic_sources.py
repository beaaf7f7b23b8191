"""Interpret what a group is attached to: any traffic source counts, configured or not.

A traffic source's identifier alone tells its kind (EC2 Auto Scaling API Reference,
TrafficSourceIdentifier): the name of a classic load balancer, the ARN of a target group of Elastic
Load Balancing, or the ARN of a target group of VPC Lattice.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core import commands
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


def attach(region: str, group: str, balancers: Iterable[Balancer]) -> str:
    """Return the command that attaches a group to load balancers."""
    return _change("attach-traffic-sources", region, group, balancers)


def detach(region: str, group: str, balancers: Iterable[Balancer]) -> str:
    """Return the command that detaches a group from load balancers."""
    return _change("detach-traffic-sources", region, group, balancers)


def _change(verb: str, region: str, group: str, balancers: Iterable[Balancer]) -> str:
    sources = [f"Identifier={each.identifier},Type={each.kind}" for each in balancers]
    options = {"region": region, "auto-scaling-group-name": group, "traffic-sources": sources}
    return commands.aws("autoscaling", verb, options)


def _describe(identifier: str) -> str:
    balancer = balancer_of(identifier)
    if balancer:
        kind = {"elb": "load balancer", "elbv2": "target group"}[balancer.kind]
        return f"{kind} {balancer.name}"
    kind = "VPC Lattice target group" if _LATTICE in identifier else "traffic source"
    return f"{kind} {identifier.rpartition('/')[2] or identifier}"
