"""Looking at an environment without touching it: `status` and `history`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.adapters.aws.balancers import describe_absent
from pipeline.adapters.identity import has_exited
from pipeline.app.application import Application
from pipeline.app.session import EnvironmentSession
from pipeline.core.state.deployment import Deployment
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import group_name
from pipeline.core.state.status import Status, alive, gone, way_back

REMEMBERED = 20
"""Deployments that are read to say how long a rollback took last."""
EVERY = 2.0
"""Seconds between two looks of `status --watch`."""


class Looking:
    """Reads one environment: its document, its history, and what AWS says."""

    def __init__(self, app: Application, environment: str) -> None:
        app.settings.environment(environment)
        self._ground = EnvironmentSession(app=app, environment=environment)

    @property
    def seconds(self) -> float:
        """How long to wait between two looks, in real seconds."""
        return max(EVERY / self._ground.pace.speed, 0.5)

    def now(self) -> datetime:
        """Return the time by the clock that leases go by: this machine's may be wrong."""
        return self._ground.now()

    def history(self, limit: int) -> tuple[Deployment, ...]:
        """Return the deployments of the environment, newest first."""
        return self._ground.deployments.history(self._ground.environment, limit)

    def status(self) -> Status:
        """Return what stands now."""
        session = self._ground
        document = session.document()
        now = session.now()
        there, absent = session.sought
        names = [group_name(document.app, document.environment, each) for each in document.releases]
        observation = session.groups.observe(names, there, activities=())
        lost = tuple(describe_absent(each) for each in absent)
        observation = replace(observation, unreadable=(*observation.unreadable, *lost))
        return Status(
            environment=document,
            observation=observation,
            balancers=there,
            way_back=way_back(document, self.history(REMEMBERED), now, gone(document, observation)),
            alive=alive(document, now, process=_process(document)),
        )


def _process(document: Environment) -> bool | None:
    """Return whether the process of the deployment in flight is here, None where nobody knows."""
    lease = document.lease
    if lease is None or lease.owner.run:
        return None
    return not has_exited(lease.owner.pid, lease.process)
