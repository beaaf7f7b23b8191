"""Run the control loops after each call that may have changed something.

AWS's control loops notice every change. Here they run after the call, still under the API's lock,
and read moto's models: groups launch instances, load balancers get new members.
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
    """Answer the call, then run the control loops."""
    try:
        return original(response)
    finally:
        if response.service_name in SERVICES and not is_read(response._get_action()):  # noqa: SLF001  moto's accessor
            context.cloud.changed()


def is_read(action: str | None) -> bool:
    """Return True if an action changes nothing, judged by its name."""
    return str(action).startswith(READS)
