"""Clocks: the time of a deployment in its cloud, and the uptime of this machine.

The local cloud may run faster than AWS (`local-cloud up --speed`). Every pause, deadline and poll
is then divided by the same speed, so that a rehearsal takes the same steps. On AWS the speed is 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.adapters.process.signals import Interrupts
from pipeline.core.errors import ConfigurationError

SPEED = "AMI_PIPELINE_SPEED"
"""Exported by `local-cloud env`; ignored without AWS_ENDPOINT_URL."""
SHORTEST = 0.1
"""The shortest pause in real seconds, whatever the local cloud's speed."""


class CloudPace:
    """Implements `core.deploy.ports.Pace` with this process's clock and signals."""

    def __init__(self, interrupts: Interrupts, speed: float = 1.0) -> None:
        self.speed = speed
        self._interrupts = interrupts

    def now(self) -> float:
        """Return monotonic seconds of the cloud, which pass `speed` times as fast as real ones."""
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        """Wait; raises KeyboardInterrupt if an unanswered signal is pending or arrives."""
        self._interrupts.sleep(max(seconds / self.speed, SHORTEST) if seconds else 0.0)

    def clock(self) -> float:
        """Return monotonic real seconds."""
        return time.monotonic()

    def today(self) -> str:
        """Return the time, UTC, ISO 8601, in whole seconds."""
        return datetime.now(UTC).replace(microsecond=0).isoformat()

    def answer_signals(self) -> int:
        """Mark the pending signals as answered; return how many there were."""
        return self._interrupts.answer()


class DeferringClock:
    """Implements `core.freshness.Clock`; signals that are deferred do not end a sleep."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> float:
        """Return monotonic seconds of the cloud."""
        return time.monotonic() * self._speed

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(seconds / self._speed, SHORTEST))


def speed_of(environ: Mapping[str, str]) -> float:
    """Return the speed of the cloud at AWS_ENDPOINT_URL; 1.0 for AWS.

    Raises ConfigurationError if the variable is not a positive number.
    """
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


def local_endpoint(environ: Mapping[str, str]) -> str:
    """Return the endpoint of the local cloud if the variables are those of `local-cloud env`."""
    return environ.get("AWS_ENDPOINT_URL", "") if environ.get(SPEED) else ""


def uptime() -> float:
    """Return monotonic seconds that include the time the machine was suspended.

    CLOCK_MONOTONIC stops during a suspension; Linux's CLOCK_BOOTTIME does not (clock_gettime(2)).
    """
    name = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(name)
