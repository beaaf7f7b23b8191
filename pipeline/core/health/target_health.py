"""Interpret what a load balancer says about one target, in the words of both APIs.

Separate from `assessment`, which judges groups, so that the words of two APIs meet in one place
(Elastic Load Balancing API Reference: TargetHealth for elbv2, InstanceState for classic).
"""

from __future__ import annotations

from pipeline.core.health.observation import Balancer, Target

# An elbv2 target is `unused` if its target group is in no listener, its zone is not enabled
# (Target.NotInUse) or its address is not possible (Target.IpUnusable): no health check runs, and
# only a person can change that. A target that was just deregistered, or whose instance is stopped
# or terminated (Target.InvalidState), recovers: Auto Scaling replaces it.
_RECOVERS = frozenset({"Target.NotRegistered", "Target.InvalidState"})
_UNCHECKED = "Target.HealthCheckDisabled"

# Classic: an instance that drains is "InService", too (guide, "Configure connection draining");
# only the description differs.
_LEAVING = "deregistration currently in progress"
_OUTSIDE = "not currently registered with the LoadBalancer"
# Texts of a classic load balancer for normal transitions (ELB API, InstanceState).
_NOT_YET = ("registration is still in progress", "has not passed the configured HealthyThreshold")
_DRAINING = frozenset({"draining", "unhealthy.draining"})
_STARTING = frozenset({"initial", "unavailable", "Unknown"})
_OTHER_ZONE = "Availability Zone for which LoadBalancer is not configured"


def is_healthy(balancer: Balancer, target: Target) -> bool:
    """Return True if a load balancer's own checks find a target healthy."""
    if balancer.kind == "elb":
        return target.state == "InService" and _LEAVING not in target.description
    return target.state == "healthy"


def is_draining(target: Target) -> bool:
    """Return True if a target leaves its load balancer."""
    return target.state in _DRAINING or _LEAVING in target.description


def is_starting(target: Target) -> bool:
    """Return True if the first health checks of a target are not over; for display."""
    return target.state in _STARTING or any(words in target.description for words in _NOT_YET)


def is_failing(balancer: Balancer, target: Target) -> bool:
    """Return True if the health checks of a target fail, or can never pass.

    A target that starts, drains or is not registered any more has no failed checks.
    """
    passing = is_healthy(balancer, target) or is_starting(target) or is_draining(target)
    gone = target.reason in _RECOVERS or not is_registered(balancer, target)
    return not (passing or gone)


def is_useless(balancer: Balancer, target: Target) -> bool:
    """Return True if the load balancer cannot find the target healthy with these settings."""
    if balancer.kind == "elb":
        return _OTHER_ZONE in target.description
    unused = target.state == "unused" and target.reason not in _RECOVERS
    return unused or target.reason == _UNCHECKED


def is_registered(balancer: Balancer, target: Target) -> bool:
    """Return True if a listed target is registered or drains; AWS also lists unregistered ones."""
    if balancer.kind == "elb":
        return _OUTSIDE not in target.description
    return target.reason != "Target.NotRegistered"


def describe(target: Target) -> str:
    """Return everything AWS says about a target on one line."""
    why = ", ".join(each for each in (target.reason, target.description) if _is_useful(each))
    return f"{target.id} is {target.state}{why and f' ({why})'}"


def describe_state(balancer: Balancer, instance: str, target: Target | None) -> str:
    """Return an instance's state in a load balancer in a few words; None if it is not listed."""
    if target is None:
        return f"{instance} is not listed"
    # A classic load balancer's reason is only ELB or Instance: the description says more.
    if balancer.kind == "elb" or target.state.startswith("unhealthy"):
        return describe(target)
    return f"{instance} is {target.state}{target.reason and f' ({target.reason})'}"


def _is_useful(words: str) -> bool:
    return words not in {"", "N/A"}
