"""Record what happened when: API calls, the states of instances, the health of targets.

For measurements, such as the time from the last healthy target to the call that acts on it. Both
events come from one clock, without polling. It is the machine's monotonic clock, so another
process can merge its own events with these.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

KEPT = 100_000
"""How many events are kept: the newest; older ones are counted and dropped."""


class Timeline:
    """The events of one cloud, in order; any thread may record, and none of them waits."""

    def __init__(self, kept: int = KEPT) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=kept)
        self._forgotten = 0
        self._lock = threading.Lock()

    def record(self, kind: str, /, **facts: Any) -> None:
        """Add an event that happens now; `at` among the facts overrides the time."""
        with self._lock:
            self._forgotten += len(self._events) == self._events.maxlen
            self._events.append({"kind": kind, "at": time.monotonic(), **facts})

    def listed(self) -> dict[str, Any]:
        """Return the events, the time now, and how many older events were dropped."""
        with self._lock:
            return {
                "now": time.monotonic(),
                "forgotten": self._forgotten,
                "events": list(self._events),
            }

    def clear(self) -> None:
        """Forget every event."""
        with self._lock:
            self._events.clear()
            self._forgotten = 0
