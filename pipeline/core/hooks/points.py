"""Bind the points of hooks to the phases of a deployment.

A point is always the entry of a phase, or the end of the table. So a hook whose run died in it
runs again if the deployment is continued: the document has the phase before its hooks run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.core.hooks.hook import Point

ENTRY: Final = {
    "launch": Point.BEFORE_LAUNCH,
    "verify": Point.BEFORE_TRAFFIC,
    "retire": Point.BEFORE_RETIRE,
    "delete": Point.ON_ROLLBACK,
}
"""The points at the entry of a phase, before the phase changes anything."""
NEXT: Final = {"launch": Point.AFTER_LAUNCH, "drain": Point.AFTER_DRAIN}
"""The points at the entry of the phase that follows."""
_MOVES = ("launch", "verify", "attach", "step-", "batch-", "shift")
"""The phases up to the one after which green has all the traffic that it gets beside blue."""
_BACK = ("reattach", "detach")


def points_of(phases: Sequence[str]) -> list[tuple[Point, ...]]:
    """Return the points at the entry of each of these phases, and those at their end.

    `phases` begin with those that an earlier run of the deployment performed.
    """
    moves = [place for place, name in enumerate(phases) if name.startswith(_MOVES)]
    moved = moves[-1] + 1 if moves else None
    return [tuple(_points(phases, place, moved)) for place in range(len(phases) + 1)]


def _points(phases: Sequence[str], place: int, moved: int | None) -> list[Point]:
    before = phases[place - 1] if place else ""
    here = phases[place] if place < len(phases) else ""
    found = [NEXT[before]] if before in NEXT else []
    if place == moved:
        found.append(Point.AFTER_TRAFFIC)
    if here == "observe" and "drain" not in phases[:place]:  # the run died in drain
        found.append(Point.AFTER_DRAIN)
    if here in ENTRY:
        found.append(ENTRY[here])
    if not here and before in _BACK:  # a failed group is kept
        found.append(Point.ON_ROLLBACK)
    return found
