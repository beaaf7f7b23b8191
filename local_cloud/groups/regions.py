"""The groups of every region: beside moto's backends, so that moto's reset forgets them too."""

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

ROUNDS = 5  # a member that leaves is deregistered, drained, terminated; its replacement comes


@dataclass(kw_only=True)
class Regions:
    """Finds groups for the hooks and lets all of them move on."""

    cloud: Cloud
    now: Callable[[], float] = time.monotonic
    _stepping: bool = False

    def of(self, backend: Any) -> Region:
        """Return the region that a backend of moto's is."""
        region: Region | None = backend.__dict__.get("local_cloud_region")
        if region is None:
            region = Region(ports=MotoPorts(backend=backend, cloud=self.cloud))
            backend.local_cloud_region = region
        return region

    def all(self) -> Iterator[Region]:
        """Yield every region that has been used."""
        return (self.of(backend) for backend in each(autoscaling_backends))

    def step_safely(self) -> None:
        """Move every group on after a call; a failure is ours, not the caller's."""
        try:
            self.step()
        except Exception:  # the call that went before has succeeded
            log.exception("the groups could not be moved on")

    def settle(self, carry: Callable[[], None]) -> None:
        """Move on what waited for the load balancers to hear, as long as something moves."""
        try:
            for _ in range(ROUNDS):
                if not self.step():
                    return
                carry()
        except Exception:  # as in `step_safely`
            log.exception("the groups could not be moved on")

    def step(self) -> bool:
        """Move every group on; tell whether anything moved."""
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

    # AWS answers ValidationError for a group that is not there; one that is being deleted
    # takes no further changes.
    def group(self, backend: Any, name: str | None) -> Group:
        """Return a group that may be changed."""
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
        """Return the member that an instance is, and its group."""
        if (found := self.of(backend).find(instance)) is None:
            raise invalid(
                f"Instance Id not found - No managed instance found for instance ID: {instance}"
            )
        return found
