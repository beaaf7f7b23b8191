"""Define a target of notifications: which ones it gets, and what sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.core.masking import Masker
from pipeline.core.notifications.notification import Notification, Occasion
from pipeline.core.validation.one_line import one_line

LONGEST = 300
"""Characters of an error at most; it may contain the answer of a server."""

Send = Callable[[Notification], None]
"""Sends a notification; raises SendError."""


class SendError(Exception):
    """A notification was not sent, or it is unknown whether it was; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One `[[notify]]` of pipeline.toml, ready to send.

    `environments` are those it is told of, empty for all; `link` is shown if a notification has no
    CI job. `masker` masks the target's secrets in errors.
    """

    name: str
    kind: str
    events: frozenset[Occasion]
    send_to: Send
    environments: frozenset[str] = frozenset()
    masker: Masker = field(default_factory=Masker)

    def wants(self, notification: Notification) -> bool:
        """Return True if the target is told of this event in this environment."""
        here = not self.environments or notification.environment in self.environments
        return here and notification.occasion in {*self.events, Occasion.TEST}

    def send(self, notification: Notification) -> str:
        """Send a notification; return why it failed on one masked line, empty if it was sent."""
        try:
            self.send_to(notification)
        except SendError as error:
            return one_line(self.masker.text(str(error)), LONGEST)
        except Exception as error:  # noqa: BLE001 - a bug here must not end the thread
            return one_line(self.masker.text(f"{type(error).__name__}: {error}"), LONGEST)
        return ""
