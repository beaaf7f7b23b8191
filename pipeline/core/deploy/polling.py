"""Compute how long to wait between two observations: few calls, and an answer in time.

AWS counts the calls of a whole account. A condition is noticed within a second of coming true;
until it can come true, fewer observations are enough. Separate from the gates, because a longer
interval only delays a verdict and never changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.health.unrecoverable import current

QUICK = 1.0
"""Seconds between observations while the end may come at any moment: the least for any API."""
STEADY = 2.0
"""Seconds while a second more does not matter: instances boot, connections drain."""
CALM = 5.0
"""Seconds while a healthy group is to stay healthy."""
IDLE = 10.0
"""Seconds while nothing is expected."""
QUIET_OBSERVATIONS = 20
"""Observations that a long quiet time is divided into."""
ACTIVITY_READS = 2
"""Answers about a group's activities that are needed."""
EARLY, MARGIN = 0.8, 10.0
"""How much sooner than last time a group may be healthy: a share, and seconds."""
NEAR = 2.0
"""Seconds before the expected end from which everything is read each second: where only the load
balancers are read, the end is noticed one call later.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """When a wait is likely to end, in seconds from its first observation.

    The end is not expected within the first `quiet` seconds; it is expected around `due`. Both
    are 0 if unknown.
    """

    quiet: float = 0.0
    due: float = 0.0

    def after(self, seconds: float) -> Forecast:
        """Return the forecast as it is some seconds later."""
        return Forecast(quiet=max(0.0, self.quiet - seconds), due=max(0.0, self.due - seconds))


@dataclass(frozen=True, kw_only=True, slots=True)
class Timings:
    """What is known about durations when a wait begins, in seconds.

    `drain` is the longest deregistration delay of the load balancers, 0 if unknown. `ready` is how
    long the previous release took from its launch until it was healthy, `since_launch` how long
    ago green was launched; both are None if unknown.
    """

    drain: float = 0.0
    ready: float | None = None
    since_launch: float | None = None


def forecast_like(previous: float, *, passed: float) -> Forecast:
    """Return the forecast for what took `previous` seconds last time and began `passed` ago."""
    quiet = min(EARLY * previous, previous - MARGIN)
    return Forecast(quiet=max(0.0, quiet - passed), due=max(0.0, previous - passed))


def interval(
    elapsed: float, forecast: Forecast, *, quiet: float = IDLE, busy: float = QUICK
) -> float:
    """Return the seconds until the next observation: `busy` once the end may come.

    A long quiet time is divided into about 20 observations, at least `quiet` seconds apart: the
    end may come early, or the group may fail.
    """
    left = forecast.quiet - elapsed
    if left <= QUICK:
        return busy
    return min(left, max(quiet, forecast.quiet / QUIET_OBSERVATIONS))


def uncertain_interval(elapsed: float, forecast: Forecast) -> float:
    """Return the interval of a wait whose end may come any moment but is not due now."""
    if not is_uncertain(elapsed, forecast):
        return QUICK
    ahead = forecast.due - NEAR - elapsed
    return min(ahead, IDLE) if ahead > 0 else IDLE


def is_uncertain(elapsed: float, forecast: Forecast) -> bool:
    """Return True if the end may have come by now but is not expected around this moment."""
    quiet = forecast.quiet - elapsed > QUICK
    return not quiet and not -NEAR <= elapsed - forecast.due <= MARGIN


def rest(forecast: Forecast, longest: float = IDLE) -> float:
    """Return the seconds before the first observation of a wait: the end is not expected earlier.

    What a phase has changed shows nothing new within a second of it.
    """
    return interval(0.0, forecast, quiet=longest) if forecast.quiet > QUICK else 0.0


def needs_activities(group: str, observations: Sequence[Observation]) -> bool:
    """Return True if Auto Scaling may have news of a group: members are missing or changed.

    The first observations read them, so that older activities are recognized later. One answer is
    not enough: it may be older than the members beside it.
    """
    answers = [each for each in reversed(observations) if group in each.activities][:ACTIVITY_READS]
    latest = observations[-1].groups.get(group) if observations else None
    if latest is None or len(answers) < ACTIVITY_READS or len(current(latest)) < latest.desired:
        return True
    known = _member_ids(latest)
    return any(
        group not in each.groups or _member_ids(each.groups[group]) != known for each in answers
    )


def _member_ids(group: ObservedGroup) -> set[str]:
    return {member.id for member in group.members}
