"""Keep which rules the nodes of the load balancers know: a change reaches them with a delay.

The API's threads set the rules, and the event loop reads them, so they have a lock of their own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from local_cloud.traffic.plan import Forward

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.traffic.plan import Balancer, Listener, Plan

Name: TypeAlias = tuple[str, int]
"""A balancer's key and the port of a listener."""


@dataclass(kw_only=True)
class KnownRules:
    """The default action and the rules of each listener; times are of the registry's clock."""

    delay: float = 0.0  # real seconds until every node has a change
    now: Callable[[], float] = time.monotonic
    on_change: Callable[..., None] = lambda **_: None  # called at every change of a listener
    _changes: dict[Name, deque[tuple[float, Listener]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, plan: Plan) -> None:
        """Take the listeners of a plan: a new one counts at once, a change after the delay."""
        wanted = {
            (balancer.key, listener.port): listener
            for balancer in plan.balancers
            for listener in balancer.listeners
        }
        with self._lock:
            now = self.now()
            for gone in self._changes.keys() - wanted.keys():
                del self._changes[gone]
            for name, listener in wanted.items():
                changes = self._changes.setdefault(name, deque([(now, listener)]))
                if changes[-1][1] != listener:
                    changes.append((now + self.delay, listener))
                    self.on_change(balancer=name[0], port=name[1], weights=weights_of(listener))

    def of(self, balancer: Balancer, listener: Listener) -> Listener:
        """Return a listener with the rules that the nodes know now."""
        with self._lock:
            changes = self._changes.get((balancer.key, listener.port))
            if not changes:
                return listener
            now = self.now()
            while len(changes) > 1 and changes[1][0] <= now:
                changes.popleft()
            return changes[0][1]


def weights_of(listener: Listener) -> dict[str, int]:
    """Return the weight of each pool that a listener or one of its rules forwards to."""
    actions = [listener.default, *(each.action for each in listener.rules)]
    forwards = [each for each in actions if isinstance(each, Forward)]
    return {pool: weight for each in forwards for pool, weight in each.pools}
