"""What the load balancers are to do: a picture of the API's models in our own words.

The seam between the hooks, which know what AWS was asked for, and the traffic
plane, which carries it. All seconds are AWS's; the plane scales them.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["classic", "application", "network"]
State: TypeAlias = Literal["initial", "healthy", "unhealthy", "unused", "draining", "unavailable"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """How a member is asked whether it is healthy."""

    protocol: Literal["HTTP", "HTTPS", "TCP"]
    port: int  # 0: the port of the member
    path: str = "/"
    matcher: str = "200"  # codes and ranges: "200", "200,301", "200-399"
    interval: float = 30.0
    timeout: float = 5.0
    rise: int = 5  # passes in a row until healthy again
    fall: int = 2  # failures in a row until unhealthy
    enabled: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """An instance (or address) that is registered."""

    id: str
    port: int
    address: str | None  # None: nothing can be reached, e.g. it is stopped
    zone: str
    state: str = "running"  # EC2's word
    answers: Literal["", "200", "500", "500-but-health"] = ""  # ordered: what it answers instead


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """A target group, or the instances of one classic load balancer."""

    key: str  # ARN of the target group; "elb:ACCOUNT:REGION:NAME" of a classic load balancer
    kind: Kind
    check: Check
    members: tuple[Member, ...]
    delay: float  # seconds of draining; 0: none
    zones: frozenset[str]  # enabled in the load balancers that use it; empty: none uses it
    cross_zone: bool = True
    sticky: float | None = None  # seconds of the load balancer's cookie


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forward:
    """Send a request to one of some pools, by weight."""

    pools: tuple[tuple[str, int], ...]
    sticky: float | None = None  # seconds a client stays with a pool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer a request without any member."""

    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Redirect:
    """Send the client elsewhere.

    The parts may hold #{protocol}, #{host}, #{port}, #{path} and #{query}, as ELBv2's do.
    """

    status: int
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


Action: TypeAlias = Forward | Answer | Redirect


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition of a rule, by ELB's name of the field; any of the values will do."""

    field: (
        str  # path-pattern, host-header, http-header, http-request-method, query-string, source-ip
    )
    values: tuple[str, ...]  # of query-string: "key=value" or "value"
    name: str = ""  # of http-header


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """An action for the requests that meet every condition."""

    conditions: tuple[Condition, ...]
    action: Action


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listener:
    """A port of a load balancer. HTTPS, SSL and TLS end at the load balancer."""

    port: int
    protocol: Literal["HTTP", "HTTPS", "TCP", "SSL", "TLS"]
    default: Action
    rules: tuple[Rule, ...] = ()  # in the order of their priority
    member_port: int = 0  # classic: where this listener sends; 0: the port of the member


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balancer:
    """A load balancer and where it listens."""

    key: str  # as of a pool
    name: str
    kind: Kind
    address: str
    listeners: tuple[Listener, ...]
    idle: float = 60.0  # seconds without a byte until a connection is closed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything there is to carry."""

    balancers: tuple[Balancer, ...] = ()
    pools: tuple[Pool, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Health:
    """How one member of a pool is doing, in ELBv2's words."""

    id: str
    port: int
    state: State
    reason: str = ""  # ELBv2's code, e.g. Target.FailedHealthChecks
    description: str = ""


class Traffic(Protocol):
    """What the hooks ask of the traffic plane, from any thread, never waiting for the network."""

    def apply(self, plan: Plan) -> None:
        """Carry this from now on. What `health` says changes before this returns."""

    def health(self, pool: str) -> tuple[Health, ...]:
        """Say how each member of a pool is doing, the draining ones included."""

    def urls(self) -> dict[tuple[str, int], str]:
        """Give the URL that answers for each balancer's key and port."""
