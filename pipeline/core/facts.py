"""What is true of a load balancer before a deployment begins; judged by `preflight`.

Apart from `seen`, which changes from one poll to the next: these are settings, read once.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.seen import Balancer


@dataclass(frozen=True, kw_only=True, slots=True)
class BalancerFacts:
    """A classic load balancer or a target group, as it is set up; all durations in seconds.

    `listeners` is how many listeners send requests to it, by their default action or by a rule;
    `zones` are the Availability Zones enabled on its load balancer, or on all of them.
    `drain_seconds` is the deregistration delay, or the connection draining timeout (0 where it is
    off); `check_seconds` the interval of its health checks times their healthy threshold;
    `target_type` is `instance`, `ip`, `lambda` or `alb`. Where it does not exist, `exists` is
    False and the rest is empty.
    """

    balancer: Balancer
    exists: bool
    listeners: int
    zones: frozenset[str]
    vpc: str
    drain_seconds: float
    check_seconds: float
    slow_start: float
    target_type: str
