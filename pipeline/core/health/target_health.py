"""What a load balancer says of one target, read: classic and elbv2 words for the same things.

Apart from `health`, which judges groups, so that the words of two APIs meet in one place
(Elastic Load Balancing API Reference: TargetHealth for elbv2, InstanceState for classic).
"""

from __future__ import annotations

from pipeline.core.health.observation import Balancer, Target

# An elbv2 target is `unused` while its target group is in no listener or its zone is not enabled
# (Target.NotInUse), or its address cannot be one (Target.IpUnusable): nobody checks it, and only a
# person can change that. Not so for one that was just deregistered, nor for an instance that is
# stopped or terminated (Target.InvalidState): Auto Scaling replaces that one.
_HEALS = frozenset({"Target.NotRegistered", "Target.InvalidState"})
_UNCHECKED = "Target.HealthCheckDisabled"

# Classic: "InService" is also what an instance is while it drains (guide, "Configure connection
# draining"); the description tells.
_LEAVING = "deregistration currently in progress"
_OUTSIDE = "not currently registered with the LoadBalancer"
_OTHER_ZONE = "Availability Zone for which LoadBalancer is not configured"


def is_healthy(balancer: Balancer, target: Target) -> bool:
    """Tell whether a load balancer finds a target healthy by its own checks."""
    if balancer.kind == "elb":
        return target.state == "InService" and _LEAVING not in target.description
    return target.state == "healthy"


def is_useless(balancer: Balancer, target: Target) -> bool:
    """Tell whether the load balancer will never find the target healthy as things are set."""
    if balancer.kind == "elb":
        return _OTHER_ZONE in target.description
    unused = target.state == "unused" and target.reason not in _HEALS
    return unused or target.reason == _UNCHECKED


def is_there(balancer: Balancer, target: Target) -> bool:
    """Tell whether what is listed is registered or drains; AWS may list what was asked for."""
    if balancer.kind == "elb":
        return _OUTSIDE not in target.description
    return target.reason != "Target.NotRegistered"


def told(target: Target) -> str:
    """Return everything AWS says of a target on one line."""
    why = ", ".join(said for said in (target.reason, target.description) if _says(said))
    return f"{target.id} is {target.state}{why and f' ({why})'}"


def state(balancer: Balancer, instance: str, target: Target | None) -> str:
    """Return what a load balancer says of an instance, None being nothing, in a few words."""
    if target is None:
        return f"{instance} is not listed"
    # A classic load balancer's reasons are who is to blame (ELB, Instance): the description tells.
    if balancer.kind == "elb" or target.state.startswith("unhealthy"):
        return told(target)
    return f"{instance} is {target.state}{target.reason and f' ({target.reason})'}"


def _says(words: str) -> bool:
    return words not in {"", "N/A"}
