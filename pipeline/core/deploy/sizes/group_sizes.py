"""Change the sizes of groups: grow one that is to take over, and set green's size at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.ports import GroupWriter, Ledger
from pipeline.core.deploy.sizes.limits import limits_at_end, limits_of
from pipeline.core.freshness import Write
from pipeline.core.health.observation import Observation, ObservedGroup
from pipeline.core.state.deployment import Deployment, Limits
from pipeline.core.state.environment import Environment
from pipeline.core.state.ownership import require_managed


@dataclass(kw_only=True)
class GroupSizes:
    """The sizes of one environment's groups; `changing` journals a change."""

    observer: Observer
    groups: GroupWriter
    ledger: Ledger
    changing: Callable[..., AbstractContextManager[None]]
    _grown: dict[str, int] = field(default_factory=dict, init=False)
    _most: dict[str, int] = field(default_factory=dict, init=False)
    _replaced: dict[str, Limits] = field(default_factory=dict, init=False)

    def grow(self, release: str, least: int, observation: Observation) -> None:
        """Raise a group's size to at least `least` members; a larger group stays as it is.

        So does an adopted group, and one whose size AWS counts in other units. An observation
        that may be older than the change of an earlier run decides nothing: the group may have
        its own, larger size again.
        """
        if observation.at < self.observer.settled([Write.RESTORE], {release}):
            return
        document = self._document()
        group = observation.groups.get(self.observer.group(release))
        if group is None or group.status or group.weighted or release in document.adopted:
            return
        least, minimum = _least(document, release, group, least)
        # The observation may be older than this run's own change.
        least = max(least, self._grown.get(release, 0))
        if group.desired >= least:
            return
        require_managed(document, release, group)
        if _was_set(document, release, group) and release not in self._grown:
            self._replaced[release] = limits_of(group)
        self._grown[release] = least
        with self.changing("resize", {}, group=group.name, desired=least):
            most = max(least, self._most.get(release, 0))
            maximum = most if least > group.maximum else None
            self.groups.resize(group.name, minimum=minimum, maximum=maximum, desired=least)

    def stop(self, release: str, group: ObservedGroup) -> None:
        """Stop a worker's group: Auto Scaling terminates its members, as its hooks allow.

        Its size is recorded before, for the way back. No policy can start it again: its maximum is
        0. A group that the pipeline stopped already stays as it is, and so does an adopted one.
        """
        if not group.maximum or release in self._document().adopted:
            return
        size = limits_of(group)
        self.ledger.update(lambda document: document.with_stopped(release, size))
        with self.changing("stop", {Write.DETACH: {release}}, group=group.name, **_facts(size)):
            self.groups.resize(group.name, minimum=0, maximum=0, desired=0)

    def reduce(self, release: str, desired: int, observation: Observation) -> None:
        """Lower a group's size; no policy can raise it again, and the way back restores it.

        Its own size is recorded before, once. An adopted group keeps its size.
        """
        group = observation.groups.get(self.observer.group(release))
        document = self._document()
        if group is None or group.status or group.weighted or release in document.adopted:
            return
        require_managed(document, release, group)
        size = limits_of(group)
        self.ledger.update(lambda document: document.with_stopped(release, size))
        with self.changing("reduce", {}, group=group.name, desired=desired):
            minimum = min(group.minimum, desired)
            self.groups.resize(group.name, minimum=minimum, maximum=desired, desired=desired)

    def restart(self, release: str) -> None:
        """Give a group that the pipeline stopped or reduced its recorded size again."""
        record = self._document().releases.get(release)
        size = record.stopped if record else None
        if size is None or size.desired is None:
            return
        name = self.observer.group(release)
        self._grown[release], self._most[release] = size.desired, size.maximum
        # A worker that was stopped had no members: no earlier state shows those of a part.
        write = Write.ATTACH if self.observer.place.is_worker else Write.RESTORE
        with self.changing("restart", {write: {release}}, group=name, **_facts(size)):
            self.groups.resize(name, **_facts(size))
        self.ledger.update(lambda document: document.with_stopped(release, None))

    def limits_at_end(self, deployment: Deployment) -> Limits | None:
        """Return the size for green once it serves alone.

        None for an adopted group, and if its group is not described.
        """
        blue, green = deployment.blue, deployment.green
        both = frozenset({blue, green} - {""})
        observation = self.observer.observe_complete(both, activities={blue} - {""}, targets=False)
        group = observation.groups.get(self.observer.group(green))
        record = self._document().releases.get(green)
        if group is None or record is None or record.adopted:
            return None
        name = self.observer.group(blue) if blue else ""
        return limits_at_end(
            deployment,
            record.release.size,
            group,
            observation.groups.get(name),
            observation.activities.get(name, ()),
            replaced=self._replaced.get(green),
        )

    def set_limits(self, release: str, limits: Limits) -> None:
        """Set a group's minimum and maximum, and its desired capacity unless that is None.

        An adopted group keeps its own, and so does one whose size AWS counts in other units.
        """
        if release in self._document().adopted:
            return
        name = self.observer.group(release)
        observation = self.observer.observe_until(
            {release}, lambda it: name in it.groups, targets=False
        )
        group = observation.groups.get(name)
        if group is None or group.status or group.weighted:
            return
        wanted = group.desired if limits.desired is None else limits.desired
        desired = min(max(wanted, limits.minimum), limits.maximum)
        sizes = {
            "minimum": _unless(group.minimum, limits.minimum),
            "maximum": _unless(group.maximum, limits.maximum),
            "desired": _unless(group.desired, desired),
        }
        changed = {key: size for key, size in sizes.items() if size is not None}
        if changed:
            # Attachments and the other groups stay as they were observed.
            with self.changing("set size", {}, shows=False, group=name, **changed):
                self.groups.resize(name, **sizes)

    def _document(self) -> Environment:
        return self.ledger.read()


def _facts(size: Limits) -> dict[str, int | None]:
    return {"minimum": size.minimum, "maximum": size.maximum, "desired": size.desired}


def _unless(is_now: int, wanted: int) -> int | None:
    return None if is_now == wanted else wanted


def _least(
    document: Environment, release: str, group: ObservedGroup, least: int
) -> tuple[int, int | None]:
    """Return the size to reach, and the minimum to set, None to leave it.

    A group that a run emptied for its deletion gets its size back. Green is new: a schedule or a
    person emptied it.
    """
    record, deployment = document.releases.get(release), document.deployment
    new = deployment and not deployment.warm and release == deployment.green
    if not record or group.desired or new:
        return least, None
    least = max(least, record.release.size.desired)
    return least, min(record.minimum, least) if record.minimum > group.minimum else None


def _was_set(document: Environment, release: str, group: ObservedGroup) -> bool:
    """Return True if a schedule or a person set a smaller size than the pipeline launched.

    A policy cannot shrink a group below its minimum, and the pipeline raised that for the launch.
    """
    record = document.releases.get(release)
    return record is not None and group.minimum < record.release.size.minimum
