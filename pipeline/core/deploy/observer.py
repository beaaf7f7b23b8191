"""Read what AWS shows of an environment: fresh enough, and no API more than once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf

from pipeline.core import commands
from pipeline.core.deploy.gates.watcher import GateWatcher
from pipeline.core.deploy.polling import QUICK
from pipeline.core.deploy.ports import EnvironmentReader, GroupReader, Pace
from pipeline.core.errors import FailedError
from pipeline.core.freshness import AGAIN, SETTLED, Write, Writes
from pipeline.core.health.observation import Observation
from pipeline.core.health.place import Place

GROUPS, TARGETS = "groups", "targets"
"""The APIs that an observation calls."""
SHORTEST_SLEEP = 0.01
"""Seconds between two observations even if the first took long: signals arrive in a sleep."""
COMPLETE_TRIES = 30
"""Observations, one a second, before an action that needs a complete one gives up."""


@dataclass(kw_only=True)
class Observer:
    """A reader of one environment: the latest observation, and when each API was called.

    `writes` are the writes that an observation may not show yet.
    """

    place: Place
    groups: GroupReader
    ledger: EnvironmentReader
    pace: Pace
    writes: Writes = field(default_factory=Writes)
    latest: Observation | None = field(default=None, init=False)
    _shown: frozenset[str] = field(default=frozenset(), init=False)
    _with_targets: bool = field(default=False, init=False)
    _called: dict[str, float] = field(default_factory=dict, init=False)
    _heard: Observation | None = field(default=None, init=False)

    def group(self, release: str) -> str:
        """Return the name of a release's group."""
        return self.ledger.read().group(release)

    def observe(
        self, releases: Iterable[str], *, activities: Iterable[str] = (), targets: bool = True
    ) -> Observation:
        """Observe the groups of these releases and every load balancer.

        Waits if an API was called less than a second ago. Without `targets` the load balancers
        are not read; their last answer is in the observation for display only.
        """
        names = sorted(self.group(release) for release in releases)
        of = [self.group(release) for release in sorted(activities)]
        self._take_turn(GROUPS, *([TARGETS] if targets else []))
        balancers = self.place.all_balancers if targets else ()
        rules = self.place.rules if names else ()
        observation = self.groups.observe(names, balancers, activities=of, rules=rules)
        if not targets and self.latest:
            observation = replace(observation, targets=self.latest.targets)
        self.latest, self._shown, self._with_targets = observation, frozenset(names), targets
        return observation

    def invalidate(self) -> None:
        """Forget how fresh the latest observation is: something is about to change."""
        self._shown = frozenset()

    def inherit(self) -> None:
        """Doubt every observation of the next seconds: another run may just have written."""
        self.invalidate()
        self.writes.inherit(self.pace.now())

    def settled(self, writes: Iterable[Write], releases: Iterable[str]) -> float:
        """Return from when on every observation shows these writes to these releases' groups."""
        return self.writes.settled(writes, map(self.group, releases))

    def wait_until(self, moment: float) -> None:
        """Wait for a moment; returns at once if it has passed."""
        if (left := moment - self.pace.now()) > 0:
            self.pace.sleep(left)

    def observe_complete(
        self,
        releases: Iterable[str],
        *,
        activities: Iterable[str] = (),
        targets: bool = True,
        since: float = -inf,
    ) -> Observation:
        """Return an observation without unreadable parts: actions take missing for deleted.

        It began at `since` or later; this waits for that time. It has the `activities` of some
        releases. Raises FailedError if AWS does not answer for too long.
        """
        wanted, of = frozenset(releases), frozenset(activities)
        latest = self.latest if self.latest and self.latest.at >= since else None
        read = latest.activities.keys() if latest else ()
        known = all(self.group(release) in read for release in of)
        if latest and known and self._is_fresh(wanted, targets=targets):
            return latest
        self.wait_until(since)
        for _ in range(COMPLETE_TRIES):
            observation = self.observe(wanted, activities=of, targets=targets)
            if not observation.unreadable:
                return observation
        remedy = commands.status(self.place.environment)
        raise FailedError("reading the groups", "\n".join(observation.unreadable), remedy)

    def observe_once(self, releases: Iterable[str], *, targets: bool = True) -> Observation:
        """Return a fresh observation, though AWS may not have answered all of it."""
        wanted = frozenset(releases)
        if self.latest and self._is_fresh(wanted, targets=targets):
            return self.latest
        return self.observe(wanted, targets=targets)

    def observe_until(
        self,
        releases: Iterable[str],
        enough: Callable[[Observation], bool],
        *,
        targets: bool = True,
        since: float = -inf,
    ) -> Observation:
        """Return a complete observation that is `enough`, or one that no earlier state explains.

        One answer may be older than it should and one health check may fail, so an observation
        that is not enough is repeated for `SETTLED` seconds. Raises FailedError if AWS does not
        answer for too long.
        """
        wanted, first = frozenset(releases), inf
        while True:
            observation = self.observe_complete(wanted, targets=targets, since=since)
            first = min(first, observation.at)
            if enough(observation) or observation.at >= first + SETTLED:
                return observation
            since = min(observation.at + AGAIN, first + SETTLED)

    def survey(self, enough: Callable[[Observation], bool]) -> Observation:
        """Return a complete observation of every release, as a base for a decision."""
        return self.observe_until(self.ledger.read().releases, enough)

    def find_deleted(self, releases: frozenset[str]) -> frozenset[str]:
        """Return the releases whose groups were deleted outside the pipeline.

        Terraform would create such a group again. No observation of several seconds shows it.
        """
        known = self.ledger.read().releases
        made = frozenset(name for name in releases if name in known and known[name].made)
        if not made:
            return made
        seen: set[str] = set()

        def all_seen(observation: Observation) -> bool:
            seen.update(observation.groups)
            return seen >= {self.group(name) for name in made}

        self.observe_until(made, all_seen, targets=False)
        return frozenset(name for name in made if self.group(name) not in seen)

    def watch(self, watcher: GateWatcher) -> Observation:
        """Return the next observation of a wait: every release, and what the gate needs."""
        releases = watcher.gate.releases | set(self.ledger.read().releases)
        if watcher.accepts_earlier and self.latest and self._is_fresh(releases):
            return self.latest
        # Targets that were just heard count, unless another observation came between (a signal).
        heard = self._heard is not None and self._heard is self.latest
        targets = watcher.gate.reads_targets and not heard
        observation = self.observe(releases, activities=watcher.activities, targets=targets)
        self._with_targets = self._with_targets or heard
        return observation

    def wait_for_next(self, watcher: GateWatcher, deadline: float) -> None:
        """Wait until the next observation is due, or the load balancers alone show news.

        Waits no longer than to the deadline, as long as that is ahead.
        """
        due = min(watcher.due, deadline) if deadline > self.pace.now() else watcher.due
        while watcher.listens and due - self.pace.now() > QUICK:
            self._take_turn(TARGETS)
            heard = self.groups.observe((), self.place.all_balancers, activities=())
            heard = replace(heard, groups=watcher.latest.groups, weights=watcher.latest.weights)
            if not heard.unreadable and watcher.is_news(heard):
                self.latest, self._heard = heard, heard
                self.invalidate()
                return
        self.pace.sleep(max(SHORTEST_SLEEP, due - self.pace.now()))

    def _take_turn(self, *apis: str) -> None:
        """Wait until a second has passed since the last call of each of these APIs."""
        due = max(self._called.get(api, -inf) for api in apis) + QUICK
        if (left := due - self.pace.now()) > 0:
            self.pace.sleep(left)
        self._called |= dict.fromkeys(apis, self.pace.now())

    def _is_fresh(self, releases: Iterable[str], *, targets: bool = True) -> bool:
        """Return True if a new observation would add nothing: it is recent, and nothing changed."""
        latest = self.latest
        if latest is None or latest.unreadable or self.pace.now() - latest.at >= QUICK:
            return False
        shown = self._shown >= {self.group(release) for release in releases}
        return shown and (self._with_targets or not targets)
