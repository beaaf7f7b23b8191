"""Hold all groups of one region and the activities of deleted ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from local_cloud.scaling import group as groups
from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import Ports


@dataclass(kw_only=True, eq=False)
class Region:
    """The groups of a region, and all activities, also of deleted groups."""

    ports: Ports
    groups: dict[str, Group] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)

    def step(self, now: float) -> bool:
        """Advance every group; return True if anything changed."""
        moved = [self._step(group, now) for group in list(self.groups.values())]
        return any(moved)

    def _step(self, group: Group, now: float) -> bool:
        moved = groups.step(group, self.ports, now)
        if groups.is_gone(group, self.ports, now):
            self._forget(group)
            return True
        return moved

    def _forget(self, group: Group) -> None:
        del self.groups[group.name]
        self.ports.forget(group)
        for activity in self.activities:
            if activity.auto_scaling_group_arn == group.settings.arn:
                activity.auto_scaling_group_state = "Deleted"

    def find(self, instance: str) -> tuple[Group, Member] | None:
        """Return the member of an instance, and its group."""
        for group in self.groups.values():
            if member := group.find(instance):
                return group, member
        return None
