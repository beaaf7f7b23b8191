"""Define the plan: what the load balancers must do, independent of moto's models.

The seam between the patches, which know the API's state, and the data plane, which carries it
out. All seconds are AWS's; the data plane scales them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["classic", "application", "network"]
State: TypeAlias = Literal["initial", "healthy", "unhealthy", "unused", "draining", "unavailable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """The health check of a pool."""

    protocol: Literal["HTTP", "HTTPS", "TCP"]
    port: int  # 0: the member's port
    path: str = "/"
    matcher: str = "200"  # codes and ranges: "200", "200,301", "200-399"
    interval: float = 30.0
    timeout: float = 5.0
    rise: int = 5  # passes in a row to become healthy
    fall: int = 2  # failures in a row to become unhealthy
    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A registered instance or address."""

    id: str
    port: int
    address: str | None  # None: not reachable, for example stopped
    zone: str
    state: str = "running"  # EC2's word
    answers: Literal["", "200", "500", "500-but-health"] = (
        ""  # by its behavior: answers in its place
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A target group, or the instances of one classic load balancer."""

    key: str  # ARN of the target group; "elb:ACCOUNT:REGION:NAME" of a classic load balancer
    kind: Kind
    check: Check
    members: tuple[Member, ...]
    delay: float  # seconds of draining; 0: no draining
    zones: frozenset[str]  # enabled in its load balancers; empty: no load balancer uses it
    cross_zone: bool = True
    sticky: float | None = None  # seconds of the load balancer's cookie
    cuts: bool = True  # whether the end of the draining closes connections


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """Send a request to one of several pools, by weight."""

    pools: tuple[tuple[str, int], ...]
    sticky: float | None = None  # seconds a client stays with a pool


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Answer a request without a member."""

    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition of a rule, by ELBv2's name of the field; one matching value is enough."""

    field: (
        str  # path-pattern, host-header, http-header, http-request-method, query-string, source-ip
    )
    values: tuple[str, ...]  # of query-string: "key=value" or "value"
    name: str = ""  # of http-header


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """An action for the requests that meet every condition."""

    conditions: tuple[Condition, ...]
    action: Action


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """A port of a load balancer, which terminates HTTPS, SSL and TLS."""

    port: int
    protocol: Literal["HTTP", "HTTPS", "TCP", "SSL", "TLS"]
    default: Action
    rules: tuple[Rule, ...] = ()  # in the order of their priority
    member_port: int = 0  # classic: this listener's instance port; 0: the member's port


@dataclass(frozen=True, kw_only=True, slots=True)
class Balancer:
    """A load balancer and where it listens."""

    key: str  # as for a pool
    name: str
    kind: Kind
    address: str
    listeners: tuple[Listener, ...]
    idle: float = 60.0  # seconds until an idle connection is closed


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All load balancers and pools."""

    balancers: tuple[Balancer, ...] = ()
    pools: tuple[Pool, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The health of one member of a pool, in ELBv2's words."""

    id: str
    port: int
    state: State
    reason: str = ""  # ELBv2's code, e.g. Target.FailedHealthChecks
    description: str = ""


class Traffic(Protocol):
    """The data plane, as patches use it: from any thread, without waiting for the network."""

    def apply(self, plan: Plan) -> None:
        """Carry out this plan from now on; `health` changes before this returns."""

    def health(self, pool: str) -> tuple[Health, ...]:
        """Return the health of each member of a pool, including the draining ones."""

    def urls(self) -> dict[tuple[str, int], str]:
        """Return the URL for each balancer's key and port."""
