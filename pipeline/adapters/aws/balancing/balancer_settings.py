"""Read the settings of load balancers for preflight: listeners, zones, delays.

A deployment polls `balancers`; this module takes several calls for each target group and runs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipeline.adapters.aws.balancing.balancers import Descriptions, find_classic, find_groups
from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import call, items
from pipeline.core.health.observation import Balancer
from pipeline.core.preflight.facts import BalancerFacts

DELAY = "deregistration_delay.timeout_seconds"
SLOW_START = "slow_start.duration_seconds"
DEFAULTS = {DELAY: 300.0, SLOW_START: 0.0}
"""Seconds that AWS sets on a new target group (API Reference, TargetGroupAttribute)."""

Described = Mapping[str, Any]


def describe(
    clients: Clients,
    region: str,
    balancers: Sequence[Balancer],
    known: Descriptions = MappingProxyType({}),
) -> tuple[BalancerFacts, ...]:
    """Return the settings of these balancers, in their order; raises RefusedError.

    `known` is how AWS described some of them a moment ago.
    """
    unknown = [each for each in balancers if each.identifier not in known]
    with translate_errors("reading the load balancers", region):
        read = find_classic(clients, region, _identifiers(unknown, "elb"))
        of = _identifiers(balancers, "elb")
        classic = {name: each for name, each in {**known, **read}.items() if name in of}
        groups = {**known, **find_groups(clients, region, _identifiers(unknown, "elbv2"))}
        return tuple(
            _classic_facts(clients.elb(region), each, classic[each.identifier])
            if each.identifier in classic
            else _group_facts(clients.elbv2(region), each, groups[each.identifier])
            if each.identifier in groups
            else _absent(each)
            for each in balancers
        )


def _identifiers(balancers: Sequence[Balancer], kind: str) -> list[str]:
    return [each.identifier for each in balancers if each.kind == kind]


def _absent(balancer: Balancer) -> BalancerFacts:
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


def _classic_facts(elb: Any, balancer: Balancer, described: Described) -> BalancerFacts:
    attributes = call(elb.describe_load_balancer_attributes, LoadBalancerName=balancer.identifier)
    draining = attributes.get("LoadBalancerAttributes", {}).get("ConnectionDraining", {})
    check = described.get("HealthCheck", {})
    return BalancerFacts(
        balancer=balancer,
        exists=True,
        listeners=len(described.get("ListenerDescriptions", [])),
        zones=frozenset(described.get("AvailabilityZones", [])),
        vpc=described.get("VPCId", ""),
        drain_seconds=float(draining.get("Timeout") or 0) if draining.get("Enabled") else 0.0,
        check_seconds=float(check.get("Interval", 0) * check.get("HealthyThreshold", 0)),
        slow_start=0.0,
        target_type="instance",
    )


def _group_facts(elbv2: Any, balancer: Balancer, described: Described) -> BalancerFacts:
    arn = balancer.identifier
    listed = call(elbv2.describe_target_group_attributes, TargetGroupArn=arn)["Attributes"]
    attributes = {each["Key"]: each.get("Value", "") for each in listed}
    balancers = _balancers_of(elbv2, described.get("LoadBalancerArns", []))
    interval, passes = (
        described.get("HealthCheckIntervalSeconds"),
        described.get("HealthyThresholdCount"),
    )
    return BalancerFacts(
        balancer=balancer,
        exists=True,
        listeners=sum(_count_listeners(elbv2, each, arn) for each in balancers),
        zones=frozenset(
            zone["ZoneName"] for each in balancers for zone in each.get("AvailabilityZones", [])
        ),
        vpc=described.get("VpcId", ""),
        drain_seconds=_seconds(attributes, DELAY),
        check_seconds=float((interval or 0) * (passes or 0)),
        slow_start=_seconds(attributes, SLOW_START),
        target_type=described.get("TargetType", ""),
    )


def _seconds(attributes: Mapping[str, str], key: str) -> float:
    """Return an attribute's seconds: 0 without it, AWS's default if its text is no number."""
    text = attributes.get(key) or "0"
    return float(text) if text.isdecimal() else DEFAULTS[key]


def _balancers_of(elbv2: Any, arns: Sequence[str]) -> list[Described]:
    """Return a target group's load balancers: at most one (API Reference, TargetGroup)."""
    if not arns:
        return []
    return list(items(elbv2.describe_load_balancers, "LoadBalancers", LoadBalancerArns=list(arns)))


def _count_listeners(elbv2: Any, balancer: Described, group: str) -> int:
    """Return how many listeners forward to the group, by their default action or by a rule."""
    arn, has_rules = balancer["LoadBalancerArn"], balancer.get("Type") == "application"
    listeners = items(elbv2.describe_listeners, "Listeners", LoadBalancerArn=arn)
    return sum(
        _forwards(listener.get("DefaultActions", []), group)
        or (has_rules and _rules_forward(elbv2, listener["ListenerArn"], group))
        for listener in listeners
    )


def _rules_forward(elbv2: Any, listener: str, group: str) -> bool:
    rules = items(elbv2.describe_rules, "Rules", ListenerArn=listener)
    return any(_forwards(rule.get("Actions", []), group) for rule in rules)


def _forwards(actions: Sequence[Described], group: str) -> bool:
    targets = (
        target.get("TargetGroupArn")
        for action in actions
        for target in (action, *action.get("ForwardConfig", {}).get("TargetGroups", []))
    )
    return group in targets
