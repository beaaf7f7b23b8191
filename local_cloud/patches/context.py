"""What the patches of one cloud work with besides moto's models."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from local_cloud.cloud import Cloud
from local_cloud.groups.regions import Regions
from local_cloud.patches.terminated import Terminated


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The cloud behind the API, the API's lock, and the state that patches share."""

    cloud: Cloud
    lock: AbstractContextManager[Any]
    regions: Regions
    terminated: Terminated

    @classmethod
    def of(cls, cloud: Cloud, lock: AbstractContextManager[Any]) -> Context:
        """Return the context of a cloud that has just been made."""
        return cls(
            cloud=cloud,
            lock=lock,
            regions=Regions(cloud=cloud),
            terminated=Terminated(clock=cloud.host.clock),
        )
