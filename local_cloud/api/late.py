"""Acknowledge a write now and execute it later: a write whose effect other readers see late.

Only writes whose answer says nothing about their effect can be acknowledged without executing them.
"""

from __future__ import annotations

import functools
import threading
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import botocore.session

from local_cloud.api.call import Call
from local_cloud.consistency.setting import READS, SERVICES

if TYPE_CHECKING:
    from botocore.model import ServiceModel

OPTIONAL = frozenset({"Return"})
EC2_ANSWER = (
    '<{action}Response xmlns="{namespace}"><requestId>local-cloud-late</requestId>'
    "<return>true</return></{action}Response>"
)
QUERY_ANSWER = (
    '<{action}Response xmlns="{namespace}"><{action}Result/><ResponseMetadata>'
    "<RequestId>local-cloud-late</RequestId></ResponseMetadata></{action}Response>"
)


def check(service: str, action: str) -> None:
    """Raise ValueError unless the write's answer is the same with and without its effect."""
    if service not in SERVICES:
        raise ValueError(
            f"late needs one service of {', '.join(sorted(SERVICES))}, not {service!r}"
        )
    model = model_of(service)
    if action not in model.operation_names:
        raise ValueError(f"{service} has no action {action!r}")
    output = model.operation_model(action).output_shape
    members = set(output.members) if output else set()
    if action.startswith(READS) or members - OPTIONAL:
        raise ValueError(f"{service} {action} cannot be late: its answer shows its effect")


@functools.cache
def model_of(service: str) -> ServiceModel:
    """Return botocore's model of a service: its actions and the shapes of their answers."""
    return botocore.session.get_session().get_service_model(service)


def acknowledge(call: Call, body: bytes, start_response: Callable[..., Any]) -> list[bytes]:
    """Answer a write as if it had been executed."""
    version = urllib.parse.parse_qs(body.decode(errors="replace")).get("Version", [""])[0]
    host = "ec2" if call.service == "ec2" else model_of(call.service).endpoint_prefix
    template = EC2_ANSWER if call.service == "ec2" else QUERY_ANSWER
    text = template.format(
        action=call.action, namespace=f"http://{host}.amazonaws.com/doc/{version}/"
    ).encode()
    start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(text)))])
    return [text]


def after(seconds: float, act: Callable[[], None]) -> None:
    """Run something in a thread after real `seconds`; the cloud's end does not wait for it."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
