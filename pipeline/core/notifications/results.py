"""Define what `notify test` and `notify check` did."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.notifications.notification import Notification


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What happened to the test of a target: `error` is empty if the target took it."""

    target: str
    kind: str
    environment: str
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What is overdue in one environment, and what could not be sent.

    `wanted` are the targets that are told of it, `told` those that this command told; the others
    were told earlier on the same day. `problems` say what failed, a line for each. `is_checked`
    says that [notify_check] has days for the environment.
    """

    environment: str
    overdue: tuple[Notification, ...] = ()
    wanted: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    is_checked: bool = True
