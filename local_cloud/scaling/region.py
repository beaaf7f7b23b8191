"""All groups of one region: what a clock looks at, and what is remembered of those deleted."""

from __future__ import annotations

import dataclasses

from local_cloud.scaling import group as groups
from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import World


@dataclasses.dataclass(kw_only=True, eq=False)
class Region:
    """The groups of a region and the activities of all, also of those that are gone."""

    world: World
    groups: dict[str, Group] = dataclasses.field(default_factory=dict)
    activities: list[Activity] = dataclasses.field(default_factory=list)

    def step(self, now: float) -> bool:
        """Move every group on; tell whether anything moved."""
        moved = [self._step(group, now) for group in list(self.groups.values())]
        return any(moved)

    def _step(self, group: Group, now: float) -> bool:
        moved = groups.step(group, self.world, now)
        if groups.is_gone(group, self.world, now):
            self._forget(group)
            return True
        return moved

    def _forget(self, group: Group) -> None:
        del self.groups[group.name]
        self.world.forget(group)
        for activity in self.activities:
            if activity.auto_scaling_group_arn == group.settings.arn:
                activity.auto_scaling_group_state = "Deleted"

    def find(self, instance: str) -> tuple[Group, Member] | None:
        """Return the member that an instance is, and its group."""
        for group in self.groups.values():
            if member := group.find(instance):
                return group, member
        return None
