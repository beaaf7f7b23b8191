"""What is put on a group beside its members: schedules, policies, notifications.

Kept on the group itself, so that a group that is deleted takes everything with it and
one of the same name begins with nothing, as in AWS.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_cloud.scaling.schedule import ScheduledAction

NAME = "local_cloud_settings"


@dataclasses.dataclass(kw_only=True)
class Settings:
    """The settings of one group, each by its name."""

    actions: dict[str, ScheduledAction] = dataclasses.field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    topics: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # ARN -> types


def of(group: Any) -> Settings:
    """Return the settings of a group of moto's."""
    found: Settings = group.__dict__.setdefault(NAME, Settings())
    return found
