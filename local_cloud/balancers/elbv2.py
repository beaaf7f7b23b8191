"""Read application and network load balancers into the types of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from local_cloud.balancers import registered, rules
from local_cloud.traffic.plan import Balancer, Check, Kind, Listener, Member, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.behaviors import Answers

KINDS: dict[str, Kind] = {"application": "application", "network": "network"}
# UDP is not carried; of TCP_UDP, TCP is.
PROTOCOLS: dict[str, Literal["HTTP", "HTTPS", "TCP", "TLS"]] = {
    "HTTP": "HTTP",
    "HTTPS": "HTTPS",
    "TCP": "TCP",
    "TLS": "TLS",
    "TCP_UDP": "TCP",
}
CHECKS: dict[str | None, Literal["HTTP", "HTTPS", "TCP"]] = {"HTTP": "HTTP", "HTTPS": "HTTPS"}
BY_COOKIE = "lb_cookie"
TERMINATION = "deregistration_delay.connection_termination.enabled"
# ELBv2's defaults, which moto does not store (data types TargetGroupAttribute and
# LoadBalancerAttribute; "TCP idle timeout" in the guide of Network Load Balancers).
COOKIE_SECONDS = 86400
IDLE_SECONDS = 60
TCP_IDLE_SECONDS = 350


def balancers(backend: Any) -> Iterator[Balancer]:
    """Yield the load balancers of a region that are active."""
    for balancer in carrying(backend):
        yield Balancer(
            key=balancer.arn,
            name=balancer.name,
            kind=KINDS[balancer.type],
            address=balancer.dns_name,
            listeners=tuple(listeners(balancer)),
            idle=idle(balancer),
        )


def carrying(backend: Any) -> list[Any]:
    """Return the load balancers that take requests: not those provisioning, not gateways."""
    return [b for b in backend.load_balancers.values() if b.ready and b.type in KINDS]


def listeners(balancer: Any) -> Iterator[Listener]:
    """Yield the listeners that are carried."""
    for listener in balancer.listeners.values():
        if listener.protocol in PROTOCOLS:
            yield Listener(
                port=int(listener.port),
                protocol=PROTOCOLS[listener.protocol],
                default=rules.action(listener.default_actions),
                rules=rules.rules(listener),
            )


def idle(balancer: Any) -> float:
    """Return the idle timeout; a network load balancer has one for each listener."""
    if balancer.type == "application":
        return float(balancer.attrs.get("idle_timeout.timeout_seconds", IDLE_SECONDS))
    of_listeners = (each.attributes for each in balancer.listeners.values())
    seconds = [float(each["tcp.idle_timeout.seconds"]) for each in of_listeners]
    return max(seconds, default=float(TCP_IDLE_SECONDS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Makes the pools of a region."""

    backend: Any
    instances: dict[str, Any]
    answers: Callable[[str], Answers]

    def pools(self) -> Iterator[Pool]:
        """Yield the target groups."""
        for group in self.backend.target_groups.values():
            users = using(carrying(self.backend), group.arn)
            present = tuple(self.members(group))
            of_network = kind(group, users) == "network"
            yield Pool(
                key=group.arn,
                kind=kind(group, users),
                cuts=not of_network or rules.truth(group.attributes.get(TERMINATION, "false")),
                check=check(group),
                members=present,
                delay=float(group.attributes["deregistration_delay.timeout_seconds"]),
                zones=zones(users, present),
                cross_zone=cross_zone(group, users),
                sticky=sticky(group),
            )

    def members(self, group: Any) -> Iterator[Member]:
        """Yield the registered targets; Lambda functions and load balancers are not carried."""
        for target in group.targets.values():
            port = int(target.get("Port") or group.port or 0)
            if group.target_type == "ip":
                yield registered.of_address(self.backend.ec2_backend, group.vpc_id, target, port)
            elif group.target_type == "instance" and target["Id"] in self.instances:
                yield registered.of_instance(self.instances[target["Id"]], port, self.answers)


def using(balancers: list[Any], arn: str) -> list[Any]:
    """Return the load balancers whose listeners or rules name a target group."""
    return [
        balancer
        for balancer in balancers
        if any(arn in rules.target_groups(each) for each in balancer.listeners.values())
    ]


def kind(group: Any, users: list[Any]) -> Kind:
    """Return the kind of the load balancer in front, or the kind that fits the protocol."""
    for balancer in users:
        return KINDS[balancer.type]
    return "application" if group.protocol in {"HTTP", "HTTPS"} else "network"


def zones(users: list[Any], present: tuple[Member, ...]) -> frozenset[str]:
    """Return the enabled zones; an address outside the VPC is in every one of them."""
    enabled = {subnet.availability_zone for balancer in users for subnet in balancer.subnets}
    if enabled and any(member.zone == registered.EVERY_ZONE for member in present):
        enabled.add(registered.EVERY_ZONE)
    return frozenset(enabled)


def cross_zone(group: Any, users: list[Any]) -> bool:
    """Return True if members of other zones get requests; the group's own setting wins."""
    own = str(group.attributes["load_balancing.cross_zone.enabled"])
    if own in {"true", "false"}:
        return rules.truth(own)
    return all(rules.truth(b.attrs["load_balancing.cross_zone.enabled"]) for b in users)


def check(group: Any) -> Check:
    """Return the health check of a target group."""
    port = group.health_check_port
    matcher = getattr(group, "matcher", None) or {}
    return Check(
        protocol=CHECKS.get(group.health_check_protocol, "TCP"),
        port=0 if port in {None, "traffic-port"} else int(port),
        path=group.health_check_path or "/",
        matcher=matcher.get("HttpCode") or "200",
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        rise=int(group.healthy_threshold_count),
        fall=int(group.unhealthy_threshold_count),
        enabled=rules.truth(group.health_check_enabled),
    )


def sticky(group: Any) -> float | None:
    """Return how long the load balancer's own cookie keeps a client with a target."""
    attributes = group.attributes
    if not rules.truth(attributes["stickiness.enabled"]):
        return None
    if attributes.get("stickiness.type") != BY_COOKIE:
        return None  # an application's cookie and a client's address are not supported
    return float(attributes.get("stickiness.lb_cookie.duration_seconds", COOKIE_SECONDS))
