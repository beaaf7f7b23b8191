"""Define the document of an environment: its releases, its deployment and its lease.

Frozen values and pure functions. `adapters/store/records/environments.py` reads and writes the
document and rejects a write that is based on an outdated read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Deployment, Kind, Limits, Result, Runner
from pipeline.core.state.release import AdoptedGroup, Release, group_name, number_of, release_of
from pipeline.core.validation.phases import BACK, traits_of

NEXT = "next"
"""The `warm_until` of a release that stays warm until the next promotion."""
MOST_RETIRED = 50
"""How many retired releases the document keeps for a rollback; the history has them all."""
MOST_INPUTS = 10
"""How many of them keep their inputs, which may have 16 KB of user data each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The expiring lock on an environment; each new lease has a higher `epoch`.

    `since` and `expires` are UTC, ISO 8601. `process` identifies the owner's process among all
    that ever ran on its machine, or is empty. `broken` names the user who broke the lease.
    """

    owner: Runner
    epoch: int
    since: str
    expires: str
    command: str = ""
    process: str = ""
    broken: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseRecord:
    """A release that has a server group; `warm_until` is set while it stays warm for a rollback.

    `warm_until` is UTC, ISO 8601, or `next` for until the next promotion, or empty. `failed` marks
    a release whose deployment failed and that is kept, detached, for debugging. `made` says that
    Terraform reported its group as created; until then a part of it may exist that the state does
    not know. `minimum` is the minimum size of its group once it serves alone. `ready` is the
    number of seconds from its launch until every member was healthy everywhere, 0 if unknown.
    `inputs` is what else made the release (core/changes/inputs.py), None if it was not recorded.
    `adopted` is its group if the pipeline did not create it; Terraform never has such a release.
    `stopped` is the size that a group had before the pipeline stopped it (a worker) or reduced it
    (in batches), None while it has its own. `target_groups` are those of pairs that it uses, by
    their ARNs. `removal` is since when its removal is pending, UTC, ISO 8601: the deployment that
    replaced it did not wait for that. It is empty otherwise.
    """

    release: Release
    image_name: str = ""
    version: str = ""
    since: str = ""
    warm_until: str = ""
    failed: bool = False
    made: bool = False
    minimum: int = 0
    ready: float = 0.0
    inputs: Mapping[str, Any] | None = None
    adopted: AdoptedGroup | None = None
    stopped: Limits | None = None
    target_groups: tuple[str, ...] = ()
    removal: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredRelease:
    """A release that served earlier and that a rollback may return to; the newest keep inputs."""

    release: str
    ami_id: str
    image_name: str = ""
    version: str = ""
    until: str = ""
    quarantined: bool = False
    inputs: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillRecord:
    """The last drill: `release` is the earlier release whose rollback it tried.

    `ended` is UTC, ISO 8601. `seconds` is how long it took until the release was verified or the
    drill failed, without the removal. `reason` says why it failed, empty if it is proven.
    """

    release: str
    ami_id: str
    deployment: str
    ended: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The document of an environment; `epoch` is the epoch of the last lease.

    `serving` is a key of `releases`, or empty if no release serves. `releases` are all that have
    a server group. `retired` are the releases that served earlier, newest first. `broken` is the
    epoch of the last lease that was broken: its run may still be running. `program` is the one
    that writes Terraform's state, `terraform` or `tofu`; empty before the first deployment.
    `drill` is the last one, None before the first.
    """

    app: str
    environment: str
    account: str
    region: str
    next: int = 1
    epoch: int = 0
    broken: int = 0
    serving: str = ""
    program: str = ""
    releases: Mapping[str, ReleaseRecord] = field(default_factory=lambda: NO_ITEMS)
    retired: tuple[RetiredRelease, ...] = ()
    deployment: Deployment | None = None
    lease: Lease | None = None
    drill: DrillRecord | None = None

    @property
    def is_empty(self) -> bool:
        """Return True if nothing is recorded but leases: no deployment has begun."""
        recorded = self.serving or self.releases or self.retired or self.deployment
        return self.next == 1 and not recorded

    def group(self, release: str) -> str:
        """Return the name of a release's server group."""
        adopted = self.adopted_group(release)
        return adopted.name if adopted else group_name(self.app, self.environment, release)

    def adopted_group(self, release: str) -> AdoptedGroup | None:
        """Return a release's group if the pipeline did not create it, otherwise None."""
        record = self.releases.get(release)
        return record.adopted if record else None

    def release_at(self, group: str) -> str:
        """Return the release whose group has this name, by its name alone; empty without one."""
        adopted = (each for each in self.adopted if self.group(each) == group)
        return next(adopted, release_of(group, self.app, self.environment))

    @property
    def adopted(self) -> frozenset[str]:
        """The releases whose groups the pipeline did not create: it deletes and resizes none."""
        return frozenset(name for name, each in self.releases.items() if each.adopted)

    def in_terraform(self, names: Iterable[str]) -> list[Release]:
        """Return those of these releases that Terraform creates and deletes, by name."""
        ours = sorted(frozenset(names) - self.adopted)
        return [self.releases[name].release for name in ours]

    @property
    def warm(self) -> tuple[str, ...]:
        """Return the releases that are warm, newest first."""
        others = (name for name in sorted(self.releases, reverse=True) if name != self.serving)
        known = self.releases
        return tuple(name for name in others if not (known[name].failed or known[name].removal))

    @property
    def unremoved(self) -> tuple[str, ...]:
        """Return the releases whose removal is pending, newest first."""
        return tuple(
            name for name in sorted(self.releases, reverse=True) if self.releases[name].removal
        )

    def started(
        self, deployment: Deployment, green: ReleaseRecord | None = None, program: str = ""
    ) -> Environment:
        """Return the document at the start of a deployment; `green` is its new release, if any.

        A deployment without blue has found that no release serves. `program` has planned it.
        """
        document = self if deployment.blue else self.without_serving(deployment.began)
        document = document.with_release(green) if green else document
        if deployment.target_groups:
            record = document.releases[deployment.green]
            used = replace(record, target_groups=deployment.target_groups)
            document = document.with_release(used)
        following = max(self.next, green.release.number + 1) if green else self.next
        program = program or self.program
        return replace(document, deployment=deployment, next=following, program=program)

    def promoted(
        self, deployment: Deployment, *, keep: float | None, today: str, ready: float = 0.0
    ) -> Environment:
        """Return the document after green replaced blue, which stays warm for a rollback.

        `keep` is for how long, as in Policy. `ready` is green's, 0 if this run does not know it.
        Repeating it changes nothing.
        """
        if self.serving == deployment.green:
            return self
        green = self.releases[deployment.green]
        green = replace(green, warm_until="", removal="", since=today, ready=ready or green.ready)
        document = replace(self.with_release(green), serving=deployment.green)
        blue = self.releases.get(deployment.blue)
        if blue is None:
            return document
        until = NEXT if keep is None else _later(today, keep)
        until = "" if blue.adopted else until
        left = tuple(each for each in self.retired if each.release != deployment.green)
        document = document.with_release(replace(blue, warm_until=until))
        return replace(document, retired=_retired(blue, left, today))

    def with_adopted(self, record: ReleaseRecord) -> Environment:
        """Return the document in which an adopted release serves.

        No later release has a number that would give it the name of this group.
        """
        document = replace(self.with_release(record), serving=record.release.name)
        name = document.group(document.serving)
        before = {each for each in self.adopted if self.group(each) == name}
        document = document.without(*before - {document.serving})
        same = release_of(name, self.app, self.environment)
        numbers = (self.next, record.release.number + 1, number_of(same) + 1 if same else 0)
        return replace(document, next=max(numbers))

    def without_adopted(self, release: str) -> Environment:
        """Return the document before a group was adopted as this release; its number is used up."""
        serving = "" if self.serving == release else self.serving
        return replace(self.without(release), serving=serving)

    def without_serving(self, today: str) -> Environment:
        """Return the document without a serving release, because its group was deleted.

        The release stays in `releases` until it is removed from Terraform's state. A deployment in
        flight loses its blue. Repeating it changes nothing.
        """
        lost = self.releases.get(self.serving)
        retired = tuple(each for each in self.retired if each.release != self.serving)
        if lost:
            retired = _retired(lost, retired, today)
        deployment = replace(self.deployment, blue="") if self.deployment else None
        return replace(self, serving="", retired=retired, deployment=deployment)

    def reverted(self, deployment: Deployment) -> Environment:
        """Return the document in which blue serves again, after `promoted` for this deployment.

        For a green that became unhealthy while blue still existed. Repeating it changes nothing.
        """
        if self.serving != deployment.green or deployment.blue not in self.releases:
            return self
        blue = replace(self.releases[deployment.blue], warm_until="", removal="")
        retired = tuple(each for each in self.retired if each.release != deployment.blue)
        return replace(self.with_release(blue), serving=deployment.blue, retired=retired)

    def with_quarantined(self, ami_id: str) -> Environment:
        """Return the document in which no rollback returns to this image."""
        retired = tuple(
            replace(each, quarantined=each.quarantined or each.ami_id == ami_id)
            for each in self.retired
        )
        return replace(self, retired=retired)

    def closed(self, deployment: Deployment) -> Environment:
        """Return the document after a deployment; one that is not over stays in it."""
        outcome = deployment.outcome
        if outcome and outcome.result in {Result.NEEDS_ATTENTION, Result.PAUSED}:
            return replace(self, deployment=deployment)
        if deployment.kind is Kind.DRILL:
            return replace(self, deployment=None, drill=_drill_record(deployment))
        green = self.releases.get(deployment.green)
        if green and deployment.green != self.serving and not green.adopted:
            return replace(self.with_release(replace(green, failed=True)), deployment=None)
        return replace(self, deployment=None)

    def overdue(self, today: str) -> tuple[str, ...]:
        """Return the releases to remove: it is pending, or their warm time is over."""
        now = datetime.fromisoformat(today)
        limits = {name: self.releases[name].warm_until for name in self.warm}
        timed = {name: until for name, until in limits.items() if until not in {"", NEXT}}
        over = (name for name in timed if datetime.fromisoformat(timed[name]) <= now)
        return (*self.unremoved, *over)

    def with_pending_removal(self, names: Iterable[str], today: str) -> Environment:
        """Return the document in which a later command removes these releases."""
        document = self
        for name in self.releases.keys() & set(names):
            record = replace(self.releases[name], removal=today, warm_until="")
            document = document.with_release(record)
        return document

    def with_release(self, record: ReleaseRecord) -> Environment:
        """Return the document with this release, added or replaced."""
        return replace(self, releases={**self.releases, record.release.name: record})

    def with_stopped(self, name: str, size: Limits | None) -> Environment:
        """Return the document with the size at which a worker's group was stopped, None: it runs.

        Repeating it keeps the first size.
        """
        record = self.releases[name]
        size = size and (record.stopped or size)
        return self.with_release(replace(record, stopped=size))

    def without(self, *names: str) -> Environment:
        """Return the document without these releases."""
        left = {name: each for name, each in self.releases.items() if name not in names}
        return replace(self, releases=left)


def _retired(
    record: ReleaseRecord, others: tuple[RetiredRelease, ...], today: str
) -> tuple[RetiredRelease, ...]:
    """Return the retired releases with this one as the newest."""
    kept = (_retire(record, today), *others)[:MOST_RETIRED]
    older = (replace(each, inputs=None) for each in kept[MOST_INPUTS:])
    return (*kept[:MOST_INPUTS], *older)


def _retire(record: ReleaseRecord, today: str) -> RetiredRelease:
    """Return the record of a release that no longer serves."""
    return RetiredRelease(
        release=record.release.name,
        ami_id=record.release.ami_id,
        image_name=record.image_name,
        version=record.version,
        until=today,
        inputs=record.inputs,
    )


def _drill_record(drill: Deployment) -> DrillRecord:
    """Return what a drill proved; one that was killed before its end and then removed failed."""
    tried = [run for run in drill.phases if BACK not in traits_of(run.name)]
    faults = [f"{run.name}: {run.fault}" for run in tried if run.fault]
    proven = drill.outcome is not None and drill.outcome.result is Result.PROVEN
    return DrillRecord(
        release=drill.proves,
        ami_id=drill.image,
        deployment=drill.id,
        ended=drill.ended,
        seconds=sum(run.seconds for run in tried),
        reason="" if proven else next(iter(faults), "interrupted"),
    )


def _later(today: str, seconds: float) -> str:
    return (datetime.fromisoformat(today) + timedelta(seconds=seconds)).isoformat()
