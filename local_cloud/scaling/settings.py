"""Keep the schedules, policies and notifications of a group.

They are on the group itself. So a deleted group takes them along, and a new group of the same
name starts without any, as in AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_cloud.scaling.schedule import ScheduledAction

NAME = "local_cloud_settings"


@dataclass(kw_only=True)
class Settings:
    """The settings of one group, each by its name."""

    actions: dict[str, ScheduledAction] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    topics: dict[str, list[str]] = field(default_factory=dict)  # ARN -> types


def of(group: Any) -> Settings:
    """Return the settings of a moto group."""
    found: Settings = group.__dict__.setdefault(NAME, Settings())
    return found
