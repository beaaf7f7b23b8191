"""Terminated instances that nobody is told of any more; moto shows them for ever.

"After you terminate an instance, it remains visible for a short while, and then the entry is
automatically deleted" (EC2 User Guide, "Terminate Amazon EC2 instances"); that while is about an
hour. moto looks through all of them at every call that names one.
"""

from __future__ import annotations

import collections
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.clock import Clock

VISIBLE = 3600.0
AT_LEAST = 30.0  # seconds here: whoever looks does not look faster because the cloud is


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminated:
    """The terminated instances of a cloud that are visible, the oldest first."""

    clock: Clock
    now: Callable[[], float] = time.monotonic
    _since: collections.deque[tuple[float, Any]] = field(default_factory=collections.deque)

    def add(self, instance: Any) -> None:
        """Remember that an instance is terminated, and forget those that were long ago."""
        now = self.now()
        self._since.append((now, instance))
        visible = max(AT_LEAST, self.clock.scaled(VISIBLE))
        while now - self._since[0][0] > visible:
            forget(self._since.popleft()[1])


def forget(instance: Any) -> None:
    """Take an instance out of moto's reservations, and the reservation it leaves empty."""
    reservations = instance.ec2_backend.reservations
    for name, reservation in list(reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[name]
