"""The document of an environment: what serves, what is kept, what runs, who holds the lease.

Frozen values and questions about them. Where it is kept, and that nobody overwrites what he has
not read, is the affair of `adapters/environments.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.core.deployment import Deployment, Runner
from pipeline.core.fleet import Release
from pipeline.core.model import NO_ITEMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """Who may change the environment until when; `epoch` grows with every taking.

    `since` and `expires` are UTC, ISO 8601. `process` marks the owner's process among all that
    ever ran on its machine, or is empty.
    """

    owner: Runner
    epoch: int
    since: str
    expires: str
    command: str = ""
    process: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A release that has a server group; `warm_until` is set while it is kept for a rollback.

    `warm_until` is UTC, ISO 8601, `next` for until the next promotion, or empty. `failed` marks
    one whose deployment failed and that was left dark for a look.
    """

    release: Release
    image_name: str = ""
    version: str = ""
    since: str = ""
    warm_until: str = ""
    failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
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
    """

    app: str
    environment: str
    account: str
    region: str
    next: int = 1
    epoch: int = 0
    serving: str = ""
    releases: Mapping[str, Kept] = field(default_factory=lambda: NO_ITEMS)
    past: tuple[Past, ...] = ()
    deployment: Deployment | None = None
    lease: Lease | None = None

    @property
    def warm(self) -> tuple[str, ...]:
        """The releases kept for a rollback, newest first."""
        kept = (name for name in sorted(self.releases, reverse=True) if name != self.serving)
        return tuple(name for name in kept if not self.releases[name].failed)

    def with_release(self, kept: Kept) -> Environment:
        """Return the document with a release that has a group."""
        return replace(self, releases={**self.releases, kept.release.name: kept})

    def without(self, *names: str) -> Environment:
        """Return the document without the groups of these releases."""
        left = {name: kept for name, kept in self.releases.items() if name not in names}
        return replace(self, releases=left)
