"""Read what a pair for a running target group depends on, and create its missing parts.

Each call may be repeated: CreateTargetGroup returns the existing target group if name and settings
are the same (ELBv2 API Reference).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pipeline.adapters.aws.balancing.balancers import find_groups
from pipeline.adapters.aws.balancing.pairs import is_sticky, moved, shift, weights_of
from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import call, items
from pipeline.core import commands
from pipeline.core.adoption.pair_model import (
    PairPlan,
    Route,
    Surroundings,
    TargetGroup,
    second_name,
    tags_of_second,
)
from pipeline.core.adoption.pairing import other_of
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.health.pairs import ALL, percent

_SECURED = ("Protocol", "SslPolicy", "Certificates", "AlpnPolicy")
"""The settings of a listener that its test listener has, too."""


def read_surroundings(clients: Clients, region: str, name: str) -> Surroundings:
    """Return a target group, its load balancer's listeners and rules, and its second one.

    `name` may be an ARN. Raises RefusedError if there is no such target group.
    """
    with translate_errors(f"reading the target group {name}", region):
        elbv2 = clients.elbv2(region)
        found = find_groups(clients, region, [name])
        if name not in found:
            listing = commands.aws("elbv2", "describe-target-groups", {"region": region})
            what = f"does not exist in {region}"
            raise RefusedError(f"target group {name}", what, f"fix its name; see: {listing}")
        first = _read(elbv2, found[name])
        balancers = _balancers_of(elbv2, first)
        listeners = [
            listener
            for each in balancers
            for listener in items(
                elbv2.describe_listeners, "Listeners", LoadBalancerArn=each["LoadBalancerArn"]
            )
        ]
        kind = str(balancers[0].get("Type", "")) if balancers else ""
        routes = [
            route
            for each in listeners
            for route in _routes(elbv2, each, first.arn, has_rules=kind == "application")
        ]
        other = other_of(first.arn, routes) or second_name(first.name)
        second = find_groups(clients, region, [other]).get(other)
        return Surroundings(
            region=region,
            first=first,
            kind=kind,
            routes=tuple(routes),
            ports=frozenset(int(each["Port"]) for each in listeners if "Port" in each),
            second=_read(elbv2, second) if second else None,
        )


def _read(elbv2: Any, described: dict[str, Any]) -> TargetGroup:
    arn = described["TargetGroupArn"]
    listed = call(elbv2.describe_target_group_attributes, TargetGroupArn=arn)["Attributes"]
    [tagged] = call(elbv2.describe_tags, ResourceArns=[arn])["TagDescriptions"]
    targets = call(elbv2.describe_target_health, TargetGroupArn=arn)["TargetHealthDescriptions"]
    return TargetGroup(
        described=described,
        attributes={each["Key"]: each.get("Value", "") for each in listed},
        tags={each["Key"]: each.get("Value", "") for each in tagged["Tags"]},
        is_empty=not targets,
    )


def _balancers_of(elbv2: Any, group: TargetGroup) -> Sequence[dict[str, Any]]:
    """Return the target group's load balancers: at most one (API Reference, TargetGroup)."""
    if not (arns := group.described.get("LoadBalancerArns")):
        return []
    return list(items(elbv2.describe_load_balancers, "LoadBalancers", LoadBalancerArns=list(arns)))


def _routes(
    elbv2: Any, listener: dict[str, Any], first: str, *, has_rules: bool
) -> Iterator[Route]:
    """Yield a listener's default action and its rules; only application ones have rules."""
    arn = listener["ListenerArn"]
    yield _route(arn, listener.get("DefaultActions", []), listener, first)
    if has_rules:
        for rule in items(elbv2.describe_rules, "Rules", ListenerArn=arn):
            if not rule.get("IsDefault"):
                made = _route(rule["RuleArn"], rule.get("Actions", []), listener, first)
                yield replace(made, is_rule=True)


def _route(
    arn: str, actions: Sequence[dict[str, Any]], listener: dict[str, Any], first: str
) -> Route:
    return Route(
        arn=arn,
        weights=percent(weights_of(actions)),
        listener=listener,
        sticky=is_sticky(actions),
        alone=tuple(moved(each, {first: ALL}) for each in actions),
    )


def set_up(clients: Clients, plan: PairPlan) -> PairPlan:
    """Create what is missing, the forward action last of what traffic depends on; return the rest.

    The returned plan has nothing to do. Raises FailedError: nothing of what exists loses traffic,
    and the next call continues.
    """
    elbv2 = clients.elbv2(plan.region)
    made = not plan.is_done
    if plan.forwards:
        with translate_errors(f"creating the target group {plan.name}", plan.region, FailedError):
            plan = replace(plan, second=_second(elbv2, plan))
        assert plan.second is not None  # noqa: S101 - just created
        weights = {plan.first.arn: ALL, plan.second.arn: 0}
        shift(clients, plan.region, plan.route.arn, weights)
        plan = replace(plan, route=replace(plan.route, weights=weights))
    if plan.test_port:
        with translate_errors("creating the test listener", plan.region, FailedError):
            plan = replace(plan, test=_test_listener(elbv2, plan), test_port=0)
    return replace(plan, made=made)


def _second(elbv2: Any, plan: PairPlan) -> TargetGroup:
    """Create the second target group with the settings, attributes and tags of the first."""
    if plan.second is None:
        tags = tags_of_second(plan.first, plan.name)
        given = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        made = call(
            elbv2.create_target_group,
            Name=plan.name,
            **plan.first.settings,
            **(given if tags else {}),
        )
        plan = replace(plan, second=_read(elbv2, made["TargetGroups"][0]))
    assert plan.second is not None  # noqa: S101 - just created
    if changed := plan.attributes:
        call(
            elbv2.modify_target_group_attributes,
            TargetGroupArn=plan.second.arn,
            Attributes=[{"Key": key, "Value": value} for key, value in changed.items()],
        )
    return plan.second


def _test_listener(elbv2: Any, plan: PairPlan) -> str:
    """Create the listener that reaches the second target group; return its ARN."""
    assert plan.second is not None  # noqa: S101 - it exists by now
    listener = plan.route.listener
    groups = [
        {"TargetGroupArn": plan.first.arn, "Weight": 0},
        {"TargetGroupArn": plan.second.arn, "Weight": ALL},
    ]
    made = call(
        elbv2.create_listener,
        LoadBalancerArn=listener["LoadBalancerArn"],
        Port=plan.test_port,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        **{key: listener[key] for key in _SECURED if listener.get(key)},
    )
    return str(made["Listeners"][0]["ListenerArn"])
