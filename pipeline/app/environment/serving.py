"""Prove that the serving release serves before a command says that there is nothing to do."""

from __future__ import annotations

from dataclasses import replace

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.errors import RefusedError
from pipeline.core.health.serving import Condition, Trouble
from pipeline.core.state.environment import Environment
from pipeline.core.state.next_step import repair
from pipeline.core.state.rollback import RollbackMode, RollbackOption, rollback_option
from pipeline.core.state.status import Status, condition, missing_releases

LOST = frozenset({Trouble.MISSING, Trouble.DELETED})
"""What a promotion of the same image repairs: it launches a new group."""


def require_serving(
    reader: EnvironmentReader, document: Environment, *, may_be_empty: bool = False
) -> Condition:
    """Return the condition of the serving group: it serves, or it was deleted.

    With `may_be_empty`, a group that was scaled to zero is no error. Raises RefusedError with the
    command that attaches or scales the group, or rolls back.
    """
    status = _status(reader, document)
    found = condition(status)
    if found.trouble is None or found.trouble in LOST:
        return found
    if found.trouble is Trouble.EMPTY and may_be_empty:
        return found
    group = document.group(document.serving)
    if found.trouble is Trouble.UNHEALTHY:
        status = _with_rollback(reader, status)
    what = f"is recorded as serving, but does not serve: {found.what}"
    if found.trouble is Trouble.UNREADABLE:
        what = "\n".join([found.what, *status.observation.unreadable])
    raise RefusedError(f"server group {group}", what, repair(status))


def _status(reader: EnvironmentReader, document: Environment) -> Status:
    existing, absent = reader.entries(document)
    return Status(
        environment=document,
        observation=reader.serving_observation(document),
        balancers=existing,
        absent=absent,
        rollback=RollbackOption(mode=RollbackMode.NONE),
    )


def _with_rollback(reader: EnvironmentReader, status: Status) -> Status:
    """Return the status with the rollback that is possible."""
    document = status.environment
    names = [document.group(each) for each in document.releases]
    missing = missing_releases(document, reader.groups.observe(names, (), activities=()))
    images = reader.image_states(document)
    option = rollback_option(document, (), reader.now(), missing, images)
    return replace(status, rollback=option, images=images)
