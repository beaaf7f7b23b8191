"""How long to wait until the next look, and what it must ask: as little as tells the truth in time.

AWS counts the calls of a whole account. What is decided by a look is decided within a second of
its coming true; until it can come true, nobody needs to ask so often. Apart from `waiting`, which
judges what was seen: whatever is chosen here can only make a verdict later, never another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from pipeline.core.doom import current
from pipeline.core.phases import Booted, Drained, Gone, Serving, Standing, Steady, Until, Verified
from pipeline.core.seen import GroupSeen, Look

QUICK = 1.0
"""Seconds between two looks while it may be so any moment: as often as any API is asked."""
STEADY = 2.0
"""While nothing hangs on a second: an instance boots, requests in flight end."""
CALM = 5.0
"""While nothing is expected to happen."""
LOOKS_IN_QUIET = 20
TOLD_TWICE = 2
EARLY = 0.8
"""The share of the time that it took last time before which it is not expected."""


def pause(until: Until, looks: Sequence[Look], group: str, *, quiet: float) -> float:
    """Return the seconds from the last look to the next one.

    `quiet` are the seconds from the first look in which what is waited for is not expected. A
    long quiet is broken by twenty looks or so: it may come true before its time, or never.
    """
    left = looks[0].at + quiet - looks[-1].at
    if left > QUICK:
        return min(left, max(CALM, quiet / LOOKS_IN_QUIET))
    match until:
        case Booted():
            return QUICK if _is_arriving(looks[-1].groups.get(group)) else STEADY
        case Drained():
            return QUICK if quiet else STEADY
        case Serving() | Standing() | Steady() | Gone() | Verified():
            return QUICK
        case _:
            assert_never(until)


def asks_targets(until: Until) -> bool:
    """Tell whether what is waited for shows in the load balancers."""
    return not isinstance(until, (Booted, Gone, Verified))


def asks_activities(group: str, looks: Sequence[Look]) -> bool:
    """Tell whether Auto Scaling may have news of a group: it is short, or its members changed.

    The first looks ask, so that what is older is known for what it is (`doom`). One answer is
    not enough: it may have been given before the members that stand beside it.
    """
    told = [look for look in reversed(looks) if group in look.activities][:TOLD_TWICE]
    now = looks[-1].groups.get(group) if looks else None
    if now is None or len(told) < TOLD_TWICE or len(current(now)) < now.desired:
        return True
    return any(group not in each.groups or _ids(each.groups[group]) != _ids(now) for each in told)


def _ids(group: GroupSeen) -> set[str]:
    return {member.id for member in group.members}


def _is_arriving(group: GroupSeen | None) -> bool:
    return group is not None and any(each.lifecycle == "InService" for each in group.members)
