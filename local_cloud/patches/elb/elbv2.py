"""Patch application and network load balancers, their listeners and rules.

`elbv2_targets` patches target groups and targets.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from moto.elbv2.exceptions import DuplicateListenerError, ELBClientError, ListenerNotFoundError
from moto.elbv2.models import ELBv2Backend, FakeListener, FakeLoadBalancer

from local_cloud.balancers import rules, sync
from local_cloud.patches.context import Context
from local_cloud.patches.elb.actions import refuse_actions
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


PROTECTION = "deletion_protection.enabled"
CROSS_ZONE = "load_balancing.cross_zone.enabled"
OF_NETWORK = {"TCP", "TLS", "UDP", "TCP_UDP"}


# A load balancer answers at its DNS name, here an address of loopback, once its state is
# `active`; until then it is `provisioning` (API Reference, data type LoadBalancerState) for a
# few minutes, while moto's is active at the next call. By default it is internet-facing, and
# cross-zone load balancing is on for an application load balancer (data types LoadBalancer,
# LoadBalancerAttribute); moto sets neither.
@patch(FakeLoadBalancer, "__init__")
def make_balancer(
    context: Context, original: Callable[..., Any], balancer: Any, *arguments: Any, **named: Any
) -> None:
    """Make a load balancer, which is not active at once."""
    original(balancer, *arguments, **named)
    balancer.dns_name = sync.address(context.cloud.network)
    balancer.scheme = balancer.scheme or "internet-facing"
    if balancer.type == "application":
        balancer.attrs[CROSS_ZONE] = "true"
    seconds = context.cloud.host.clock.delays.balancer
    balancer.ready = not context.cloud.takes_time(seconds)
    if not balancer.ready:
        context.cloud.later(seconds, lambda: activate_later(context, balancer))


def activate_later(context: Context, balancer: Any) -> None:
    """Set a load balancer active."""
    with context.lock:
        balancer.ready = True
        balancer.activate()
        context.cloud.changed()


@patch(FakeLoadBalancer, "activate")
def activate(original: Callable[..., Any], balancer: Any) -> None:
    """Set a load balancer active if it is ready."""
    if balancer.ready:
        original(balancer)


# Rules are evaluated, and described, in the order of their priority, the default last (guide,
# "Listener rules"); moto's are in the order they were made.
@patch(FakeListener, "rules")
def sorted_rules(original: Callable[..., Any], listener: Any) -> dict[Any, Any]:
    """Return the rules in order."""
    found = original(listener).items()
    return dict(sorted(found, key=lambda item: (item[1].is_default, priority(item[1].priority))))


# CreateLoadBalancer is idempotent: with the same settings it returns the existing one, with
# others it is answered DuplicateLoadBalancerName (API Reference); moto makes a second one.
# A subnet is the only one of its zone, and an application load balancer has two (API
# Reference, Subnets: "you must specify subnets from at least two Availability Zones").
@patch(ELBv2Backend, "create_load_balancer")
def create_balancer(
    original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Return the load balancer of this name, or make it."""
    given = bound(original, backend, arguments, named)
    name = given["name"]
    for existing in backend.load_balancers.values():
        if existing.name == name:
            if is_same(existing, given):
                return existing
            raise ELBClientError(
                "DuplicateLoadBalancerName",
                f"A load balancer with the same name '{name}' exists, but with different settings",
            )
    refuse_zones(backend, given)
    made = original(backend, *arguments, **named)
    if made.type == "network":
        rename_network(backend, made)
    return made


def rename_network(backend: Any, balancer: Any) -> None:
    """Give a network load balancer its ARN: `net/NAME/ID`, and `app/` is an application's.

    Listeners and CloudWatch metrics are named after it (guide, "CloudWatch metrics for your Network
    Load Balancer"); every ARN of moto is that of an application load balancer.
    """
    old = balancer.arn
    balancer.arn = old.replace(":loadbalancer/app/", ":loadbalancer/net/")
    backend.load_balancers[balancer.arn] = backend.load_balancers.pop(old)
    backend.tagging_service.copy_tags(old, balancer.arn)
    backend.tagging_service.delete_all_tags_for_resource(old)


# DeleteLoadBalancer is refused while deletion protection is on (guide, "Deletion protection").
@patch(ELBv2Backend, "delete_load_balancer")
def delete_balancer(original: Callable[..., Any], backend: Any, arn: str) -> None:
    """Delete a load balancer that is not protected."""
    balancer = backend.load_balancers.get(arn)
    if balancer and rules.truth(balancer.attrs.get(PROTECTION)):
        raise ELBClientError(
            "OperationNotPermitted",
            f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
        )
    original(backend, arn)


# A port has one listener (DuplicateListener), and its actions must fit it (`actions`); moto checks
# neither.
@patch(ELBv2Backend, "create_listener")
def create_listener(
    original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Make a listener, or refuse a used port or an action that does not fit."""
    given = bound(original, backend, arguments, named)
    balancer = backend.load_balancers.get(given["load_balancer_arn"])
    refuse_taken(balancer, given["port"])
    refuse_actions(backend, balancer, given["protocol"], given["actions"])
    return original(backend, *arguments, **named)


# ModifyListener accepts TLS and TCP_UDP (API Reference); moto refuses them.
@patch(ELBv2Backend, "modify_listener")
def modify_listener(
    original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Change a listener."""
    given = bound(original, backend, arguments, named)
    (listener,) = backend.describe_listeners(None, [given["arn"]])
    balancer = backend.load_balancers[listener.load_balancer_arn]
    refuse_taken(balancer, given["port"], except_for=listener)
    protocol = given["protocol"]
    refuse_actions(backend, balancer, protocol or listener.protocol, given["actions"] or [])
    if protocol in OF_NETWORK:
        given["protocol"] = None
    changed = original(backend, **given)
    changed.protocol = protocol if protocol in OF_NETWORK else changed.protocol
    return changed


@patch(ELBv2Backend, "create_rule")
def create_rule(original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any) -> Any:
    """Make a rule, or refuse an action that does not fit."""
    given = bound(original, backend, arguments, named)
    for listener in backend.describe_listeners(None, [given["listener_arn"]]):
        balancer = backend.load_balancers[listener.load_balancer_arn]
        refuse_actions(backend, balancer, listener.protocol, given["actions"])
    return original(backend, *arguments, **named)


# ModifyRule refuses the default rule, whose actions ModifyListener changes
# (FeLvi-zzz/tentez#32); moto changes it.
@patch(ELBv2Backend, "modify_rule")
def modify_rule(original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any) -> Any:
    """Change a rule, or refuse the default rule or an action that does not fit."""
    given = bound(original, backend, arguments, named)
    for balancer in backend.load_balancers.values():
        for listener in balancer.listeners.values():
            if given["rule_arn"] in {each.arn for each in listener.rules.values()}:
                refuse_default(listener, given["rule_arn"])
                refuse_actions(backend, balancer, listener.protocol, given["actions"])
    return original(backend, *arguments, **named)


# DescribeListeners refuses ARNs of which one is unknown; moto leaves it out.
@patch(ELBv2Backend, "describe_listeners")
def describe_listeners(
    original: Callable[..., Any],
    backend: Any,
    load_balancer_arn: str | None,
    listener_arns: list[str],
) -> list[Any]:
    """Return the listeners of a load balancer or of some ARNs."""
    found = original(backend, load_balancer_arn, listener_arns)
    if not load_balancer_arn and len(found) < len(set(listener_arns)):
        raise ListenerNotFoundError
    return list(found)


def bound(
    original: Callable[..., Any], backend: Any, arguments: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call by name, positional ones included."""
    call = inspect.signature(original).bind(backend, *arguments, **named)
    call.apply_defaults()
    return {name: value for name, value in call.arguments.items() if name != "self"}


def priority(given: Any) -> int:
    """Return a priority as a number; 0 for the default rule."""
    return int(given) if str(given).isdigit() else 0


def subnets_of(given: dict[str, Any]) -> list[str]:
    """Return the subnets that a call names, in either form."""
    mapped = [mapping["SubnetId"] for mapping in given["subnet_mappings"] or []]
    return [*(given["subnet_ids"] or []), *mapped]


def refuse_zones(backend: Any, given: dict[str, Any]) -> None:
    """Refuse several subnets of one zone, and one zone for an application load balancer."""
    zone_of = {
        subnet.id: subnet.availability_zone for subnet in backend.ec2_backend.describe_subnets()
    }
    zones = [zone_of[subnet] for subnet in subnets_of(given) if subnet in zone_of]
    if len(set(zones)) < len(zones):
        raise ELBClientError(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )
    if len(zones) == 1 and given["loadbalancer_type"] in {None, "application"}:
        raise ELBClientError(
            "ValidationError",
            "At least two subnets in two different Availability Zones must be specified",
        )


def is_same(balancer: Any, given: dict[str, Any]) -> bool:
    """Return True if a load balancer has the requested settings."""
    requested = (
        given["loadbalancer_type"] or "application",
        given["scheme"] or "internet-facing",
        set(subnets_of(given)),
        set(given["security_groups"] or []),
    )
    subnets = {subnet.id for subnet in balancer.subnets}
    has = (balancer.type, balancer.scheme, subnets, set(balancer.security_groups or []))
    return requested == has


def refuse_default(listener: Any, arn: str) -> None:
    """Refuse a change of the default rule."""
    if any(rule.is_default and rule.arn == arn for rule in listener.rules.values()):
        raise ELBClientError("OperationNotPermitted", f"Default rule '{arn}' cannot be modified")


def refuse_taken(balancer: Any, port: Any, except_for: Any = None) -> None:
    """Refuse a port that another listener of the load balancer has."""
    others = balancer.listeners.values() if balancer else ()
    if any(str(each.port) == str(port) for each in others if each is not except_for):
        raise DuplicateListenerError
