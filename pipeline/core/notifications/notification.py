"""Define a notification: what happened, for whom it is, and its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pipeline.core.image import NO_ITEMS
from pipeline.core.validation.one_line import one_line

LONGEST: Final = 1000
"""Characters of one line at most: a reason may contain the output of a program."""


class Occasion(StrEnum):
    """What a notification is sent for, by the name that `events` in pipeline.toml uses."""

    BEGAN = "began"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    NEEDS_ATTENTION = "needs-attention"
    REBUILT = "rebuilt"
    NO_REBUILD = "no-rebuild"
    ROLLBACK_UNPROVEN = "rollback-unproven"
    TEST = "test"


OF_DEPLOYMENTS: Final = (
    Occasion.BEGAN,
    Occasion.PAUSED,
    Occasion.PROMOTED,
    Occasion.ROLLED_BACK,
    Occasion.NEEDS_ATTENTION,
    Occasion.REBUILT,
)
CONFIGURABLE: Final = (*OF_DEPLOYMENTS, Occasion.NO_REBUILD, Occasion.ROLLBACK_UNPROVEN)
"""The events that a target can choose; a test is always sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a notification below its title: a label and a text."""

    label: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One event for all targets that want it.

    `key` is unique for the event and the same in each attempt, so that a receiver can drop a
    duplicate. `at` is when it happened, UTC, ISO 8601. `link` is the CI job, empty for none.
    `deployment` is the id of the deployment, empty for none, `commit` that of its image. `facts`
    are JSON data for programs.
    """

    key: str
    occasion: Occasion
    app: str
    environment: str
    at: str
    title: str
    lines: tuple[Line, ...] = ()
    link: str = ""
    deployment: str = ""
    commit: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)

    @property
    def heading(self) -> str:
        """The title with the application and the environment before it."""
        return f"{self.app} {self.environment}: {self.title}"


def lines_of(pairs: Mapping[str, str]) -> tuple[Line, ...]:
    """Return the lines that have a text, each printable and on one line."""
    shown = {label: one_line(text, LONGEST) for label, text in pairs.items()}
    return tuple(Line(label=label, text=text) for label, text in shown.items() if text)


def plain_text(notification: Notification, link: str = "") -> str:
    """Return a notification as lines of text; `link` is what to show if it has none."""
    rows = [f"{each.label}: {each.text}" for each in notification.lines]
    shown = notification.link or link
    return "\n".join([notification.heading, *rows, *([shown] if shown else [])])


def document(notification: Notification, link: str = "") -> dict[str, Any]:
    """Return a notification for a program."""
    return {
        "id": notification.key,
        "event": str(notification.occasion),
        "app": notification.app,
        "environment": notification.environment,
        "at": notification.at,
        "title": notification.title,
        "details": {each.label: each.text for each in notification.lines},
        "link": notification.link or link or None,
        "deployment": dict(notification.facts) or None,
    }
