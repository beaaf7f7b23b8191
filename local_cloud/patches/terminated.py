"""Forget terminated instances after a while; moto shows them for ever.

"After you terminate an instance, it remains visible for a short while, and then the entry is
automatically deleted" (EC2 User Guide, "Terminate Amazon EC2 instances"); the while is about an
hour. moto searches all of them at every call that names one.
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
AT_LEAST = 30.0  # real seconds: clients do not poll faster because the cloud is faster


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminated:
    """The visible terminated instances of a cloud, oldest first."""

    clock: Clock
    now: Callable[[], float] = time.monotonic
    _since: collections.deque[tuple[float, Any]] = field(default_factory=collections.deque)

    def add(self, instance: Any) -> None:
        """Add an instance that is terminated now, and forget those that have been long enough."""
        now = self.now()
        self._since.append((now, instance))
        visible = max(AT_LEAST, self.clock.scaled(VISIBLE))
        while now - self._since[0][0] > visible:
            forget(self._since.popleft()[1])


def forget(instance: Any) -> None:
    """Remove an instance from moto's reservations, and a reservation that becomes empty."""
    reservations = instance.ec2_backend.reservations
    for name, reservation in list(reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[name]
