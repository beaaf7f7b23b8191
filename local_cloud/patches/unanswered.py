"""Calls that the local cloud cannot answer: refused at once, and saying so.

moto answers an action it does not know with a page of HTML and status 500, which AWS's
clients take for a passing fault of the server: they try again, for minutes, and at last
complain about the XML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.model import OperationNotFoundError
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from local_cloud.patches.patching import patch

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = "NotImplementedByLocalCloud"


class NotModelled(ServiceException):
    """The local cloud leaves this out of AWS."""

    code = CODE


@patch(BaseResponse, "parse_parameters")
def parse_parameters(original: Callable[..., Any], response: Any, request: Any) -> None:
    """Read what is asked for; of an action that botocore does not know, nothing."""
    try:
        original(response, request)
    except OperationNotFoundError:
        response.params = {}


# AWS answers each of these actions. A client that is told 4xx does not try again (AWS SDKs
# and Tools Reference Guide, "Retry behavior": only throttling and 5xx are tried again).
@patch(BaseResponse, "call_action")
def call_action(original: Callable[..., Any], response: Any) -> Any:
    """Answer, or say that nothing here can."""
    try:
        return original(response)
    except NotImplementedError as missing:
        said = refusal(response.service_name, response._get_action(), str(missing))  # noqa: SLF001  moto's only way to the name
        status, headers, body = response.serialized(ActionResult(said))
        headers["status"] = str(status)
        return status, headers, body


def refusal(service: str, action: str, why: str) -> NotModelled:
    """Return the error that a caller is to see."""
    return NotModelled(f"The local cloud does not model {action} of {service}: {why}")
