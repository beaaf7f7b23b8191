"""Keep the groups of every region on moto's backends, so that a reset of moto drops them, too."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import autoscaling_backends

from local_cloud.behavior_targets import each
from local_cloud.groups.moto_ports import MotoPorts
from local_cloud.scaling.errors import invalid
from local_cloud.scaling.region import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud.cloud import Cloud
    from local_cloud.scaling.model import Group, Member

log = logging.getLogger(__name__)

ROUNDS = 5  # a member is deregistered, drained, terminated, and its replacement launched


@dataclass(kw_only=True)
class Regions:
    """Finds groups for the patches and advances all of them."""

    cloud: Cloud
    now: Callable[[], float] = time.monotonic
    _stepping: bool = False

    def of(self, backend: Any) -> Region:
        """Return the region of a moto backend."""
        region: Region | None = backend.__dict__.get("local_cloud_region")
        if region is None:
            region = Region(ports=MotoPorts(backend=backend, cloud=self.cloud))
            backend.local_cloud_region = region
        return region

    def all(self) -> Iterator[Region]:
        """Yield every region that has been used."""
        return (self.of(backend) for backend in each(autoscaling_backends))

    def step_safely(self) -> None:
        """Advance every group after a call; log a failure, which is not the caller's."""
        try:
            self.step()
        except Exception:  # the call that went before has succeeded
            log.exception("the groups could not be advanced")

    def settle(self, sync: Callable[[], None]) -> None:
        """Advance groups and load balancers in turn as long as something changes."""
        try:
            for _ in range(ROUNDS):
                if not self.step():
                    return
                sync()
        except Exception:  # as in `step_safely`
            log.exception("the groups could not be advanced")

    def step(self) -> bool:
        """Advance every group; return True if anything changed."""
        if self._stepping:
            return False
        self._stepping = True
        try:
            moved = [self._step(region) for region in self.all()]
        finally:
            self._stepping = False
        return any(moved)

    def _step(self, region: Region) -> bool:
        region.ports.refresh()
        return region.step(self.now())

    # AWS answers ValidationError for a group that does not exist; one that is being
    # deleted accepts no changes.
    def group(self, backend: Any, name: str | None) -> Group:
        """Return a group that accepts changes, or refuse."""
        group = self.of(backend).groups.get(str(name))
        if group is None:
            raise AutoscalingClientError(
                "ValidationError", "AutoScalingGroup name not found - null"
            )
        if group.deleting is not None:
            raise AutoscalingClientError(
                "ValidationError", f"AutoScalingGroup name not found - {name} is pending delete"
            )
        return group

    def member(self, backend: Any, instance: str) -> tuple[Group, Member]:
        """Return the member of an instance, and its group."""
        if (found := self.of(backend).find(instance)) is None:
            raise invalid(
                f"Instance Id not found - No managed instance found for instance ID: {instance}"
            )
        return found
