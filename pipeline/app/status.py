"""Read one environment for `status`, once or repeatedly, without changing it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.adapters.identity import has_exited
from pipeline.app.application import Application
from pipeline.app.environment.freezes import read_freezes
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.changes.inputs import InputChange
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.freezing.freeze import NOT_FROZEN, FreezeState
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import owner_in
from pipeline.core.state.rollback import ALL_GOOD, ImageStates, rollback_option
from pipeline.core.state.status import Status, is_running, missing_releases

REMEMBERED = 20
"""How many deployments are read to tell how long the last rollback took."""
INTERVAL = 2.0
"""Seconds of the cloud's clock between two reads of `status --watch`."""


class StatusReader:
    """The status of one environment: its document, its history, and what AWS reports."""

    def __init__(self, app: Application, environment: str) -> None:
        app.settings.environment(environment)
        self.reader = EnvironmentReader(app=app, environment=environment)

    @property
    def interval(self) -> float:
        """Real seconds to wait between two reads."""
        return max(INTERVAL / self.reader.pace.speed, 0.5)

    def now(self) -> datetime:
        """Return the time of the store's clock, because this machine's may be wrong."""
        return self.reader.now()

    def status(self) -> Status:
        """Return the current status."""
        reader, document, now = self.reader, self.reader.document(), self.reader.now()
        existing, absent = reader.entries(document)
        observation = self._observe(document, existing)
        images, unread = self._images(document)
        damaged: list[RefusedError] = []
        history = reader.deployments.history(reader.environment, REMEMBERED, damaged.append)
        missing = missing_releases(document, observation)
        frozen, unknown = self._frozen()
        left_out = (f"{each.where}: {each.what}; {each.remedy}" for each in damaged)
        changed, problem = self._changed(document)
        return Status(
            environment=document,
            observation=observation,
            balancers=existing,
            absent=absent,
            rollback=rollback_option(document, history, now, missing, images),
            running=is_running(document, now, process=_process_exists(document)),
            is_overdue=_is_overdue(document, now),
            images=images,
            changed=changed,
            problem=problem,
            pairs=reader.pairs,
            frozen=frozen,
            latest=next((each for each in history if each.outcome), None),
            unread=(*unread, *unknown, *left_out),
        )

    def _observe(self, document: Environment, balancers: tuple[Balancer, ...]) -> Observation:
        """Return the releases' groups, and every other group that receives traffic.

        All groups of the region are listed only if a target belongs to none of the releases.
        """
        groups = self.reader.groups
        names = [document.group(each) for each in document.releases]
        pairs = self.reader.pairs
        both = (each for pair in pairs for each in pair.targets)
        observation = groups.observe(
            names,
            tuple(dict.fromkeys((*balancers, *both))),
            activities=(),
            rules=tuple(each.rule for each in pairs),
        )
        ours = {each.id for group in observation.groups.values() for each in group.members}
        others = {each for targets in observation.targets.values() for each in targets} - ours
        is_lost_worker = self.reader.is_worker and document.is_empty
        if not others and not is_lost_worker:
            return observation
        try:
            found = groups.receiving(balancers, others)
        except PipelineError as error:
            unread = f"{error.where}: {error.what}"
            return replace(observation, unreadable=(*observation.unreadable, unread))
        if is_lost_worker:
            owner = f"{document.app}/{document.environment}"
            found = {name: each for name, each in found.items() if owner_in(each.tags) == owner}
        return replace(observation, groups={**found, **observation.groups})

    def _images(self, document: Environment) -> tuple[ImageStates, tuple[str, ...]]:
        """Return the states of the images that have served, and why they are unknown."""
        try:
            return self.reader.image_states(document), ()
        except PipelineError as error:
            return ALL_GOOD, (f"{error.where}: {error.what}",)

    def _frozen(self) -> tuple[FreezeState, tuple[str, ...]]:
        """Return the freezes, and why they are unknown."""
        try:
            return read_freezes(self.reader), ()
        except PipelineError as error:
            return NOT_FROZEN, (f"{error.where}: {error.what}",)

    def _changed(self, document: Environment) -> tuple[tuple[InputChange, ...], str]:
        """Return what differs in the configuration, and why that is unknown."""
        try:
            return self.reader.changed_inputs(document), ""
        except PipelineError as error:
            return (), f"{error.where}: {error.what}; {error.remedy}"


def _is_overdue(document: Environment, now: datetime) -> bool:
    """Return True if the time of a pause is over."""
    pause = document.deployment.pause if document.deployment else None
    return pause is not None and pause.is_over(now)


def _process_exists(document: Environment) -> bool | None:
    """Return whether the process of the deployment in flight is on this machine, None if unknown.

    A CI job's machine may be a copy of another one, so its process ids prove nothing.
    """
    lease = document.lease
    if lease is None or lease.owner.run:
        return None
    return not has_exited(lease.owner.pid, lease.process)
