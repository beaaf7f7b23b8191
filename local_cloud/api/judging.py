"""Judge each call before moto answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local_cloud.api.call import (
    Call,
    Environ,
    buffered,
    headers_of,
    identify,
    key_of,
    region_of,
)
from local_cloud.permissions.judge import Judge, Request

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """WSGI middleware that denies what the policy of a role does not allow.

    It runs under the API's lock, after faults: on AWS, too, throttling and gateways come first.
    """

    application: Application
    judge: Judge

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a call on, or answer that it is denied."""
        if not self.judge.knows(key_of(environ)):
            return self.application(environ, start_response)
        body = buffered(environ)
        call = identify(environ, body)
        refusal = self.judge.refusal(request_of(call, environ, body))
        if refusal is None:
            return self.application(environ, start_response)
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
