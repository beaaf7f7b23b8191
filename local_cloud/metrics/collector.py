"""Move what was measured into the store, as time passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from local_cloud.metrics import balancers
from local_cloud.metrics.distribution import Distribution
from local_cloud.metrics.meter import Meter
from local_cloud.metrics.store import Metric, Store

Sampler: TypeAlias = Callable[[], Iterable[tuple[Metric, Distribution]]]

SAMPLED = 10.0
"""Seconds of the cloud between two samples."""

SHORTEST = 0.1
"""Real seconds between two samples, unless a minute is shorter."""


@dataclass(kw_only=True)
class Collector:
    """The meter and the samplers of a cloud, and the store that they fill."""

    store: Store
    meter: Meter
    samplers: list[Sampler] = field(default_factory=list)
    _sampled: float = 0.0
    _minute: int = 0

    @classmethod
    def at(cls, speed: float) -> Collector:
        """Return a collector of a cloud of this speed."""
        store = Store(speed=speed)
        return cls(store=store, meter=Meter(minute=store.minute))

    def step(self) -> bool:
        """Collect what is due; call it under the API's lock. Return True in a new minute."""
        for minute, tallies in self.meter.take():
            for metric, values in balancers.carried(tallies):
                self.store.add(metric, minute, values)
        now, minute = self.store.now(), self.store.minute()
        began, self._minute = minute != self._minute, minute
        if began or now - self._sampled >= max(SAMPLED / self.store.speed, SHORTEST):
            self._sampled = now
            self._sample(minute)
        return began

    def _sample(self, minute: int) -> None:
        for metric, values in balancers.active(self.meter.active):
            self.store.add(metric, minute, values)
        for sampler in self.samplers:
            for metric, values in sampler():
                self.store.add(metric, minute, values)
