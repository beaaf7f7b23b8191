"""What is registered where and how it is doing: the only state that threads share.

Guarded by a small lock of its own that nobody holds for longer than a few lines, so
that an API call never waits for the network and the loop never waits for an API call.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING

from local_cloud.traffic.routing import Candidate, Choices
from local_cloud.traffic.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.traffic.plan import Check, Health, Member, Pool
    from local_cloud.traffic.targets import Key, Result


@dataclasses.dataclass(kw_only=True)
class Entry:
    """A pool and its members, those included that are leaving."""

    pool: Pool  # its delay is in seconds here
    targets: dict[tuple[str, int], Target] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(kw_only=True)
class Book:
    """All pools; `scaled` turns AWS's seconds into seconds here."""

    scaled: Callable[[float], float]
    routing: float = 0.0  # seconds here until every node knows of a change
    told: Callable[..., None] = lambda **_: None  # hears of every change of a state
    now: Callable[[], float] = time.monotonic
    _entries: dict[str, Entry] = dataclasses.field(default_factory=dict)
    _lost: list[Key] = dataclasses.field(default_factory=list)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def apply(self, pools: tuple[Pool, ...]) -> None:
        """Make the registrations those of a plan; the states have changed when this returns."""
        with self._lock:
            now = self.now()
            for gone in self._entries.keys() - {pool.key for pool in pools}:
                entry = self._entries.pop(gone)
                self._lost += [(gone, *target) for target in entry.targets]
                for target in entry.targets.values():
                    self._tell(gone, target, "gone")
            for pool in pools:
                scaled = dataclasses.replace(pool, delay=self.scaled(pool.delay))
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
            self._tell(pool.key, target)
        for key, target in entry.targets.items():
            if key not in members and target.left is None:
                target.leave(pool, now, self.routing)
                self._tell(pool.key, target)

    def _tell(self, pool: str, target: Target, state: str = "") -> None:
        state = state or target.health().state
        if state != target.told:
            target.told = state
            self.told(pool=pool, id=target.member.id, state=state)

    def health(self, pool: str) -> tuple[Health, ...]:
        """Say how each member of a pool is doing, the draining ones included."""
        with self._lock:
            now = self.now()
            entry = self._entries.get(pool)
            targets = entry.targets.values() if entry else ()
            return tuple(target.health() for target in targets if not target.drained(now))

    def choices(self, pool: str) -> Choices | None:
        """Return whom the nodes of the load balancer would send a request to now."""
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
        """Return which members are checked, with the round of their registration."""
        with self._lock:
            return {
                ((pool, *key), target.round): None
                for pool, entry in self._entries.items()
                for key, target in entry.targets.items()
                if target.checked
            }

    def check(self, key: Key, round_: object) -> tuple[Pool, Member, Check] | None:
        """Return how a member is to be checked now, or None: not any more."""
        with self._lock:
            found = self._find(key, round_)
            return found and (found[0].pool, found[1].member, found[0].pool.check)

    def record(self, key: Key, round_: object, result: Result) -> bool:
        """Count one check; tell whether what is in flight to the member is to be cut.

        "When connection draining is disabled, any in-flight requests made to instances that
        are de-registering or unhealthy are not completed" (Classic Load Balancers, "Configure
        connection draining").
        """
        with self._lock:
            found = self._find(key, round_)
            if found is None:
                return False
            entry, target = found
            turned = target.record(entry.pool, result, self.now(), self.routing)
            self._tell(key[0], target)
            return turned and entry.pool.kind == "classic" and entry.pool.delay == 0

    def _find(self, key: Key, round_: object) -> tuple[Entry, Target] | None:
        entry = self._entries.get(key[0])
        target = entry.targets.get(key[1:]) if entry else None
        if entry is None or target is None or target.round is not round_ or not target.checked:
            return None
        return entry, target

    def sweep(self, busy: Callable[[Key], bool]) -> list[Key]:
        """Forget who has left; return whose connections are to be cut now.

        A classic load balancer ends the draining as soon as nothing is in flight, one with
        target groups shows it until the delay is over ("Deregistration delay").
        """
        with self._lock:
            now = self.now()
            cut, self._lost = self._lost, []
            for key, entry, target in list(self._leaving()):
                unknown = not target.registered.known(now, self.routing)
                if entry.pool.kind == "classic" and unknown and not busy(key):
                    target.finish(now)
                if target.drained(now):
                    self._tell(key[0], target, "gone")
                forgotten = target.forgotten(now, self.routing)
                if forgotten or (target.drained(now) and not target.released):
                    target.released = True
                    cut.append(key)
                if forgotten:
                    del entry.targets[key[1:]]
            return cut

    def next_sweep(self) -> float | None:
        """Return when somebody's draining, or the last node's belief in it, ends."""
        with self._lock:
            now = self.now()
            times = [t.leaves for _, _, t in self._leaving() if not t.released]
            known = [t.registered.since + self.routing for _, _, t in self._leaving()]
            return min(times + [time for time in known if time > now], default=None)

    @property
    def leaving(self) -> bool:
        """Whether anybody is."""
        with self._lock:
            return next(self._leaving(), None) is not None

    def _leaving(self) -> Iterator[tuple[Key, Entry, Target]]:
        for pool, entry in self._entries.items():
            for key, target in entry.targets.items():
                if target.left is not None:
                    yield (pool, *key), entry, target
