"""Read what happens in an environment: deployments, scaling activities, targets and weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.inspection.happenings import (
    Happening,
    Stream,
    of_activities,
    of_run,
)
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.journal import Entry

DEPLOYMENTS = 10
"""The newest deployments whose phases and steps are read."""
INTERVAL = 2.0
"""Seconds of the cloud's clock between two readings of `events --follow`."""


@dataclass(kw_only=True)
class EventReader:
    """The events of one environment: the newest ones first, then those that are new.

    A secret that this run knows is masked.
    """

    app: Application
    environment: str
    limit: int
    reader: EnvironmentReader = field(init=False)
    _stream: Stream = field(default_factory=Stream, init=False)
    _journals: dict[str, tuple[Entry, ...]] = field(default_factory=dict, init=False)
    _over: set[str] = field(default_factory=set, init=False)
    _recorded: tuple[Deployment, ...] = field(default=(), init=False)
    _running: str | None = field(default=None, init=False)
    _damaged: tuple[str, ...] = field(default=(), init=False)
    _unreadable: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        """Make the reader of the environment; raises ConfigurationError if it is unknown."""
        self.reader = EnvironmentReader(app=self.app, environment=self.environment)
        self.reader.require_known()

    @property
    def interval(self) -> float:
        """Real seconds to wait between two readings."""
        return max(INTERVAL / self.reader.pace.speed, 0.5)

    def read(self) -> tuple[list[Happening], tuple[str, ...]]:
        """Return the new events in order of time, and what could not be read, once.

        Raises RefusedError.
        """
        document = self.reader.document()
        existing, absent = self.reader.entries(document)
        paired = (each for pair in self.reader.pairs for each in pair.targets)
        balancers = tuple(dict.fromkeys((*existing, *paired)))
        seen = self._observe(document, balancers)
        now = self.reader.now().isoformat(timespec="seconds")
        past = [*self._deployments(document), *of_activities(document, seen.activities)]
        found = self._stream.new(past, now)[-self.limit :]
        found += self._stream.changes(document, seen, balancers, now)
        masked = self.app.masker(self.environment).text
        missing = tuple(f"{each.name} does not exist" for each in absent)
        unreadable, before = (*seen.unreadable, *missing, *self._damaged), self._unreadable
        self._unreadable = unreadable
        notes = tuple(each for each in unreadable if each not in before)
        return [replace(each, text=masked(each.text)) for each in found], notes

    def _observe(self, document: Environment, balancers: tuple[Balancer, ...]) -> Observation:
        names = [document.group(each) for each in document.releases]
        rules = tuple(each.rule for each in self.reader.pairs)
        return self.reader.groups.observe(names, balancers, activities=names, rules=rules)

    def _deployments(self, document: Environment) -> Iterator[Happening]:
        """Yield what the store has of the newest deployments, with the one in flight."""
        for each in self._newest(document):
            yield from of_run(each, self._journal(each))

    def _newest(self, document: Environment) -> tuple[Deployment, ...]:
        """Return the deployments; the history changes only when one begins or ends."""
        current = document.deployment
        running = current.id if current else ""
        if self._running != running:
            self._running = running
            damaged: list[RefusedError] = []
            self._recorded = self.reader.deployments.history(
                self.environment, DEPLOYMENTS, damaged.append
            )
            self._damaged = tuple(f"{e.where}: {e.what}; {e.remedy}" for e in damaged)
        others = tuple(each for each in self._recorded if each.id != running)
        return (*others, current) if current else others

    def _journal(self, deployment: Deployment) -> tuple[Entry, ...]:
        """Return the journal of a deployment; only new entries are read again."""
        known = self._journals.get(deployment.id, ())
        last = known[-1].n if known else 0
        if deployment.ended and deployment.id in self._over:
            return known
        new = self.reader.deployments.journal(deployment.id, after=last)
        self._journals[deployment.id] = (*known, *new)
        if deployment.ended:
            self._over.add(deployment.id)
        return self._journals[deployment.id]
