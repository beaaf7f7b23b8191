"""Define a pause of a deployment: what configures it, and what is recorded of it.

These values are below `core.state`, because a deployment has pauses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.core.times import format_time

ONE_DAY = 86_400.0


class OnTimeout(StrEnum):
    """What ends a pause whose time is over."""

    ABORT = "abort"
    RESUME = "resume"


class Approval(StrEnum):
    """Who may resume a paused deployment: anyone, or another person than the one who began it."""

    ANYONE = "anyone"
    ANOTHER = "another"


class Decision(StrEnum):
    """How a pause ended."""

    RESUMED = "resumed"
    ABORTED = "aborted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """A person, as far as the machine knows: a user of a CI system, or the ARN of credentials.

    `system` is the CI system or `AWS`. Both are empty if unknown.
    """

    system: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return the name with its system: `ann (GitHub Actions)`; an ARN as it is."""
        is_plain = self.system in {AWS, ""}
        return self.name if is_plain else f"{self.name} ({self.system})"


AWS = "AWS"
NO_ACTOR = Actor()


@dataclass(frozen=True, kw_only=True, slots=True)
class PausePolicy:
    """When a deployment pauses: `before` these phases, for at most `limit` seconds."""

    before: tuple[str, ...] = ()
    limit: float = ONE_DAY
    on_timeout: OnTimeout = OnTimeout.ABORT
    approval: Approval = Approval.ANYONE

    def begin(self, phase: str, today: str) -> Pause:
        """Return the pause before a phase that begins now; `today` is UTC, ISO 8601."""
        until = datetime.fromisoformat(today) + timedelta(seconds=self.limit)
        return Pause(
            before=phase,
            since=today,
            until=until.isoformat(),
            on_timeout=self.on_timeout,
            approval=self.approval,
        )


NO_PAUSES = PausePolicy()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """One pause of a deployment, `before` a phase; times are UTC, ISO 8601.

    After `until`, the next command that changes the environment does what `on_timeout` says.
    `ended` and `decision` are empty while it lasts. `approver` ended it, for `reason`; both are
    empty if its time was over.
    """

    before: str
    since: str
    until: str
    on_timeout: OnTimeout = OnTimeout.ABORT
    approval: Approval = Approval.ANYONE
    ended: str = ""
    decision: Decision | None = None
    approver: Actor = NO_ACTOR
    reason: str = ""

    def is_over(self, now: datetime) -> bool:
        """Return True if the time of the pause is over."""
        return datetime.fromisoformat(self.until) <= now

    def describe(self, by: str, now: datetime) -> str:
        """Return before what, since when, by whom and until when, with the times in now's zone."""
        since, until = format_time(self.since, now), format_time(self.until, now)
        then = f"until {until}, then {self.on_timeout}"
        return f"before {self.before} since {since} by {by}, {then}"

    def decided(
        self, decision: Decision, today: str, approver: Actor = NO_ACTOR, reason: str = ""
    ) -> Pause:
        """Return the pause as it ended; without an approver, its time was over."""
        return replace(self, decision=decision, ended=today, approver=approver, reason=reason)
