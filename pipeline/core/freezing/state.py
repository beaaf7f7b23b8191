"""Find the freezes that last at a moment: those that people made, and those that are planned."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pipeline.core.freezing.freeze import Freeze, FreezeRecord, FreezeState
from pipeline.core.freezing.windows import Window

_CHAIN: Final = 100
"""How many freezes in a row are followed to tell when the last one ends."""


def state_at(now: datetime, record: FreezeRecord, windows: Iterable[Window]) -> FreezeState:
    """Return which freezes of one environment last, of those by hand and those that are planned."""
    planned = tuple(windows)
    active = _active(now, record, planned)
    if active:
        return FreezeState(active=active, free=_end(active, record, planned).isoformat())
    later = [found for each in planned if (found := each.next(now))]
    return FreezeState(following=min(later, key=lambda each: each.since, default=None))


def _active(now: datetime, record: FreezeRecord, windows: tuple[Window, ...]) -> tuple[Freeze, ...]:
    planned = (each.active(now) for each in windows)
    return (*record.at(now).freezes, *(each for each in planned if each))


def _end(active: tuple[Freeze, ...], record: FreezeRecord, windows: tuple[Window, ...]) -> datetime:
    """Return when a chain of freezes ends that begins with the active ones."""
    end = max(datetime.fromisoformat(each.until) for each in active)
    for _ in range(_CHAIN):
        if not (active := _active(end, record, windows)):
            break
        end = max(datetime.fromisoformat(each.until) for each in active)
    return end
