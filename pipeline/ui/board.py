"""What a live display of a deployment shows, gathered from its events; drawn by `live`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.core.events import (
    DeploymentBegan,
    DeploymentEnded,
    Event,
    PhaseBegan,
    PhaseEnded,
    RollbackBegan,
    Watched,
)
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.state.deployment import Deployment, PhaseRun
from pipeline.ui import glyphs
from pipeline.ui.members import IMAGE, RELEASE, VERSION, named, tally, targets_of
from pipeline.ui.text import duration, one_line


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One phase: `began` is set once it runs, `run` once it is over."""

    name: str
    began: float | None = None
    limit: float = 0.0
    run: PhaseRun | None = None


class Board:
    """The phases, the newest look, and what is waited for."""

    def __init__(self, began: DeploymentBegan) -> None:
        self.deployment: Deployment = began.deployment
        self.rows = [Row(name=name) for name in began.phases]
        self.observation: Observation | None = None
        self.waiting = ""
        self.over = False

    def report(self, event: Event, now: float) -> None:
        """Take an event in; `now` is in seconds of the clock that `cells` is asked with."""
        match event:
            case PhaseBegan(name=name, limit=limit):
                self.waiting = ""
                self._set(Row(name=name, began=now, limit=limit))
            case Watched(waiting=waiting, observation=observation):
                self.waiting, self.observation = one_line(waiting), observation
            case PhaseEnded(run=run):
                self.waiting = ""
                self._set(Row(name=run.name, run=run))
            case RollbackBegan(phases=phases):
                gone = [row for row in self.rows if row.began is not None or row.run]
                self.rows = [*gone, *(Row(name=name) for name in phases)]
            case DeploymentEnded(deployment=deployment):
                self.deployment, self.over, self.waiting = deployment, True, ""

    def _set(self, row: Row) -> None:
        """Replace the first row of that name that is not over; one nobody announced is added."""
        for index, each in enumerate(self.rows):
            if each.name == row.name and each.run is None:
                self.rows[index] = replace(row, limit=row.limit or each.limit)
                return
        self.rows.append(row)

    def told(self, reason: str) -> bool:
        """Return whether a phase's own fault says the reason already."""
        return any(row.run and row.run.fault and row.run.fault in reason for row in self.rows)

    def cells(self, now: float) -> list[tuple[str, str, str, str]]:
        """Return a line for each phase: icon, name, time, what it is at or how it failed."""
        rows = [row for row in self.rows if row.run or row.began is not None or not self.over]
        return [self._cell(row, now) for row in rows]

    def _cell(self, row: Row, now: float) -> tuple[str, str, str, str]:
        name = one_line(row.name)
        if row.run:
            icon = glyphs.FAILED if row.run.fault else glyphs.DONE
            return icon, name, duration(row.run.seconds), one_line(row.run.fault)
        if row.began is None:
            return glyphs.LATER, name, "", ""
        if self.over:
            return glyphs.FAILED, name, "", "not finished"
        limit = f"at most {duration(row.limit)}" if row.limit else ""
        return glyphs.RUNNING, name, duration(now - row.began), limit

    def groups(self) -> list[tuple[str, str, str]]:
        """Return blue and green: role, release, and what is seen of its group."""
        if self.observation is None or self.over:
            return []
        roles = (("blue", self.deployment.blue), ("green", self.deployment.green))
        return [
            (role, release, self._seen(release, self.observation))
            for role, release in roles
            if release
        ]

    def _seen(self, release: str, observation: Observation) -> str:
        group = self._group(release, observation)
        if group is None:
            return "no group" if not observation.unreadable else "not seen"
        facts = [self._fact(release, group, VERSION), self._fact(release, group, IMAGE)]
        places = sorted({*observation.targets, *group.attached}, key=named)
        told = [(named(place), targets_of(group, observation, place)) for place in places]
        in_balancers = [f"{name}: {states}" for name, states in told if states]
        about = ", ".join(one_line(fact) for fact in facts if fact)
        state = "; ".join([f"{tally(group)} of {group.desired}", *(in_balancers or ["no traffic"])])
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
        mine = {VERSION: self.deployment.version, IMAGE: self.deployment.image}
        known = mine[tag] if release == self.deployment.green else ""
        return known or group.tags.get(tag, "")
