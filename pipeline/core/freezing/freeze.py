"""Define a freeze of an environment: promote, rebuild and resume refuse while it lasts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pipeline.core.errors import RefusedError
from pipeline.core.times import format_time

LONGEST_DAYS: Final = 366
"""The longest freeze by hand in days: a later end is a mistake in the year."""
MOST: Final = 50
"""How many freezes by hand an environment may have at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Freeze:
    """A time in which no release is put into service; `since` and `until` are UTC, ISO 8601.

    `by` is the person who froze the environment, and `run` the URL of the CI job. Of a freeze that
    pipeline.toml plans, `window` is the window, and `by` is empty.
    """

    why: str
    since: str
    until: str
    by: str = ""
    run: str = ""
    window: str = ""

    def lasts(self, now: datetime) -> bool:
        """Return True if it is not over."""
        return now < datetime.fromisoformat(self.until)

    def describe(self, now: datetime | None = None) -> str:
        """Return until when, by whom and why; the time is in the zone of `now`, else as it is."""
        by = f"by {self.by}" if self.by else f"by pipeline.toml ({self.window})"
        until = format_time(self.until, now) if now else self.until
        return f"until {until} {by}: {self.why}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FreezeRecord:
    """The freezes of an environment that people made, oldest first."""

    freezes: tuple[Freeze, ...] = ()

    def at(self, now: datetime) -> FreezeRecord:
        """Return the record without the freezes that are over."""
        return replace(self, freezes=tuple(each for each in self.freezes if each.lasts(now)))


@dataclass(frozen=True, kw_only=True, slots=True)
class FreezeState:
    """The freezes of an environment at one moment.

    `active` last now, and `free` is when the last of them and of those that follow them without a
    gap ends, UTC, ISO 8601. Without an active one, `following` is the next planned one, if any.
    """

    active: tuple[Freeze, ...] = ()
    free: str = ""
    following: Freeze | None = None

    def describe(self, now: datetime | None = None) -> str:
        """Return each active freeze, empty without any; `now` as for one freeze."""
        return "; ".join(each.describe(now) for each in self.active)


NOT_FROZEN = FreezeState()


def frozen_error(where: str, state: FreezeState, now: datetime, remedy: str) -> RefusedError:
    """Return the refusal of a command; `where` ends in the environment, `now` is local."""
    lines = [f"is frozen {each.describe(now)}" for each in state.active]
    lines.append("rollback, recover and abort still work")
    return RefusedError(where, "\n".join(lines), remedy)
