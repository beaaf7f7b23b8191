"""Patch the settings of classic load balancers; `classic_members` patches their instances."""

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


# A load balancer answers at its DNS name, here an address of loopback. It always has a health check
# (Classic Load Balancers guide, "Health checks": TCP to the instance port of the first listener,
# 30/5/2/10; Terraform's provider crashes without one) and a draining timeout of 300 seconds, which
# takes effect when draining is enabled. Its listeners have an instance protocol (API Reference,
# data type Listener), for which moto shows the front-end protocol.
@patch(LoadBalancer, "__init__")
def make_balancer(
    context: Context, original: Callable[..., Any], balancer: Any, *arguments: Any, **named: Any
) -> None:
    """Make a load balancer with AWS's defaults."""
    original(balancer, *arguments, **named)
    balancer.dns_name = sync.address(context.cloud.network)
    balancer.known = set()
    port = balancer.listeners[0].instance_port
    balancer.health_check = FakeHealthCheck("5", "10", "2", "30", f"TCP:{port}")
    balancer.attributes["connection_draining"] = {
        "enabled": False,
        "timeout": DRAINING_SECONDS,
    }
    set_instance_protocols(balancer, named.get("ports") or arguments[3])


@patch(FakeListener, "instance_protocol")
def instance_protocol(original: Callable[..., Any], listener: Any) -> Any:
    """Return the instance protocol."""
    return getattr(listener, "own_instance_protocol", None) or original(listener)


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


# Every call that names a load balancer that does not exist is answered LoadBalancerNotFound
# (API Reference); most of moto's fail on None and are answered 500.
@patch(ELBBackend, "get_load_balancer")
def get_balancer(original: Callable[..., Any], backend: Any, load_balancer_name: str) -> Any:
    """Return a load balancer, or refuse a name that does not exist."""
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
    set_instance_protocols(balancer, ports)
    return balancer


# DeleteLoadBalancerListeners deletes the listeners of all the ports; of several ports moto
# deletes none and duplicates the others.
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
    """Make a health check, or refuse invalid settings."""
    original(check, *arguments, **named)
    refuse_invalid_check(check)


# ModifyLoadBalancerAttributes changes the given attributes and keeps the rest. With Enabled alone
# the draining timeout stays (Terraform's provider sends it so); moto resets it to 300. moto also
# adds the same attribute again with every call.
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
    """Remove subnets, but not the last."""
    balancer = backend.get_load_balancer(load_balancer_name)
    refuse_none(set(balancer.subnets) - set(subnets), "subnet")
    left = original(backend, load_balancer_name, subnets)
    enable_zones_of_subnets(backend, balancer)
    return left


def refuse_invalid_check(check: Any) -> None:
    """Refuse invalid settings of a health check, in AWS's words."""
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
    """Return attributes by moto's names."""
    return {xform_name(name): value for name, value in (given or {}).items()}


def set_instance_protocols(balancer: Any, ports: list[dict[str, Any]]) -> None:
    """Set the instance protocol of each new listener."""
    protocols = {str(port.get("LoadBalancerPort")): port.get("InstanceProtocol") for port in ports}
    for listener in balancer.listeners:
        if protocol := protocols.get(str(listener.load_balancer_port)):
            listener.own_instance_protocol = protocol.upper()


def ec2_of(backend: Any) -> Any:
    """Return the EC2 backend of an account and region."""
    return ec2_backends[backend.account_id][backend.region_name]


def zones_of_subnets(backend: Any, balancer: Any) -> dict[str, str]:
    """Return the zone of each subnet of a load balancer."""
    ec2 = ec2_of(backend)
    return {subnet: str(ec2.get_subnet(subnet).availability_zone) for subnet in balancer.subnets}


def enable_zones_of_subnets(backend: Any, balancer: Any) -> None:
    """Enable exactly the zones of the load balancer's subnets."""
    balancer.availability_zones = sorted(set(zones_of_subnets(backend, balancer).values()))


def refuse_none(left: set[str], what: str) -> None:
    """Refuse to remove the last one."""
    if not left:
        raise ELBClientError(
            "InvalidConfigurationRequest", f"A load balancer must have at least one {what}."
        )
