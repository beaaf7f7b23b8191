"""Plan a pair for a target group that a listener or a rule forwards to already.

What exists already is part of the plan, so the same plan continues a setup that was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.core import commands
from pipeline.core.adoption.pair_model import PairPlan, Route, Surroundings, second_name
from pipeline.core.errors import RefusedError

STICKY: Final = "stickiness.enabled"


def other_of(first: str, routes: Sequence[Route]) -> str:
    """Return the ARN of the target group beside the first in a forward action; empty for none."""
    others = (arn for each in routes if first in each.weights for arn in each.weights)
    return next((arn for arn in others if arn != first), "")


def plan_pair(found: Surroundings, test_port: int = 0) -> PairPlan:
    """Return the plan; raises RefusedError if the target group cannot be part of a pair."""
    for what, remedy in _obstacles(found):
        raise _refused(found, what, remedy)
    route = _route(found)
    name = found.second.name if found.second else second_name(found.first.name)
    for what, remedy in (*_of_route(found, route), *_of_second(found, route)):
        raise _refused(found, what, remedy)
    test = _test_of(found, route)
    if test_port and not test and test_port in found.ports:
        what = f"its load balancer has a listener at port {test_port}"
        raise _refused(found, what, "choose another --test-port")
    return PairPlan(
        region=found.region,
        first=found.first,
        name=name,
        second=found.second,
        route=route,
        test=test,
        test_port=0 if test else test_port,
    )


def _refused(found: Surroundings, what: str, remedy: str) -> RefusedError:
    return RefusedError(f"target group {found.first.name}", what, remedy)


Problems = Iterator[tuple[str, str]]


def _obstacles(found: Surroundings) -> Problems:
    """Yield what keeps this target group from being one of a pair, and what to do."""
    target_type = found.first.described.get("TargetType", "instance")
    if target_type != "instance":
        what = f"has targets of type {target_type}, but the targets of a release are instances"
        yield what, "name a target group of instances in target_groups"
    if found.kind not in {"application", "network", ""}:
        what = f"is behind a {found.kind} load balancer, which has no weights"
        yield what, f"use another strategy: {commands.docs('strategies')}"
    if found.first.attributes.get(STICKY) == "true" and found.kind == "application":
        # AWS says that group stickiness must then be enabled first, as a report quotes it
        # (kubernetes-sigs/aws-load-balancer-controller, issue 2734).
        options = {
            "region": found.region,
            "target-group-arn": found.first.arn,
            "attributes": f"Key={STICKY},Value=false",
        }
        off = commands.aws("elbv2", "modify-target-group-attributes", options)
        what = (
            f"keeps each client with its target ({STICKY}): AWS then requires the same of a "
            "forward action with two target groups, which would keep clients with an old release"
        )
        yield what, f"turn it off: {off}"


def _route(found: Surroundings) -> Route:
    """Return the only listener or rule that sends requests to the target group."""
    routes = [each for each in found.routes if each.weights.get(found.first.arn)]
    if not routes:
        options = {"region": found.region, "load-balancer-arn": "ARN"}
        listing = commands.aws("elbv2", "describe-listeners", options)
        raise _refused(found, "no listener or rule forwards to it", f"see: {listing}")
    if len(routes) > 1:
        listed = "\n".join(each.words for each in routes)
        raise _refused(
            found,
            f"{len(routes)} listeners or rules forward to it, and a pair has one\n{listed}",
            "let the others redirect to one, or set the pairs up by hand: "
            + commands.docs("strategies"),
        )
    return routes[0]


def _of_route(found: Surroundings, route: Route) -> Problems:
    others = {arn: part for arn, part in route.weights.items() if arn != found.first.arn}
    if len(others) > 1 or any(others.values()):
        shown = ", ".join(f"{arn} {part} %" for arn, part in others.items())
        yield f"the {route.words} also forwards to {shown}", "remove it from the forward action"
    if route.sticky:
        what = f"the {route.words} keeps each client with its target group (stickiness)"
        yield what, "turn it off in the forward action: TargetGroupStickinessConfig Enabled=false"


def _of_second(found: Surroundings, route: Route) -> Problems:
    """Yield why the second target group, which exists, cannot be the other one of the pair."""
    second = found.second
    if second is None or second.arn in route.weights:
        return
    here, there = found.first.settings, second.settings
    differs = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    if differs:
        lines = (f"{key}: {here.get(key)}, {second.name}: {there.get(key)}" for key in differs)
        what = f"{second.name} exists and has other settings\n" + "\n".join(lines)
        yield what, f"make them the same, or rename or delete {second.name}"
    if not second.is_empty or second.described.get("LoadBalancerArns"):
        what = f"{second.name}, the name of the second target group, is in use by something else"
        yield what, f"forward to both by hand, as this page says: {commands.docs('strategies')}"


def _test_of(found: Surroundings, route: Route) -> str:
    """Return the listener or rule through which the second target group is reached alone."""
    if found.second is None:
        return ""
    first, second = found.first.arn, found.second.arn
    return next(
        (
            each.arn
            for each in found.routes
            if each.arn != route.arn and each.weights.get(second) and not each.weights.get(first)
        ),
        "",
    )
