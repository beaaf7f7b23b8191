"""What load balancers are set to, read once before a deployment: listeners, zones, delays.

Apart from `balancers`, which a deployment asks again and again: this takes several calls for each
target group, and only preflight wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.adapters.aws.balancers import find_classic, find_groups
from pipeline.adapters.aws.client import Clients, call, speaking_plainly
from pipeline.core.health.observation import Balancer
from pipeline.core.preflight.facts import BalancerFacts

DELAY = "deregistration_delay.timeout_seconds"
SLOW_START = "slow_start.duration_seconds"

Said = Mapping[str, Any]


def describe(
    clients: Clients, region: str, balancers: Sequence[Balancer]
) -> tuple[BalancerFacts, ...]:
    """Return the facts of these balancers, in their order; raises RefusedError in AWS's words."""
    with speaking_plainly("reading the load balancers", region):
        classic = find_classic(clients, region, _identifiers(balancers, "elb"))
        groups = find_groups(clients, region, _identifiers(balancers, "elbv2"))
        return tuple(
            _classic_facts(clients.elb(region), each, classic[each.identifier])
            if each.identifier in classic
            else _group_facts(clients.elbv2(region), each, groups[each.identifier])
            if each.identifier in groups
            else _nothing(each)
            for each in balancers
        )


def _identifiers(balancers: Sequence[Balancer], kind: str) -> list[str]:
    return [each.identifier for each in balancers if each.kind == kind]


def _nothing(balancer: Balancer) -> BalancerFacts:
    return BalancerFacts(
        balancer=balancer,
        exists=False,
        listeners=0,
        zones=frozenset(),
        vpc="",
        drain_seconds=0.0,
        check_seconds=0.0,
        slow_start=0.0,
        target_type="",
    )


def _classic_facts(elb: Any, balancer: Balancer, said: Said) -> BalancerFacts:
    attributes = call(elb.describe_load_balancer_attributes, LoadBalancerName=balancer.identifier)
    draining = attributes["LoadBalancerAttributes"].get("ConnectionDraining", {})
    check = said.get("HealthCheck", {})
    return BalancerFacts(
        balancer=balancer,
        exists=True,
        listeners=len(said.get("ListenerDescriptions", [])),
        zones=frozenset(said.get("AvailabilityZones", [])),
        vpc=said.get("VPCId", ""),
        drain_seconds=float(draining.get("Timeout") or 0) if draining.get("Enabled") else 0.0,
        check_seconds=float(check.get("Interval", 0) * check.get("HealthyThreshold", 0)),
        slow_start=0.0,
        target_type="instance",
    )


def _group_facts(elbv2: Any, balancer: Balancer, said: Said) -> BalancerFacts:
    arn = balancer.identifier
    listed = call(elbv2.describe_target_group_attributes, TargetGroupArn=arn)["Attributes"]
    attributes = {each["Key"]: each.get("Value", "") for each in listed}
    fronts = _fronts(elbv2, said.get("LoadBalancerArns", []))
    interval, passes = said.get("HealthCheckIntervalSeconds"), said.get("HealthyThresholdCount")
    return BalancerFacts(
        balancer=balancer,
        exists=True,
        listeners=sum(_listeners(elbv2, front, arn) for front in fronts),
        zones=frozenset(
            zone["ZoneName"] for front in fronts for zone in front.get("AvailabilityZones", [])
        ),
        vpc=said.get("VpcId", ""),
        drain_seconds=float(attributes.get(DELAY) or 0),
        check_seconds=float((interval or 0) * (passes or 0)),
        slow_start=float(attributes.get(SLOW_START) or 0),
        target_type=said.get("TargetType", ""),
    )


def _fronts(elbv2: Any, arns: Sequence[str]) -> list[Said]:
    """A target group has one load balancer at most (API Reference, TargetGroup)."""
    if not arns:
        return []
    found: list[Said] = call(elbv2.describe_load_balancers, LoadBalancerArns=list(arns))[
        "LoadBalancers"
    ]
    return found


def _listeners(elbv2: Any, front: Said, group: str) -> int:
    """Count the listeners of a load balancer that forward to the group, by whatever rule."""
    arn, has_rules = front["LoadBalancerArn"], front.get("Type") == "application"
    listeners = _paged(elbv2.describe_listeners, "Listeners", LoadBalancerArn=arn)
    return sum(
        _forwards(listener.get("DefaultActions", []), group)
        or (has_rules and _rules_forward(elbv2, listener["ListenerArn"], group))
        for listener in listeners
    )


def _rules_forward(elbv2: Any, listener: str, group: str) -> bool:
    rules = _paged(elbv2.describe_rules, "Rules", ListenerArn=listener)
    return any(_forwards(rule.get("Actions", []), group) for rule in rules)


def _forwards(actions: Sequence[Said], group: str) -> bool:
    targets = (
        target.get("TargetGroupArn")
        for action in actions
        for target in (action, *action.get("ForwardConfig", {}).get("TargetGroups", []))
    )
    return group in targets


def _paged(ask: Callable[..., Any], answer: str, **arguments: str) -> Iterator[Said]:
    page = call(ask, **arguments)
    yield from page[answer]
    while marker := page.get("NextMarker"):
        page = call(ask, **arguments, Marker=marker)
        yield from page[answer]
