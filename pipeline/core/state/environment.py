"""The document of an environment: what serves, what is kept, what runs, who holds the lease.

Frozen values and questions about them. Where it is kept, and that nobody overwrites what he has
not read, is the affair of `adapters/environments.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.core.image import NO_ITEMS
from pipeline.core.state.deployment import Deployment, Result, Runner
from pipeline.core.state.release import Release

NEXT = "next"
"""`Kept.warm_until` of a release that is kept until the next promotion."""
REMEMBERED = 50
"""Releases that served once, kept in the document for a rollback; the history knows them all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """Who may change the environment until when; `epoch` grows with every taking.

    `since` and `expires` are UTC, ISO 8601. `process` marks the owner's process among all that
    ever ran on its machine, or is empty. `broken` names who ended it in its owner's place.
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
    """A release that has a server group; `warm_until` is set while it is kept for a rollback.

    `warm_until` is UTC, ISO 8601, `next` for until the next promotion, or empty. `failed` marks
    one whose deployment failed and that was left dark for a look. `made` says that Terraform
    reported its group made; until then a part of it may exist that the state does not know.
    `minimum` is what its group gets once it serves alone. `ready` are the seconds it took from
    its launch until every member was healthy everywhere, 0 where nobody knows.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredRelease:
    """A release that served once, newest first in the document: where a rollback may lead."""

    release: str
    ami_id: str
    image_name: str = ""
    version: str = ""
    until: str = ""
    quarantined: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """The whole document; `epoch` is that of the last lease taken.

    `serving` is a key of `releases` or empty before the first release. `releases` are all that
    have a server group. `past` are releases that served, newest first, without the serving one.
    `broken` is the epoch of the last lease that was broken: its run may be alive.
    """

    app: str
    environment: str
    account: str
    region: str
    next: int = 1
    epoch: int = 0
    broken: int = 0
    serving: str = ""
    releases: Mapping[str, ReleaseRecord] = field(default_factory=lambda: NO_ITEMS)
    past: tuple[RetiredRelease, ...] = ()
    deployment: Deployment | None = None
    lease: Lease | None = None

    @property
    def warm(self) -> tuple[str, ...]:
        """The releases kept for a rollback, newest first."""
        kept = (name for name in sorted(self.releases, reverse=True) if name != self.serving)
        return tuple(name for name in kept if not self.releases[name].failed)

    def begun(self, deployment: Deployment, green: ReleaseRecord | None = None) -> Environment:
        """Return the document at the beginning of a deployment; `green` is a release of its own.

        One without a blue found that nothing serves, whatever the document said until then.
        """
        document = self if deployment.blue else self.bereft(deployment.began)
        document = document.with_release(green) if green else document
        following = max(self.next, green.release.number + 1) if green else self.next
        return replace(document, deployment=deployment, next=following)

    def promoted(
        self, deployment: Deployment, *, keep: float | None, today: str, ready: float = 0.0
    ) -> Environment:
        """Return the document once green serves in the place of blue, which stays for a rollback.

        `keep` is for how long, as in Policy. `ready` is green's, where this run knows it.
        Repeating it changes nothing.
        """
        if self.serving == deployment.green:
            return self
        green = self.releases[deployment.green]
        green = replace(green, warm_until="", since=today, ready=ready or green.ready)
        document = replace(self.with_release(green), serving=deployment.green)
        blue = self.releases.get(deployment.blue)
        if blue is None:
            return document
        until = NEXT if keep is None else _later(today, keep)
        left = tuple(each for each in self.past if each.release != deployment.green)
        document = document.with_release(replace(blue, warm_until=until))
        return replace(document, past=(_past(blue, today), *left)[:REMEMBERED])

    def bereft(self, today: str) -> Environment:
        """Return the document in which nothing serves, for the group that did is gone.

        Its release has its place among `releases` until Terraform knows nothing of it any more. A
        deployment in flight has no blue from then on. Repeating it changes nothing.
        """
        lost = self.releases.get(self.serving)
        past = tuple(each for each in self.past if each.release != self.serving)
        if lost:
            past = (_past(lost, today), *past)[:REMEMBERED]
        going = replace(self.deployment, blue="") if self.deployment else None
        return replace(self, serving="", past=past, deployment=going)

    def taken_back(self, deployment: Deployment) -> Environment:
        """Return the document in which green is not decided for any more: blue is to serve again.

        For a green that was found ill while blue was still there. Repeating it changes nothing.
        """
        if self.serving != deployment.green or deployment.blue not in self.releases:
            return self
        blue = replace(self.releases[deployment.blue], warm_until="")
        past = tuple(each for each in self.past if each.release != deployment.blue)
        return replace(self.with_release(blue), serving=deployment.blue, past=past)

    def with_quarantined(self, ami_id: str) -> Environment:
        """Return the document in which no rollback leads to an image any more."""
        past = tuple(
            replace(each, quarantined=each.quarantined or each.ami_id == ami_id)
            for each in self.past
        )
        return replace(self, past=past)

    def closed(self, deployment: Deployment) -> Environment:
        """Return the document after a deployment; one that was stranded stays in it."""
        outcome = deployment.outcome
        if outcome and outcome.result is Result.NEEDS_ATTENTION:
            return replace(self, deployment=deployment)
        green = self.releases.get(deployment.green)
        if green and deployment.green != self.serving:
            return replace(self.with_release(replace(green, failed=True)), deployment=None)
        return replace(self, deployment=None)

    def overdue(self, today: str) -> tuple[str, ...]:
        """Return the releases that were kept warm for a time that is over."""
        now = datetime.fromisoformat(today)
        limits = {name: self.releases[name].warm_until for name in self.warm}
        timed = {name: until for name, until in limits.items() if until not in {"", NEXT}}
        return tuple(name for name in timed if datetime.fromisoformat(timed[name]) <= now)

    def with_release(self, kept: ReleaseRecord) -> Environment:
        """Return the document with a release that has a group."""
        return replace(self, releases={**self.releases, kept.release.name: kept})

    def without(self, *names: str) -> Environment:
        """Return the document without the groups of these releases."""
        left = {name: kept for name, kept in self.releases.items() if name not in names}
        return replace(self, releases=left)


def _past(kept: ReleaseRecord, today: str) -> RetiredRelease:
    """Return what is remembered of a release that serves no more."""
    return RetiredRelease(
        release=kept.release.name,
        ami_id=kept.release.ami_id,
        image_name=kept.image_name,
        version=kept.version,
        until=today,
    )


def _later(today: str, seconds: float) -> str:
    return (datetime.fromisoformat(today) + timedelta(seconds=seconds)).isoformat()
