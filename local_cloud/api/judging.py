"""Ask the judge of permissions about a request, and answer what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local_cloud.api.call import Call, Environ, headers_of, key_of, region_of
from local_cloud.permissions.judge import Judge, Request


def answer(
    judge: Judge | None,
    call: Call,
    environ: Environ,
    body: bytes,
    start_response: Callable[..., Any],
) -> list[bytes] | None:
    """Answer a call that may not be made; None if it may."""
    if judge is None or not judge.knows(key_of(environ)):
        return None
    refusal = judge.refusal(request_of(call, environ, body))
    if refusal is None:
        return None
    kind, text = refusal.body(call.protocol, call.service)
    text = b"" if environ["REQUEST_METHOD"] == "HEAD" else text
    headers = [("Content-Type", kind), ("Content-Length", str(len(text)))]
    start_response(f"{refusal.status} Denied", headers)
    return [text]


def request_of(call: Call, environ: Environ, body: bytes) -> Request:
    """Return a call as it is judged."""
    return Request(
        service=call.service,
        action=call.action,
        protocol=call.protocol,
        access_key=key_of(environ),
        token=environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""),
        region=region_of(environ),
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", ""),
        query=environ.get("QUERY_STRING", ""),
        headers=headers_of(environ),
        body=body,
    )
