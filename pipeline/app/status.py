"""Read one environment for `status`, once or repeatedly, without changing it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.adapters.aws.balancers import describe_absent
from pipeline.adapters.identity import has_exited
from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.state.environment import Environment
from pipeline.core.state.release import group_name
from pipeline.core.state.status import Status, is_running, missing_releases, rollback_option

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
        existing, absent = reader.found_balancers
        names = [group_name(document.app, document.environment, each) for each in document.releases]
        observation = reader.groups.observe(names, existing, activities=())
        lost = tuple(describe_absent(each) for each in absent)
        observation = replace(observation, unreadable=(*observation.unreadable, *lost))
        history = reader.deployments.history(reader.environment, REMEMBERED)
        return Status(
            environment=document,
            observation=observation,
            balancers=existing,
            rollback=rollback_option(
                document, history, now, missing_releases(document, observation)
            ),
            running=is_running(document, now, process=_process_exists(document)),
        )


def _process_exists(document: Environment) -> bool | None:
    """Return whether the process of the deployment in flight is on this machine, None if unknown.

    A CI job's machine may be a copy of another one, so its process ids prove nothing.
    """
    lease = document.lease
    if lease is None or lease.owner.run:
        return None
    return not has_exited(lease.owner.pid, lease.process)
