"""What AWS said about groups and targets in one poll: facts without a judgment.

Separate from `assessment`, which judges them, and from the adapters, which read them: a test
writes an observation by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.core.image import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Balancer:
    """What a group is attached to: a classic load balancer or a target group.

    `kind` and `identifier` are those of Auto Scaling's traffic sources: a load balancer's
    name, or a target group's ARN. `name` is for people.
    """

    kind: Literal["elb", "elbv2"]
    identifier: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """An instance in its group; `template` and `version` are those it was launched from.

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
    """A group as DescribeAutoScalingGroups shows it; `status` is set while AWS deletes it.

    `attached` holds the identifiers of the load balancers and target groups it is attached to.
    `protection` is its DeletionProtection, empty for none. `weighted` says that AWS counts other
    units than instances as its size, such as weights; the sizes here are instances nevertheless.
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
    protection: str = ""
    weighted: bool = False


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
    """What AWS said in one poll that began at `at`, in seconds of a clock that only grows.

    A group that AWS does not describe is absent from `groups`. `targets` maps a balancer's
    identifier to its targets by instance. `activities` maps a group to its scaling activities,
    newest first. `weights` maps the ARN of a listener or rule to the percent of each target group.
    `unreadable` names the calls that failed this time, in AWS's words: neither good
    nor bad.
    """

    at: float
    groups: Mapping[str, ObservedGroup] = field(default_factory=lambda: NO_ITEMS)
    targets: Mapping[str, Mapping[str, Target]] = field(default_factory=lambda: NO_ITEMS)
    activities: Mapping[str, tuple[Activity, ...]] = field(default_factory=lambda: NO_ITEMS)
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: NO_ITEMS)
    unreadable: tuple[str, ...] = ()
