"""Suspend and resume the processes of a group.

EC2 Auto Scaling User Guide, "Types of processes". AWS itself also suspends processes, after a
day of failed launches; here only users do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from local_cloud.scaling.model import Group

NAMES = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)


def is_suspended(group: Group, process: str) -> bool:
    """Return True if a process is suspended."""
    return process in group.suspended


def unknown(names: Sequence[str]) -> list[str]:
    """Return the names that are not processes."""
    return [name for name in names if name not in NAMES]


def suspend(group: Group, names: Sequence[str], at: dt.datetime) -> None:
    """Suspend processes, or all without names; a suspended one keeps its reason."""
    for name in names or NAMES:
        group.suspended.setdefault(name, f"User suspended at {at:%Y-%m-%dT%H:%M:%SZ}")


def resume(group: Group, names: Sequence[str]) -> None:
    """Resume processes, or all without names."""
    for name in names or NAMES:
        group.suspended.pop(name, None)
