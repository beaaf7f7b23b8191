"""Keep the past health of targets, which is the data plane's and no model's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from local_cloud.traffic.plan import Health, Plan, Traffic

Healths = dict[str, tuple[Health, ...]]


@dataclass(kw_only=True)
class PastTraffic:
    """A data plane that shows its present health, or a past one for the length of a read."""

    traffic: Traffic
    shown: Healths | None = None
    """The past that is shown; only the holder of the API's lock sets it and reads health."""
    _pools: tuple[str, ...] = ()
    _present: Healths | None = None
    _past: deque[tuple[float, Healths]] = field(default_factory=deque)  # held until, what

    def apply(self, plan: Plan) -> None:
        """Carry out this plan from now on."""
        self._pools = tuple(pool.key for pool in plan.pools)
        self.traffic.apply(plan)

    def health(self, pool: str) -> tuple[Health, ...]:
        """Return the health of each member of a pool."""
        return self.traffic.health(pool) if self.shown is None else self.shown.get(pool, ())

    def urls(self) -> dict[tuple[str, int], str]:
        """Return the URL for each balancer's key and port."""
        return self.traffic.urls()

    def record(self, now: float, keep: float) -> None:
        """Note the health if it has changed; forget what is older than `keep` seconds."""
        present = {pool: self.traffic.health(pool) for pool in self._pools}
        if self._present is not None and present != self._present:
            self._past.append((now, self._present))
        self._present = present
        while self._past and self._past[0][0] < now - keep:
            self._past.popleft()

    def forget(self) -> None:
        """Forget the past."""
        self._past.clear()
        self._present = None

    def as_of(self, moment: float) -> Healths | None:
        """Return the health at a moment, or None if it has not changed since."""
        return next((healths for until, healths in self._past if until > moment), None)
