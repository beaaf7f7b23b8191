"""When what happened: API calls, the states of instances, the health of targets.

For whoever measures: how long after the last target was healthy somebody acted on it can be
told only where both moments are read from one clock, and not by asking again and again. The
clock is the machine's monotonic one, so another process can lay its own moments beside these.
"""

from __future__ import annotations

import collections
import threading
import time
from typing import Any

KEPT = 100_000
"""The newest; older ones are counted and forgotten."""


class Moments:
    """What happened, in order; any thread may note, and nobody who notes waits."""

    def __init__(self, kept: int = KEPT) -> None:
        self._noted: collections.deque[dict[str, Any]] = collections.deque(maxlen=kept)
        self._forgotten = 0
        self._lock = threading.Lock()

    def note(self, kind: str, /, **facts: Any) -> None:
        """Remember that this happens now; `at` among the facts is when it did."""
        with self._lock:
            self._forgotten += len(self._noted) == self._noted.maxlen
            self._noted.append({"kind": kind, "at": time.monotonic(), **facts})

    def listed(self) -> dict[str, Any]:
        """Return what is remembered, the time now, and how much was forgotten for its age."""
        with self._lock:
            return {
                "now": time.monotonic(),
                "forgotten": self._forgotten,
                "moments": list(self._noted),
            }

    def forget(self) -> None:
        """Begin from nothing."""
        with self._lock:
            self._noted.clear()
            self._forgotten = 0
