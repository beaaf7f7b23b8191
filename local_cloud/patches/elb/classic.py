"""Classic load balancers: what moto leaves out of their settings. Their members: `elb_members`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from moto.ec2.models import ec2_backends
from moto.elb.exceptions import ELBClientError, NoActiveLoadBalancerFoundError
from moto.elb.models import ELBBackend, FakeHealthCheck, FakeListener, LoadBalancer

from local_cloud.balancers import sync
from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


# Classic Load Balancers guide, "Configure connection draining": 300 seconds unless set.
DRAINING_SECONDS = 300
GIVEN_AS = {  # moto's names of the attributes and of its arguments
    "connection_draining": "connection_draining",
    "connection_settings": "connection_settings",
    "cross_zone_load_balancing": "cross_zone",
}
TARGET = re.compile(r"(TCP|SSL):\d{1,5}|(HTTP|HTTPS):\d{1,5}/.*", re.IGNORECASE)


# A load balancer answers at its DNS name; here that is an address of loopback. It always has
# a health check (Classic Load Balancers guide, "Health checks": TCP to the instance port of
# the first listener, 30/5/2/10; Terraform's provider crashes without), a draining timeout of
# 300 seconds that nothing uses until it is enabled, and its listeners the protocol they speak
# to instances (API Reference, data type Listener), for which moto gives the front's.
@patch(LoadBalancer, "__init__")
def make_balancer(
    context: Context, original: Callable[..., Any], balancer: Any, *arguments: Any, **named: Any
) -> None:
    """Make a load balancer as AWS does."""
    original(balancer, *arguments, **named)
    balancer.dns_name = sync.address(context.cloud.network)
    balancer.known = set()
    port = balancer.listeners[0].instance_port
    balancer.health_check = FakeHealthCheck("5", "10", "2", "30", f"TCP:{port}")
    balancer.attributes["connection_draining"] = {
        "enabled": False,
        "timeout": DRAINING_SECONDS,
    }
    speak(balancer, named.get("ports") or arguments[3])


@patch(FakeListener, "instance_protocol")
def instance_protocol(original: Callable[..., Any], listener: Any) -> Any:
    """Return the protocol that is spoken to instances."""
    return getattr(listener, "spoken", None) or original(listener)


# The enabled zones are those of the subnets (API Reference, CreateLoadBalancer); moto leaves
# them empty for a load balancer in subnets.
@patch(ELBBackend, "create_load_balancer")
def create_balancer(
    original: Callable[..., Any], backend: Any, *arguments: Any, **named: Any
) -> Any:
    """Enable the zones of the subnets."""
    balancer = original(backend, *arguments, **named)
    if not balancer.availability_zones:
        enable_zones_of_subnets(backend, balancer)
    return balancer


# Every call that names a load balancer which does not exist is answered LoadBalancerNotFound
# (API Reference); most of moto's fall over None and are answered 500.
@patch(ELBBackend, "get_load_balancer")
def get_balancer(original: Callable[..., Any], backend: Any, load_balancer_name: str) -> Any:
    """Refuse a name that nobody has."""
    balancer = original(backend, load_balancer_name)
    if balancer is None:
        raise NoActiveLoadBalancerFoundError(load_balancer_name)
    return balancer


@patch(ELBBackend, "create_load_balancer_listeners")
def add_listeners(
    original: Callable[..., Any], backend: Any, name: str, ports: list[dict[str, Any]]
) -> Any:
    """Add listeners to a load balancer that exists."""
    backend.get_load_balancer(name)
    balancer = original(backend, name, ports)
    speak(balancer, ports)
    return balancer


# DeleteLoadBalancerListeners deletes the listeners of all the ports; of several ports moto
# deletes none, and doubles what stays.
@patch(ELBBackend, "delete_load_balancer_listeners")
def delete_listeners(
    _original: Callable[..., Any], backend: Any, name: str, ports: list[str]
) -> Any:
    """Delete the listeners of some ports."""
    balancer = backend.get_load_balancer(name)
    gone = {int(port) for port in ports}
    balancer.listeners = [
        each for each in balancer.listeners if int(each.load_balancer_port) not in gone
    ]
    return balancer


@patch(ELBBackend, "set_load_balancer_listener_ssl_certificate")
def set_certificate(original: Callable[..., Any], backend: Any, name: str, *arguments: Any) -> Any:
    """Set the certificate of a listener of a load balancer that exists."""
    backend.get_load_balancer(name)
    return original(backend, name, *arguments)


# ConfigureHealthCheck: Target is PROTOCOL:PORT, for HTTP and HTTPS with a path, and the
# timeout is less than the interval (API Reference, data type HealthCheck).
@patch(FakeHealthCheck, "__init__")
def make_health_check(
    original: Callable[..., Any], check: Any, *arguments: Any, **named: Any
) -> None:
    """Refuse a check that cannot be made."""
    original(check, *arguments, **named)
    refuse_unmakeable(check)


# ModifyLoadBalancerAttributes changes what it is given and keeps the rest: with Enabled alone
# the draining timeout stays (Terraform's provider sends it so), which moto resets to 300; and
# moto adds the same attribute again with every call.
@patch(ELBBackend, "modify_load_balancer_attributes")
def modify_attributes(
    original: Callable[..., Any], backend: Any, load_balancer_name: str, **named: Any
) -> None:
    """Change attributes."""
    balancer = backend.get_load_balancer(load_balancer_name)
    kept = {
        name: balancer.attributes[name] | in_snake_case(named.get(given))
        for name, given in GIVEN_AS.items()
    }
    original(backend, load_balancer_name, **named)
    after = balancer.attributes
    after.update(kept)
    after["additional_attributes"] = list(dict(after["additional_attributes"]).items())


# A load balancer is in one subnet of each of its zones, and keeps at least one (API
# Reference, Enable- and DisableAvailabilityZones, Attach- and DetachLoadBalancer...Subnets).
@patch(ELBBackend, "enable_availability_zones_for_load_balancer")
def enable_zones(
    original: Callable[..., Any],
    backend: Any,
    load_balancer_name: str,
    availability_zones: list[str],
) -> Any:
    """Enable zones, each with its default subnet."""
    balancer = backend.get_load_balancer(load_balancer_name)
    defaults = ec2_of(backend).get_default_subnets()
    new = set(availability_zones) - set(balancer.availability_zones)
    balancer.subnets += [defaults[zone].id for zone in sorted(new) if zone in defaults]
    return original(backend, load_balancer_name, availability_zones)


@patch(ELBBackend, "disable_availability_zones_for_load_balancer")
def disable_zones(
    original: Callable[..., Any],
    backend: Any,
    load_balancer_name: str,
    availability_zones: list[str],
) -> Any:
    """Disable zones, but not the last."""
    balancer = backend.get_load_balancer(load_balancer_name)
    refuse_none(set(balancer.availability_zones) - set(availability_zones), "Availability Zone")
    zone_of = zones_of_subnets(backend, balancer)
    balancer.subnets = [
        each for each in balancer.subnets if zone_of.get(each) not in availability_zones
    ]
    return original(backend, load_balancer_name, availability_zones)


@patch(ELBBackend, "attach_load_balancer_to_subnets")
def attach_subnets(
    _original: Callable[..., Any],
    backend: Any,
    load_balancer_name: str,
    subnets: list[str],
) -> list[str]:
    """Add subnets, one of each zone."""
    balancer = backend.get_load_balancer(load_balancer_name)
    wanted = list(dict.fromkeys([*balancer.subnets, *subnets]))
    zones = [ec2_of(backend).get_subnet(subnet).availability_zone for subnet in wanted]
    if len(set(zones)) < len(zones):
        raise ELBClientError(
            "InvalidConfigurationRequest",
            "ELB cannot be attached to multiple subnets in the same AZ.",
        )
    balancer.subnets = wanted
    enable_zones_of_subnets(backend, balancer)
    return wanted


@patch(ELBBackend, "detach_load_balancer_from_subnets")
def detach_subnets(
    original: Callable[..., Any],
    backend: Any,
    load_balancer_name: str,
    subnets: list[str],
) -> Any:
    """Take subnets away, but not the last."""
    balancer = backend.get_load_balancer(load_balancer_name)
    refuse_none(set(balancer.subnets) - set(subnets), "subnet")
    left = original(backend, load_balancer_name, subnets)
    enable_zones_of_subnets(backend, balancer)
    return left


def refuse_unmakeable(check: Any) -> None:
    """Refuse a health check that nobody can make, in AWS's words."""
    protocol = check.target.partition(":")[0].upper()
    if not TARGET.fullmatch(check.target):
        where = "" if protocol in {"TCP", "SSL"} else " followed by a path that begins with a slash"
        raise ELBClientError(
            "ValidationError", f"HealthCheck {protocol} Target must specify a port{where}."
        )
    if int(check.timeout) >= int(check.interval):
        raise ELBClientError(
            "ValidationError", "HealthCheck Interval must be greater than Timeout."
        )


def in_snake_case(given: dict[str, Any] | None) -> dict[str, Any]:
    """Return attributes by the names moto has for them."""
    return {xform_name(name): value for name, value in (given or {}).items()}


def speak(balancer: Any, ports: list[dict[str, Any]]) -> None:
    """Note the protocol that each new listener speaks to instances."""
    spoken = {str(port.get("LoadBalancerPort")): port.get("InstanceProtocol") for port in ports}
    for listener in balancer.listeners:
        if protocol := spoken.get(str(listener.load_balancer_port)):
            listener.spoken = protocol.upper()


def ec2_of(backend: Any) -> Any:
    """Return the instances' side of an account and region."""
    return ec2_backends[backend.account_id][backend.region_name]


def zones_of_subnets(backend: Any, balancer: Any) -> dict[str, str]:
    """Return the zone of each subnet of a load balancer."""
    ec2 = ec2_of(backend)
    return {subnet: str(ec2.get_subnet(subnet).availability_zone) for subnet in balancer.subnets}


def enable_zones_of_subnets(backend: Any, balancer: Any) -> None:
    """Enable the zones that the load balancer's subnets are in, and no other."""
    balancer.availability_zones = sorted(set(zones_of_subnets(backend, balancer).values()))


def refuse_none(left: set[str], what: str) -> None:
    """Refuse to take the last one away."""
    if not left:
        raise ELBClientError(
            "InvalidConfigurationRequest", f"A load balancer must have at least one {what}."
        )
