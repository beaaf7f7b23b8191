"""When to launch again after launches that failed."""

from __future__ import annotations

from local_cloud.scaling.model import Group
from local_cloud.scaling.ports import World

# Auto Scaling tries again with growing pauses; it does not say which (User Guide,
# "Troubleshoot Amazon EC2 Auto Scaling"). Seconds of AWS's.
FIRST, LONGEST = 10.0, 300.0
SHORTEST_HERE = 0.25  # seconds of ours: a fast cloud is not to drown in failed launches


def postpone(group: Group, world: World, now: float) -> None:
    """Launch nothing for a while, the longer the more launches have failed in a row."""
    pause = min(FIRST * 2 ** min(group.failures, 16), LONGEST)
    group.failures += 1
    group.retry = now + max(world.scaled(pause), SHORTEST_HERE)


def is_due(group: Group, now: float) -> bool:
    """Tell whether the group may launch."""
    return group.retry is None or now > group.retry


def at_once(group: Group) -> None:
    """Forget the failures: somebody changed what is to be launched."""
    group.failures, group.retry = 0, None
