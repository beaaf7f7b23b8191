"""Decide when to launch again after failed launches."""

from __future__ import annotations

from local_cloud.scaling.model import Group
from local_cloud.scaling.ports import Ports

# Auto Scaling retries with growing pauses that are not documented (User Guide,
# "Troubleshoot Amazon EC2 Auto Scaling"). AWS's seconds.
FIRST, LONGEST = 10.0, 300.0
SHORTEST = 0.25  # real seconds: a fast cloud must not repeat failed launches all the time


def postpone(group: Group, ports: Ports, now: float) -> None:
    """Pause launches, longer after each failed launch in a row."""
    pause = min(FIRST * 2 ** min(group.failures, 16), LONGEST)
    group.failures += 1
    group.retry = now + max(ports.scaled(pause), SHORTEST)


def is_due(group: Group, now: float) -> bool:
    """Return True if the group may launch."""
    return group.retry is None or now > group.retry


def reset(group: Group) -> None:
    """Forget the failures after a change of the launch settings."""
    group.failures, group.retry = 0, None
