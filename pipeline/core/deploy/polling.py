"""How long to wait until the next look, and what it must ask: as little as tells the truth in time.

AWS counts the calls of a whole account. What is decided by a look is decided within a second of
its coming true; until it can come true, nobody needs to ask so often. Apart from `waiting`, which
judges what was seen: whatever is chosen here can only make a verdict later, never another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from pipeline.core.deploy.phases import (
    AllHealthy,
    AllInService,
    Deleted,
    Drained,
    Gate,
    HalfHealthy,
    StaysHealthy,
    Verified,
)
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.health.unrecoverable import current

QUICK = 1.0
"""Seconds between two looks while it may be so any moment: as often as any API is asked."""
STEADY = 2.0
"""While nothing hangs on a second: an instance boots, requests in flight end."""
CALM = 5.0
"""While all is well and is to stay so."""
IDLE = 10.0
"""While nothing is expected to happen."""
LOOKS_IN_QUIET = 20
TOLD_TWICE = 2
EARLY, MARGIN = 0.8, 10.0
"""How much sooner than last time it may be so: a share of the time, seconds of health checks."""
NEAR = 5.0
"""Seconds before it is expected in which each second counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """When a wait is likely to end, in seconds from its first look: around `due`, 0 if unknown.

    Within the first `quiet` ones it is not expected at all.
    """

    quiet: float = 0.0
    due: float = 0.0


def as_last_time(last: float, gone: float) -> Forecast:
    """Return what to expect of what took `last` seconds the last time; `gone` are over by now."""
    quiet = min(EARLY * last, last - MARGIN)
    return Forecast(quiet=max(0.0, quiet - gone), due=max(0.0, last - gone))


def pause(
    until: Gate, observations: Sequence[Observation], group: str, forecast: Forecast
) -> float:
    """Return the seconds from the last look to the next one.

    A long quiet is broken by twenty looks or so: it may come true before its time, or never.
    """
    since = observations[-1].at - observations[0].at
    if (left := forecast.quiet - since) > QUICK:
        least = CALM if isinstance(until, StaysHealthy) else IDLE
        return min(left, max(least, forecast.quiet / LOOKS_IN_QUIET))
    match until:
        case AllInService():
            return QUICK if _is_arriving(observations[-1].groups.get(group)) else STEADY
        case Drained():
            return QUICK if forecast.quiet else STEADY
        case AllHealthy() if is_between(observations, forecast):
            ahead = forecast.due - NEAR - since
            return min(ahead, IDLE) if ahead > 0 else IDLE
        case AllHealthy() | HalfHealthy() | StaysHealthy() | Deleted() | Verified():
            return QUICK
        case _:
            assert_never(until)


def is_between(observations: Sequence[Observation], forecast: Forecast) -> bool:
    """Tell whether it may be so by now, and is not expected just now."""
    since = observations[-1].at - observations[0].at
    quiet = forecast.quiet - since > QUICK
    return not quiet and not -NEAR <= since - forecast.due <= MARGIN


def asks_targets(until: Gate) -> bool:
    """Tell whether what is waited for shows in the load balancers."""
    return not isinstance(until, (AllInService, Deleted, Verified))


def asks_activities(group: str, observations: Sequence[Observation]) -> bool:
    """Tell whether Auto Scaling may have news of a group: it is short, or its members changed.

    The first looks ask, so that what is older is known for what it is (`doom`). One answer is
    not enough: it may have been given before the members that stand beside it.
    """
    told = [
        observation for observation in reversed(observations) if group in observation.activities
    ][:TOLD_TWICE]
    now = observations[-1].groups.get(group) if observations else None
    if now is None or len(told) < TOLD_TWICE or len(current(now)) < now.desired:
        return True
    return any(group not in each.groups or _ids(each.groups[group]) != _ids(now) for each in told)


def _ids(group: ObservedGroup) -> set[str]:
    return {member.id for member in group.members}


def _is_arriving(group: ObservedGroup | None) -> bool:
    return group is not None and any(each.lifecycle == "InService" for each in group.members)
