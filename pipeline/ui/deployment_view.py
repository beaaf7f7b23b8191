"""Collect the content of a deployment's live display from its events; `live` draws it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Event,
    PhaseBegan,
    PhaseEnded,
    ProbeCounted,
    RollbackBegan,
    Watched,
)
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.state.deployment import Deployment, PhaseRun
from pipeline.core.times import format_duration
from pipeline.ui import icons
from pipeline.ui.member_status import IMAGE, RELEASE, VERSION, named, tally, targets_of
from pipeline.ui.text import one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One phase; `began` is set once it runs, `run` once it has ended."""

    name: str
    began: float | None = None
    limit: float = 0.0
    run: PhaseRun | None = None


class DeploymentView:
    """The phases of a deployment, the latest observation, the probe, and the reason to wait."""

    def __init__(self, began: DeploymentBegan) -> None:
        self.deployment: Deployment = began.deployment
        self.rows = [Row(name=name) for name in began.phases]
        self.observation: Observation | None = None
        self.waiting = ""
        self.probe = ""
        self.ended = False

    def report(self, event: Event, now: float) -> None:
        """Apply an event; `now` is in seconds of the clock that `cells` uses."""
        match event:
            case PhaseBegan(name=name, limit=limit):
                self.waiting = ""
                self._set(Row(name=name, began=now, limit=limit))
            case Watched(waiting=waiting, observation=observation):
                self.waiting, self.observation = one_line(waiting), observation
            case ProbeCounted(totals=totals):
                self.probe = str(totals)
            case PhaseEnded(run=run):
                self.waiting = ""
                self._set(Row(name=run.name, run=run))
            case RollbackBegan(phases=phases):
                past = [row for row in self.rows if row.began is not None or row.run]
                self.rows = [*past, *(Row(name=name) for name in phases)]
            case DeploymentEnded(deployment=deployment):
                self.deployment, self.ended, self.waiting = deployment, True, ""

    def _set(self, row: Row) -> None:
        """Replace the first row of that name that has not ended, or add a row."""
        for index, each in enumerate(self.rows):
            if each.name == row.name and each.run is None:
                self.rows[index] = replace(row, limit=row.limit or each.limit)
                return
        self.rows.append(row)

    def shows(self, reason: str) -> bool:
        """Return True if a failed phase already shows the reason."""
        return any(row.run and row.run.fault and row.run.fault in reason for row in self.rows)

    def cells(self, now: float) -> list[tuple[str, str, str, str]]:
        """Return a line for each phase: icon, name, duration, and its limit or failure."""
        rows = [row for row in self.rows if row.run or row.began is not None or not self.ended]
        return [self._cell(row, now) for row in rows]

    def _cell(self, row: Row, now: float) -> tuple[str, str, str, str]:
        name = one_line(row.name)
        if row.run:
            icon = icons.FAILED if row.run.fault else icons.DONE
            return icon, name, format_duration(row.run.seconds), one_line(row.run.fault)
        if row.began is None:
            return icons.PENDING, name, "", ""
        if self.ended:
            return icons.FAILED, name, "", "unfinished"
        limit = f"limit {format_duration(row.limit)}" if row.limit else ""
        return icons.RUNNING, name, format_duration(now - row.began), limit

    def groups(self) -> list[tuple[str, str, str]]:
        """Return blue and green: role, release, and the state of its group."""
        if self.observation is None or self.ended:
            return []
        roles = (("blue", self.deployment.blue), ("green", self.deployment.green))
        return [
            (role, release, self._state(release, self.observation))
            for role, release in roles
            if release
        ]

    def _state(self, release: str, observation: Observation) -> str:
        group = self._group(release, observation)
        if group is None:
            return "no group" if not observation.unreadable else "unreadable"
        facts = [self._fact(release, group, VERSION), self._fact(release, group, IMAGE)]
        places = sorted({*observation.targets, *group.attached}, key=named)
        found = [(named(place), targets_of(group, observation, place)) for place in places]
        in_balancers = [f"{name}: {states}" for name, states in found if states]
        about = ", ".join(one_line(fact) for fact in facts if fact)
        without = [] if self.deployment.worker else ["no traffic"]
        state = "; ".join([f"{tally(group)} of {group.desired}", *(in_balancers or without)])
        return f"{about}\n{state}" if about else state

    def _group(self, release: str, observation: Observation) -> ObservedGroup | None:
        end = f"-{self.deployment.environment}-{release}"
        return next(
            (
                group
                for group in observation.groups.values()
                if group.tags.get(RELEASE) == release or group.name.endswith(end)
            ),
            None,
        )

    def _fact(self, release: str, group: ObservedGroup, tag: str) -> str:
        own = {VERSION: self.deployment.version, IMAGE: self.deployment.image}
        known = own[tag] if release == self.deployment.green else ""
        return known or group.tags.get(tag, "")
