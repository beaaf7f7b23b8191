"""Change message headers as a load balancer does, and make its own error responses.

Application Load Balancers, "HTTP headers" and "Troubleshoot: the load balancer generates an HTTP
error"; RFC 9110, 7.6.1: fields of one connection are not passed on.
"""

from __future__ import annotations

import http
import secrets
import time
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_cloud.traffic.plan import Kind

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
BY_BEHAVIOR = {"X-Local-Cloud": "behavior"}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLIENT_LEFT = 460
REASONS = {503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


def passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the header fields that are not for one connection only."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict(
        (name, text) for name, text in headers.items() if name.lower() not in dropped
    )


def forwarded(request: web.BaseRequest, kind: Kind, protocol: str, port: int) -> CIMultiDict[str]:
    """Return the headers of a request as a member gets them.

    The load balancer answers `Expect` itself ("HTTP 100 Continue"). Application Load Balancers
    trace every request.
    """
    headers = passed_on(request.headers)
    headers.popall("Expect", None)
    via = [*headers.popall("X-Forwarded-For", []), request.remote or ""]
    headers["X-Forwarded-For"] = ", ".join(filter(None, via))
    headers["X-Forwarded-Proto"] = protocol
    headers["X-Forwarded-Port"] = str(port)
    if kind == "application" and "X-Amzn-Trace-Id" not in headers:
        headers["X-Amzn-Trace-Id"] = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return headers


def page(kind: Kind, status: int, more: Mapping[str, str] | None = None) -> web.Response:
    """Return an error response of the load balancer itself."""
    reason = REASONS.get(status) or http.HTTPStatus(status).phrase
    if kind == "classic":
        return web.Response(status=status, reason=reason, headers=more)
    text = (
        f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return web.Response(
        status=status,
        reason=reason,
        text=text,
        content_type="text/html",
        headers={"Server": "awselb/2.0", **(more or {})},
    )
