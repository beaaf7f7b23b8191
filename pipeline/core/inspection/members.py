"""Find the members of an environment: which instances there are, and of which release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.state.environment import Environment

MOST_NAMED = 10
"""Members that an error lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentMember:
    """An instance of an environment; `lifecycle` is Auto Scaling's LifecycleState."""

    id: str
    release: str
    lifecycle: str
    environment: str


def members_of(
    document: Environment, groups: Mapping[str, ObservedGroup]
) -> tuple[EnvironmentMember, ...]:
    """Return the members of the releases that have a group, the serving release first."""
    order = sorted(document.releases, key=lambda each: (each != document.serving, each))
    return tuple(_members(document, order, groups))


def _members(
    document: Environment, releases: Iterable[str], groups: Mapping[str, ObservedGroup]
) -> Iterator[EnvironmentMember]:
    for release in releases:
        group = groups.get(document.group(release))
        for each in group.members if group else ():
            yield EnvironmentMember(
                id=each.id,
                release=release,
                lifecycle=each.lifecycle,
                environment=document.environment,
            )


def choose(
    document: Environment,
    members: tuple[EnvironmentMember, ...],
    *,
    release: str = "",
    member: str = "",
) -> tuple[EnvironmentMember, ...]:
    """Return the members of a release, or one member; empty names choose all.

    Raises RefusedError for a release without a group and for an instance that is no member.
    """
    where = f"members of {document.environment}"
    if release and release not in document.releases:
        there = ", ".join(sorted(document.releases)) or "none"
        what = f"{release} has no group; the releases with a group: {there}"
        raise RefusedError(where, what, commands.status(document.environment))
    found = tuple(each for each in members if release in {"", each.release})
    if not member:
        return found
    chosen = tuple(each for each in found if each.id == member)
    if not chosen:
        raise no_member(where, member, found, commands.status(document.environment))
    return chosen


def no_member(
    where: str, member: str, members: Iterable[EnvironmentMember], remedy: str
) -> RefusedError:
    """Return the error about an instance that is no member; it lists those that are."""
    known = [f"{each.id} ({each.release})" for each in members]
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    there = ", ".join(known[:MOST_NAMED]) + more if known else "none"
    return RefusedError(where, f"{member} is no member; the members: {there}", remedy)
