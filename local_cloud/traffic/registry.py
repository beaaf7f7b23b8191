"""Keep which members are registered and how healthy they are: the only state that threads share.

Its own lock is held for a few lines only. So an API call never waits for the network, and the
event loop never waits for an API call.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from local_cloud.traffic.routing import Candidate, Choices
from local_cloud.traffic.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.traffic.plan import Check, Health, Member, Pool
    from local_cloud.traffic.targets import Key, Result


@dataclass(kw_only=True)
class Entry:
    """A pool and its members, including those that are leaving."""

    pool: Pool  # its delay is in real seconds
    targets: dict[tuple[str, int], Target] = field(default_factory=dict)


@dataclass(kw_only=True)
class Registry:
    """All pools; `scaled` converts AWS's seconds to real seconds."""

    scaled: Callable[[float], float]
    routing: float = 0.0  # real seconds until every node has a change
    on_change: Callable[..., None] = lambda **_: None  # called at every change of a state
    now: Callable[[], float] = time.monotonic
    _entries: dict[str, Entry] = field(default_factory=dict)
    _lost: list[Key] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, pools: tuple[Pool, ...]) -> None:
        """Set the registrations to those of a plan; the states change before this returns."""
        with self._lock:
            now = self.now()
            for removed in self._entries.keys() - {pool.key for pool in pools}:
                entry = self._entries.pop(removed)
                self._lost += [(removed, *target) for target in entry.targets]
                for target in entry.targets.values():
                    self._report(removed, target, "gone")
            for pool in pools:
                scaled = replace(pool, delay=self.scaled(pool.delay))
                self._register(scaled, now)

    def _register(self, pool: Pool, now: float) -> None:
        entry = self._entries.setdefault(pool.key, Entry(pool=pool))
        entry.pool = pool
        members = {(member.id, member.port): member for member in pool.members}
        for key, member in members.items():
            target = entry.targets.get(key)
            if target is None or target.drained(now):
                target = Target(member=member, address=member.address)
                entry.targets[key] = target
            target.place(pool, member, now, self.routing)
            self._report(pool.key, target)
        for key, target in entry.targets.items():
            if key not in members and target.left is None:
                target.leave(pool, now, self.routing)
                self._report(pool.key, target)

    def _report(self, pool: str, target: Target, state: str = "") -> None:
        state = state or target.health().state
        if state != target.reported:
            target.reported = state
            self.on_change(pool=pool, id=target.member.id, state=state)

    def health(self, pool: str) -> tuple[Health, ...]:
        """Return the health of each member of a pool, including the draining ones."""
        with self._lock:
            now = self.now()
            entry = self._entries.get(pool)
            targets = entry.targets.values() if entry else ()
            return tuple(target.health() for target in targets if not target.drained(now))

    def choices(self, pool: str) -> Choices | None:
        """Return the members that the nodes of the load balancer know, or None for no pool."""
        with self._lock:
            entry = self._entries.get(pool)
            if entry is None:
                return None
            now = self.now()
            return Choices(
                pool=entry.pool,
                candidates=tuple(
                    self._candidate(entry.pool, target, now)
                    for target in entry.targets.values()
                    if target.address and target.registered.known(now, self.routing)
                ),
            )

    def _candidate(self, pool: Pool, target: Target, now: float) -> Candidate:
        member = target.member
        return Candidate(
            key=(pool.key, member.id, member.port),
            address=target.address or "",
            port=member.port,
            zone=member.zone,
            healthy=target.healthy.known(now, self.routing),
            answers=member.answers,
        )

    def to_check(self) -> dict[tuple[Key, object], None]:
        """Return the members to check, with the round of their registration."""
        with self._lock:
            return {
                ((pool, *key), target.round): None
                for pool, entry in self._entries.items()
                for key, target in entry.targets.items()
                if target.checked
            }

    def check(self, key: Key, round_: object) -> tuple[Pool, Member, Check] | None:
        """Return how to check a member now, or None to stop checking it."""
        with self._lock:
            found = self._find(key, round_)
            return found and (found[0].pool, found[1].member, found[0].pool.check)

    def record(self, key: Key, round_: object, result: Result) -> bool:
        """Count one check; return True if what is in flight to the member must be cut.

        "When connection draining is disabled, any in-transfer requests made to instances that
        are de-registering or unhealthy are not completed" (Classic Load Balancers, "Configure
        connection draining").
        """
        with self._lock:
            found = self._find(key, round_)
            if found is None:
                return False
            entry, target = found
            became_unhealthy = target.record(entry.pool, result, self.now(), self.routing)
            self._report(key[0], target)
            return became_unhealthy and entry.pool.kind == "classic" and entry.pool.delay == 0

    def _find(self, key: Key, round_: object) -> tuple[Entry, Target] | None:
        entry = self._entries.get(key[0])
        target = entry.targets.get(key[1:]) if entry else None
        if entry is None or target is None or target.round is not round_ or not target.checked:
            return None
        return entry, target

    def expire(self, busy: Callable[[Key], bool]) -> list[Key]:
        """Forget members that have left; return those whose connections must be cut now.

        A classic load balancer ends the draining as soon as nothing is in flight. A target group
        shows it until the delay is over ("Deregistration delay"). One of a network load balancer
        keeps established connections until they end or the target does, unless it is told to
        terminate them (Network Load Balancers, "Deregistration delay").
        """
        with self._lock:
            now = self.now()
            cut, self._lost = self._lost, []
            for key, entry, target in list(self._leaving()):
                unknown = not target.registered.known(now, self.routing)
                if entry.pool.kind == "classic" and unknown and not busy(key):
                    target.finish(now)
                if target.drained(now):
                    self._report(key[0], target, "gone")
                forgotten = target.forgotten(now, self.routing)
                if forgotten or (target.drained(now) and not target.released):
                    target.released = True
                    cut += [key] if entry.pool.cuts else []
                if forgotten:
                    del entry.targets[key[1:]]
            return cut

    def next_expiry(self) -> float | None:
        """Return when the next draining ends, or the next node learns of one."""
        with self._lock:
            now = self.now()
            times = [t.leaves for _, _, t in self._leaving() if not t.released]
            known = [t.registered.since + self.routing for _, _, t in self._leaving()]
            return min(times + [time for time in known if time > now], default=None)

    @property
    def leaving(self) -> bool:
        """True if a member is leaving."""
        with self._lock:
            return next(self._leaving(), None) is not None

    def _leaving(self) -> Iterator[tuple[Key, Entry, Target]]:
        for pool, entry in self._entries.items():
            for key, target in entry.targets.items():
                if target.left is not None:
                    yield (pool, *key), entry, target
