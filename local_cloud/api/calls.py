"""Every API call passes here: named, counted, timed, and struck by a fault if one was ordered."""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import logging
import sys
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from local_cloud.api.faults import ApiFault, Faults
from local_cloud.timeline import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    Environ = dict[str, Any]
    Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
    Resource = Callable[[Any], Any]  # of the request's JSON; TypeError, ValueError: it is wrong

log = logging.getLogger(__name__)

RESERVED = "/_local-cloud/"
NAMES = {
    "elasticloadbalancing": "elb",
    "monitoring": "cloudwatch",
    "execute-api": "apigateway",
}
VERSIONS = {"2015-12-01": "elbv2"}
S3_ACTIONS = {
    ("GET", False): "ListObjects",
    ("PUT", False): "CreateBucket",
    ("DELETE", False): "DeleteBucket",
    ("HEAD", False): "HeadBucket",
    ("POST", False): "DeleteObjects",
    ("GET", True): "GetObject",
    ("PUT", True): "PutObject",
    ("DELETE", True): "DeleteObject",
    ("HEAD", True): "HeadObject",
    ("POST", True): "PostObject",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """What a request asks for."""

    service: str
    action: str
    protocol: str


@dataclasses.dataclass(kw_only=True)
class Tally:
    """How often an action was called, how often it failed, and what it took."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class Calls:
    """WSGI middleware in front of moto. moto is not thread-safe: one call at a time."""

    def __init__(
        self,
        application: Application,
        lock: AbstractContextManager[Any],
        resources: Mapping[tuple[str, str], Resource] | None = None,
        *,
        moments: Moments | None = None,
        latency: float = 0.0,
    ) -> None:
        self._application = application
        self._moments = moments or Moments()
        self._latency = latency  # real seconds, half on the way there, half on the way back
        self._lock = lock
        self._count_lock = threading.Lock()
        self._tallies: dict[tuple[str, str], Tally] = collections.defaultdict(Tally)
        self.faults = Faults()
        self._resources: dict[tuple[str, str], Resource] = {
            ("GET", "calls"): lambda _: self.tallies(),
            ("DELETE", "calls"): lambda _: self._forget(),
            ("GET", "moments"): lambda _: self._moments.listed(),
            ("DELETE", "moments"): lambda _: self._moments.forget(),
            ("GET", "faults"): lambda _: self.faults.listed(),
            ("DELETE", "faults"): lambda _: self.faults.clear(),
            ("POST", "faults"): self.faults.order,
            **(resources or {}),
        }

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        body = buffered(environ)
        if environ.get("PATH_INFO", "").startswith(RESERVED):
            return self._own(environ, body, start_response)
        call = identify(environ, body)
        came = time.monotonic()
        time.sleep(self._latency / 2)
        began = time.monotonic()
        status = "500"

        def started(line: str, *rest: Any) -> Any:
            nonlocal status
            status = line
            return start_response(line, *rest)

        try:
            return self._answer(call, environ, started)
        finally:
            seconds = time.monotonic() - began
            self._count(call, seconds, failed=status[0] in "45")
            self._moments.note(
                "call",
                at=came,
                service=call.service,
                action=call.action,
                key=key_of(environ),
                agent=environ.get("HTTP_USER_AGENT", ""),
                status=int(status[:3]),
                seconds=seconds,
            )
            time.sleep(self._latency / 2)

    def _answer(
        self, call: Call, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        fault = self.faults.next_for(call)
        if fault is None:
            return self._pass_on(call, environ, start_response)
        if fault.kind == "delay":
            time.sleep(fault.seconds)
            return self._pass_on(call, environ, start_response)
        if fault.kind == "error-after":
            self._pass_on(call, environ, lambda *_: None)
        return reply(fault, call, start_response)

    def _pass_on(
        self, call: Call, environ: Environ, start_response: Callable[..., Any]
    ) -> list[bytes]:
        try:
            with self._lock:
                answer = self._application(environ, start_response)
                try:
                    return list(answer)
                finally:
                    if close := getattr(answer, "close", None):
                        close()
        except Exception:  # a bug, of moto or ours: the caller sees AWS's 500, the log tells why
            log.exception("%s %s could not be answered", call.service, call.action)
            return reply(ApiFault(kind="error-before"), call, start_response)

    def _count(self, call: Call, seconds: float, *, failed: bool) -> None:
        with self._count_lock:
            tally = self._tallies[call.service, call.action]
            tally.calls += 1
            tally.errors += failed
            tally.seconds += seconds
            tally.slowest = max(tally.slowest, seconds)

    def tallies(self) -> list[dict[str, Any]]:
        """Return what was counted, by service and action."""
        with self._count_lock:
            return [
                {"service": service, "action": action, **dataclasses.asdict(tally)}
                for (service, action), tally in sorted(self._tallies.items())
            ]

    def _own(
        self, environ: Environ, body: bytes, start_response: Callable[..., Any]
    ) -> list[bytes]:
        resource = environ["PATH_INFO"].removeprefix(RESERVED)
        status, answer = self._use(environ["REQUEST_METHOD"], resource, body)
        text = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
        start_response(status, headers)
        return [text]

    def _use(self, method: str, name: str, body: bytes) -> tuple[str, Any]:
        resource = self._resources.get((method, name))
        if resource is None:
            return "404 Not Found", None
        try:
            return "200 OK", resource(json.loads(body) if body else None)
        except (TypeError, ValueError) as error:
            return "400 Bad Request", str(error)

    def _forget(self) -> None:
        with self._count_lock:
            self._tallies.clear()


def reply(fault: ApiFault, call: Call, start_response: Callable[..., Any]) -> list[bytes]:
    """Answer a call with a fault, in the protocol of its service."""
    status, kind, body = fault.reply(call.protocol)
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(f"{status} Fault", headers, sys.exc_info())
    return [body]


def buffered(environ: Environ) -> bytes:
    """Read the request's body before the lock is taken; a slow client holds up nobody."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not str(length).isdigit():
        return b""
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def identify(environ: Environ, body: bytes) -> Call:
    """Name a request by its signature's scope and its protocol's way to name an action."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0]
    signed_for = [*scope.split("/"), "", "", "", ""][3] or "unsigned"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        named = NAMES.get(signed_for, signed_for)
        return Call(service=named, action=target.rpartition(".")[2], protocol="json")
    query = environ.get("QUERY_STRING", "")
    if signed_for in {"s3", "unsigned"} and b"Action=" not in body[:4096]:
        return Call(service="s3", action=s3_action(environ, query), protocol="rest-xml")
    form = urllib.parse.parse_qs(body.decode(errors="replace") or query)
    action = form.get("Action", [f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"])[0]
    version = form.get("Version", [""])[0]
    service = VERSIONS.get(version) or NAMES.get(signed_for, signed_for)
    return Call(service=service, action=action, protocol="ec2" if service == "ec2" else "query")


def key_of(environ: Environ) -> str:
    """Return the access key that a request was signed with."""
    scope: str = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2]
    return scope.partition("/")[0]


def s3_action(environ: Environ, query: str) -> str:
    """Name an S3 request by method and path; a subresource such as `versioning` by its name."""
    _, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
    method = environ["REQUEST_METHOD"]
    first = query.partition("&")[0].partition("=")[0]
    if not environ.get("PATH_INFO", "").strip("/"):
        return "ListBuckets"
    if first and not key and first not in {"list-type", "prefix", "delete", "x-id"}:
        return f"{method.title()}Bucket{first.title()}"
    return S3_ACTIONS.get((method, bool(key))) or str(method)
