"""Decide the size that green's group has at the end of a deployment.

Auto Scaling owns the numbers. During a deployment two groups have them, and schedules and people
change either. What they set is kept, zero included; what a scaling policy did to blue is not,
because blue's load was shared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from pipeline.core.health.observation import Activity, ObservedGroup
from pipeline.core.state.deployment import Deployment, Limits
from pipeline.core.state.release import Size

# The words of a scaling activity's cause (AWS re:Post Knowledge Center, "Why did my Auto Scaling
# group scale down"): policies say "a monitor alarm", people "a user request".
_CHANGE = re.compile(
    r"At (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<who>a user request|a scheduled action|.)"
    r"(?:(?!\bAt \d{4}-).)*?changing the desired capacity from \d+ to (?P<to>\d+)",
    re.DOTALL,
)


def limits_of(group: ObservedGroup) -> Limits:
    """Return the size of a group."""
    return Limits(minimum=group.minimum, maximum=group.maximum, desired=group.desired)


def limits_at_end(
    deployment: Deployment,
    launched: Size,
    green: ObservedGroup,
    blue: ObservedGroup | None,
    activities: Iterable[Activity],
    *,
    replaced: Limits | None = None,
) -> Limits:
    """Return the size for green once it serves alone; a desired capacity of None is kept.

    `launched` is green's size at its launch, `activities` are blue's, and `replaced` is a size of
    green that this run raised although a person or a schedule had set it.
    """
    before = deployment.before
    configured = green.minimum if deployment.minimum is None else deployment.minimum
    minimum = green.minimum if green.minimum != launched.minimum else configured
    maximum = replaced.maximum if replaced else green.maximum
    desired = replaced.desired if replaced else None
    if blue and before:
        minimum = blue.minimum if blue.minimum != before.minimum else minimum
        maximum = blue.maximum if blue.maximum != before.maximum else maximum
        stays_empty = before.desired == blue.desired == 0
        requested = requested_capacity(activities, since=deployment.began)
        desired = 0 if stays_empty else desired if requested is None else requested
    return Limits(minimum=minimum, maximum=max(minimum, maximum), desired=desired)


def requested_capacity(activities: Iterable[Activity], *, since: str) -> int | None:
    """Return the desired capacity that a person or a schedule set last, None if a policy did.

    `since` is ISO 8601; earlier changes do not count.
    """
    began = datetime.fromisoformat(since)
    found = (match for each in activities for match in _CHANGE.finditer(each.cause))
    changes = [
        (at, each["who"], int(each["to"]))
        for each in found
        if (at := datetime.fromisoformat(each["at"])) >= began
    ]
    if not changes:
        return None
    _, who, capacity = max(changes, key=lambda change: change[0])
    return None if len(who) == 1 else capacity
