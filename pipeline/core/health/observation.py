"""What AWS said of groups and targets in one look: facts as they came, no opinion.

Apart from `health`, which judges them, and from the adapters, which fetch them: a test
writes a look by hand, and a deployment's evidence is a list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.core.image import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Balancer:
    """One thing a group is attached to: a classic load balancer, or a target group.

    `kind` and `identifier` are those of Auto Scaling's traffic sources: a load balancer's
    name, or a target group's ARN. `name` is for people.
    """

    kind: Literal["elb", "elbv2"]
    identifier: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """An instance as its group shows it; `template` and `version` are what it was launched from.

    `lifecycle` is Auto Scaling's LifecycleState (Pending, InService, Terminating:Wait, ...),
    `health` its HealthStatus (Healthy, Unhealthy); `protected` is protection from scale-in.
    """

    id: str
    lifecycle: str
    health: str
    template: str
    version: str
    zone: str = ""
    protected: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """A scaling activity; `began` is AWS's own time, ISO 8601."""

    id: str
    status: str
    description: str
    cause: str
    message: str
    began: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedGroup:
    """A group as DescribeAutoScalingGroups shows it; `status` is not empty while it is deleted.

    `attached` holds the identifiers of the load balancers and target groups it is attached to.
    """

    name: str
    minimum: int
    maximum: int
    desired: int
    template: str
    version: str
    members: tuple[Member, ...] = ()
    attached: frozenset[str] = frozenset()
    status: str = ""
    suspended: frozenset[str] = frozenset()
    health_check: str = "EC2"
    created: str = ""
    zones: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An instance as a load balancer lists it.

    `state` is one of elbv2's (initial, healthy, unhealthy, unhealthy.draining, unused, draining,
    unavailable) or the classic one's (InService, OutOfService, Unknown); `reason` is the code
    beside it (Target.FailedHealthChecks; ELB, Instance, N/A).
    """

    id: str
    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """Everything one poll saw, at `at` seconds of a clock that only grows.

    A group that AWS does not know is absent from `groups`. `targets` maps a balancer's identifier
    to its targets by instance; `activities` maps a group to its newest ones first. `unreadable`
    says what could not be read this time, in AWS's words: neither good news nor bad.
    """

    at: float
    groups: Mapping[str, ObservedGroup] = field(default_factory=lambda: NO_ITEMS)
    targets: Mapping[str, Mapping[str, Target]] = field(default_factory=lambda: NO_ITEMS)
    activities: Mapping[str, tuple[Activity, ...]] = field(default_factory=lambda: NO_ITEMS)
    unreadable: tuple[str, ...] = ()
