"""Find the members of environments for `logs` and `shell`."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.inspection.members import EnvironmentMember, members_of, no_member
from pipeline.core.state.environment import Environment


def read_members(reader: EnvironmentReader, document: Environment) -> tuple[EnvironmentMember, ...]:
    """Return the members of every release that has a group; raises RefusedError."""
    names = [document.group(each) for each in document.releases]
    seen = reader.groups.observe(names, (), activities=())
    if seen.unreadable:
        where = f"reading the members of {reader.environment}"
        raise RefusedError(where, "\n".join(seen.unreadable), commands.status(reader.environment))
    return members_of(document, seen.groups)


def find_member(app: Application, member: str, environment: str = "") -> EnvironmentMember:
    """Return a member by its instance id, of one environment or of any.

    Raises RefusedError, which lists the members, if it is none.
    """
    names = [environment] if environment else [*app.settings.environments]
    found = tuple(each for name in names for each in _members_of(app, name))
    chosen = next((each for each in found if each.id == member), None)
    if chosen is None:
        remedy = commands.status(environment) if environment else commands.ami_pipeline("status")
        raise no_member(f"shell on {member}", member, found, remedy)
    return chosen


def _members_of(app: Application, environment: str) -> Iterator[EnvironmentMember]:
    reader = EnvironmentReader(app=app, environment=environment)
    reader.require_known()
    yield from read_members(reader, reader.document())
