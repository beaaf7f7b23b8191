"""Find the pairs of an environment, read their weights and set them.

A weight belongs to the forward action of a listener rule, or of a listener's default action. Both
have the same form; a network load balancer has only default actions (ELBv2 API Reference,
ForwardActionConfig).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.aws.balancing.balancers import find_groups
from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import call, error_code
from pipeline.core import commands
from pipeline.core.errors import FailedError, RefusedError
from pipeline.core.health.observation import Balancer
from pipeline.core.health.pairs import Pair, describe_weights, percent

_RULE = ":listener-rule/"
_ENCRYPTED = frozenset({"HTTPS", "TLS"})
_ABSENT = frozenset({"RuleNotFound", "ListenerNotFound", "ValidationError"})

Action = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairNames:
    """A pair as the configuration names it: ARNs of listeners or rules, names of target groups."""

    rule: str
    target_groups: tuple[str, str]
    test: str = ""


def find_pairs(clients: Clients, region: str, named: Sequence[PairNames]) -> tuple[Pair, ...]:
    """Return the pairs; raises RefusedError if a target group, a listener or a rule is missing."""
    if not named:
        return ()
    with translate_errors("finding the pairs of target groups", region):
        groups = find_groups(
            clients, region, [name for each in named for name in each.target_groups]
        )
        return tuple(_find(clients, region, each, groups) for each in named)


def _find(
    clients: Clients, region: str, named: PairNames, groups: Mapping[str, dict[str, Any]]
) -> Pair:
    first, second = (_target(region, name, groups) for name in named.target_groups)
    elbv2 = clients.elbv2(region)
    actions = _read(elbv2, named.rule, region)
    if named.test:
        _read(elbv2, named.test, region)
    weights = percent(weights_of(actions))
    live = max((first, second), key=lambda each: weights.get(each.identifier, 0))
    return Pair(
        rule=named.rule,
        targets=(first, second),
        live=live,
        test=named.test,
        sticky=is_sticky(actions),
    )


def _target(region: str, name: str, groups: Mapping[str, dict[str, Any]]) -> Balancer:
    if name not in groups:
        listing = commands.aws("elbv2", "describe-target-groups", {"region": region})
        what = f"there is no target group {name}"
        raise RefusedError("pairs of target groups", what, f"fix its name; list them: {listing}")
    found = groups[name]
    return Balancer(kind="elbv2", identifier=found["TargetGroupArn"], name=found["TargetGroupName"])


def _read(elbv2: Any, rule: str, region: str) -> list[Action]:
    """Return the actions of a listener or rule; raises RefusedError if it does not exist."""
    from botocore.exceptions import ClientError

    try:
        return actions_of(elbv2, rule)
    except ClientError as error:
        if error_code(error) not in _ABSENT:
            raise
        kind = "rule" if _RULE in rule else "listener"
        options = {"region": region, "load-balancer-arn": _balancer_of(rule)}
        listing = commands.aws("elbv2", "describe-listeners", options)
        what = f"there is no {kind} {rule}"
        raise RefusedError(
            "pairs of target groups", what, f"fix its ARN; see: {listing}"
        ) from error


def _balancer_of(rule: str) -> str:
    """Return the ARN of the load balancer in that of its listener or rule."""
    service, _, path = rule.partition(_RULE if _RULE in rule else ":listener/")
    return f"{service}:loadbalancer/{'/'.join(path.split('/')[:3])}"


def listener_url(clients: Clients, region: str, rule: str) -> str:
    """Return the URL of a listener, or of that of a rule: `http://web-1.elb.amazonaws.com:9000`.

    Its host is the DNS name of the load balancer (ELBv2 API Reference, LoadBalancer), which a
    certificate seldom names. Raises RefusedError.
    """
    with translate_errors("reading the test listener", region):
        elbv2 = clients.elbv2(region)
        arn = _listener_of(rule)
        [listener] = call(elbv2.describe_listeners, ListenerArns=[arn])["Listeners"]
        balancers = [listener["LoadBalancerArn"]]
        [found] = call(elbv2.describe_load_balancers, LoadBalancerArns=balancers)["LoadBalancers"]
    scheme = "https" if listener["Protocol"] in _ENCRYPTED else "http"
    return f"{scheme}://{found['DNSName']}:{listener['Port']}"


def _listener_of(rule: str) -> str:
    """Return the ARN of the listener in that of its rule; that of a listener as it is."""
    service, is_rule, path = rule.partition(_RULE)
    return f"{service}:listener/{'/'.join(path.split('/')[:4])}" if is_rule else rule


def weight_readers(
    clients: Clients, region: str, rules: Sequence[str]
) -> dict[str, Callable[[], Mapping[str, int]]]:
    """Return a reader of the weights of each listener or rule, by its ARN."""
    if not rules:
        return {}
    elbv2 = clients.elbv2(region)
    return {rule: weights_reader(elbv2, rule) for rule in rules}


def weights_reader(elbv2: Any, rule: str) -> Callable[[], Mapping[str, int]]:
    """Return a function that reads the percent of each target group; it makes one call."""
    return lambda: percent(weights_of(actions_of(elbv2, rule)))


def actions_of(elbv2: Any, rule: str) -> list[Action]:
    """Return the actions of a rule, or the default actions of a listener."""
    if _RULE in rule:
        [found] = call(elbv2.describe_rules, RuleArns=[rule])["Rules"]
        return list(found["Actions"])
    [found] = call(elbv2.describe_listeners, ListenerArns=[rule])["Listeners"]
    return list(found["DefaultActions"])


def is_sticky(actions: Sequence[Action]) -> bool:
    """Return True if a forward action keeps each client with its target group."""
    found = (each.get("ForwardConfig", {}) for each in actions)
    return any(each.get("TargetGroupStickinessConfig", {}).get("Enabled") for each in found)


def weights_of(actions: Sequence[Action]) -> dict[str, int]:
    """Return the weights of the forward action; one target group without a weight has them all."""
    forward = next((each for each in actions if each["Type"] == "forward"), {})
    groups = forward.get("ForwardConfig", {}).get("TargetGroups") or []
    if not groups and "TargetGroupArn" in forward:
        return {forward["TargetGroupArn"]: 1}
    return {each["TargetGroupArn"]: int(each.get("Weight", 1)) for each in groups}


def shift(clients: Clients, region: str, rule: str, weights: Mapping[str, int]) -> None:
    """Set the weights of a listener's or rule's target groups, and nothing else of its actions.

    May be repeated. Raises FailedError with AWS's message.
    """
    with translate_errors(f"moving traffic ({describe_weights(weights)})", region, FailedError):
        elbv2 = clients.elbv2(region)
        actions = [moved(each, weights) for each in actions_of(elbv2, rule)]
        if _RULE in rule:
            call(elbv2.modify_rule, RuleArn=rule, Actions=actions)
        else:
            call(elbv2.modify_listener, ListenerArn=rule, DefaultActions=actions)


def moved(action: Action, weights: Mapping[str, int]) -> Action:
    """Return an action as it must be sent: with these weights, and with its secret kept.

    AWS does not show the secret of an identity provider; `UseExistingClientSecret` keeps it (API
    Reference, AuthenticateOidcActionConfig).
    """
    if action["Type"] == "authenticate-oidc":
        config = {**action["AuthenticateOidcConfig"], "UseExistingClientSecret": True}
        return {**action, "AuthenticateOidcConfig": config}
    if action["Type"] != "forward":
        return action
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    config = {**action.get("ForwardConfig", {}), "TargetGroups": groups}
    kept = {key: value for key, value in action.items() if key != "TargetGroupArn"}
    return {**kept, "ForwardConfig": config}
