"""What follows from a call: groups launch, load balancers learn of members.

AWS's control loops see every change by themselves; here they run after each
call that may have changed something, still under the API's lock, and moto's
models are what they look at.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from moto.core.responses import BaseResponse

from local_cloud.patches import Hook

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.cloud import Cloud

SERVICES = {"ec2", "elb", "elbv2", "autoscaling", "cloudformation"}
READS = ("Describe", "Get", "List")


def hooks(cloud: Cloud) -> list[Hook]:
    """Return the hook of every call."""
    return [Hook(owner=BaseResponse, name="call_action", instead=After(cloud=cloud).call_action)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class After:
    """The hook of every call."""

    cloud: Cloud

    def call_action(self, original: Callable[..., Any], response: Any) -> Any:
        """Answer, then let the control loops look."""
        try:
            return original(response)
        finally:
            if response.service_name in SERVICES and not is_read(response._get_action()):  # noqa: SLF001  moto's only way to the name
                self.cloud.changed()


def is_read(action: str | None) -> bool:
    """Tell whether an action changes nothing, by its name."""
    return str(action).startswith(READS)
