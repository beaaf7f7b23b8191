"""What follows from a call: groups launch, load balancers learn of members.

AWS's control loops see every change by themselves; here they run after each
call that may have changed something, still under the API's lock, and moto's
models are what they look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import BaseResponse

from local_cloud.patches.context import Context
from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable


SERVICES = {"ec2", "elb", "elbv2", "autoscaling", "cloudformation"}
READS = ("Describe", "Get", "List")


@patch(BaseResponse, "call_action")
def call_action(context: Context, original: Callable[..., Any], response: Any) -> Any:
    """Answer, then let the control loops look."""
    try:
        return original(response)
    finally:
        if response.service_name in SERVICES and not is_read(response._get_action()):  # noqa: SLF001  moto's only way to the name
            context.cloud.changed()


def is_read(action: str | None) -> bool:
    """Return True if an action changes nothing, by its name."""
    return str(action).startswith(READS)
