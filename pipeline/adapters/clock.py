"""Time and signals for a deployment: the clock of the cloud it happens in.

The local cloud may run faster than AWS (`local-cloud up --speed`); then every pause, deadline and
poll of ours is divided by the same number, so that a rehearsal takes the same steps. On AWS the
number is one, and these are plain seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.adapters.process.signals import Interrupts
from pipeline.core.errors import ConfigurationError

SPEED = "AMI_PIPELINE_SPEED"
"""Exported by `local-cloud env`; without an endpoint that is not AWS it counts for nothing."""
SHORTEST = 0.1
"""Real seconds: a local cloud is not asked more often than this, whatever its speed."""


class CloudPace:
    """Fulfils `core.ports.Pace`; signals are those of this process."""

    def __init__(self, interrupts: Interrupts, speed: float = 1.0) -> None:
        self.speed = speed
        self._interrupts = interrupts

    def now(self) -> float:
        """Return seconds that only grow, as fast as the cloud's delays pass."""
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        """Wait; raises KeyboardInterrupt once a signal has come that nobody has answered."""
        self._interrupts.sleep(max(seconds / self.speed, SHORTEST) if seconds else 0.0)

    def clock(self) -> float:
        """Return real seconds that only grow."""
        return time.monotonic()

    def today(self) -> str:
        """Return the time, UTC, ISO 8601, to the second."""
        return datetime.now(UTC).replace(microsecond=0).isoformat()

    def answer_signals(self) -> int:
        """Take the signals that came so far as answered, and return how many there were."""
        return self._interrupts.answer()


def speed_of(environ: Mapping[str, str]) -> float:
    """Return how much faster than AWS the cloud runs that the environment points at."""
    text = environ.get(SPEED, "")
    if not text or not environ.get("AWS_ENDPOINT_URL"):
        return 1.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not math.isfinite(speed) or speed <= 0:
        what = "is not a positive number; it is the speed of the local cloud"
        raise ConfigurationError(SPEED, what, f"unset {SPEED}")
    return speed
