"""Read classic load balancers into the types of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from local_cloud.balancers import registered
from local_cloud.traffic.plan import Balancer, Check, Forward, Listener, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.behaviors import Answers

PROTOCOLS: dict[str, Literal["HTTP", "HTTPS", "TCP", "SSL"]] = {
    "HTTP": "HTTP",
    "HTTPS": "HTTPS",
    "TCP": "TCP",
    "SSL": "SSL",
}
# An SSL check is a handshake (Classic Load Balancers guide, "Health checks"); here a connection.
CHECKS: dict[str, Literal["HTTP", "HTTPS", "TCP"]] = {
    "HTTP": "HTTP",
    "HTTPS": "HTTPS",
    "TCP": "TCP",
    "SSL": "TCP",
}
SESSION_SECONDS = 604800.0  # a cookie without expiry lives as long as the client; here a week


def key(backend: Any, name: str) -> str:
    """Return the key of a load balancer and its pool."""
    return f"elb:{backend.account_id}:{backend.region_name}:{name}"


def balancers(backend: Any) -> Iterator[Balancer]:
    """Yield the load balancers of a region."""
    for balancer in backend.load_balancers.values():
        yield Balancer(
            key=key(backend, balancer.name),
            name=balancer.name,
            kind="classic",
            address=balancer.dns_name,
            listeners=tuple(listeners(balancer, key(backend, balancer.name))),
            idle=float(balancer.attributes["connection_settings"]["idle_timeout"]),
        )


def listeners(balancer: Any, pool: str) -> Iterator[Listener]:
    """Yield the listeners; each has its own instance port."""
    for listener in balancer.listeners:
        yield Listener(
            port=int(listener.load_balancer_port),
            protocol=PROTOCOLS[listener.protocol],
            default=Forward(pools=((pool, 1),)),
            member_port=int(listener.instance_port),
        )


def pools(
    backend: Any, instances: dict[str, Any], answers: Callable[[str], Answers]
) -> Iterator[Pool]:
    """Yield the instances of each load balancer of a region."""
    for balancer in backend.load_balancers.values():
        present = [instances[id_] for id_ in balancer.instance_ids if id_ in instances]
        draining = balancer.attributes["connection_draining"]
        yield Pool(
            key=key(backend, balancer.name),
            kind="classic",
            check=check(balancer.health_check),
            members=tuple(registered.of_instance(each, 0, answers) for each in present),
            delay=float(draining["timeout"]) if draining["enabled"] else 0.0,
            zones=frozenset(balancer.availability_zones),
            cross_zone=bool(balancer.attributes["cross_zone_load_balancing"]["enabled"]),
            sticky=sticky(balancer),
        )


def check(configured: Any) -> Check:
    """Return a health check, from a target such as HTTP:80/ping or TCP:80."""
    protocol, _, where = configured.target.partition(":")
    port, slash, path = where.partition("/")
    return Check(
        protocol=CHECKS[protocol.upper()],
        port=int(port),
        path=slash + path or "/",
        interval=float(configured.interval),
        timeout=float(configured.timeout),
        rise=int(configured.healthy_threshold),
        fall=int(configured.unhealthy_threshold),
    )


def sticky(balancer: Any) -> float | None:
    """Return how long the load balancer's own cookie keeps a client with an instance."""
    used = {name for listener in balancer.listeners for name in listener.policy_names}
    for policy in balancer.policies:
        if policy.policy_name in used and policy.policy_type_name == "LbCookieStickinessPolicy":
            return float(policy.cookie_expiration_period or SESSION_SECONDS)
    return None
