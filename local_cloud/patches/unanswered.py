"""Refuse calls that the local cloud does not support, with a clear error.

moto answers an unknown action with a page of HTML and status 500. AWS's clients take that for a
temporary failure: they retry for minutes and finally report invalid XML.
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


class NotModeled(ServiceException):
    """An action that the local cloud does not support."""

    code = CODE


@patch(BaseResponse, "parse_parameters")
def parse_parameters(original: Callable[..., Any], response: Any, request: Any) -> None:
    """Parse the parameters; an action that botocore does not know has none."""
    try:
        original(response, request)
    except OperationNotFoundError:
        response.params = {}


# AWS answers each of these actions. Clients do not retry a 4xx (AWS SDKs and Tools Reference
# Guide, "Retry behavior": they retry only throttling and 5xx).
@patch(BaseResponse, "call_action")
def call_action(original: Callable[..., Any], response: Any) -> Any:
    """Answer, or refuse what is not supported."""
    try:
        return original(response)
    except NotImplementedError as missing:
        error = refusal(response.service_name, response._get_action(), str(missing))  # noqa: SLF001  moto's accessor
        status, headers, body = response.serialized(ActionResult(error))
        headers["status"] = str(status)
        return status, headers, body


def refusal(service: str, action: str, why: str) -> NotModeled:
    """Return the error for the caller."""
    return NotModeled(f"The local cloud does not support {action} of {service}: {why}")
