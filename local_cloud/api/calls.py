"""Take every API call: identify, count and time it, and apply the fault that strikes it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

from local_cloud.api import connection, late
from local_cloud.api.call import Call, Environ, buffered, identify, key_of
from local_cloud.api.faults import ApiFault, Faults
from local_cloud.consistency.past import Past
from local_cloud.patches.unanswered import CODE
from local_cloud.timeline import Timeline

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Resource = Callable[[Any], Any]
"""Takes the JSON of a request; raises TypeError or ValueError if that is invalid."""

log = logging.getLogger(__name__)

RESERVED = "/_local-cloud/"


@dataclass(kw_only=True, slots=True)
class Tally:
    """How often an action was called, how often it failed, and how long it took."""

    calls: int = 0
    errors: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class UnservedError(Exception):
    """A call of a service that the local cloud does not have."""


class Calls:
    """WSGI middleware in front of moto, which is not thread-safe: one call at a time."""

    def __init__(
        self,
        application: Application,
        lock: AbstractContextManager[Any],
        resources: Mapping[tuple[str, str], Resource] | None = None,
        *,
        timeline: Timeline | None = None,
        latency: float = 0.0,
        outage: Callable[[float], None] = lambda _seconds: None,
        past: Past | None = None,
    ) -> None:
        self._application = application
        self._timeline = timeline or Timeline()
        self._latency = latency  # real seconds, half before the call and half after it
        self._outage = outage
        self._past = past
        self._lock = lock
        self._count_lock = threading.Lock()
        self._tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        self.faults = Faults(remember=self._remember)
        self._resources: dict[tuple[str, str], Resource] = {
            ("GET", "calls"): lambda _: self.tallies(),
            ("DELETE", "calls"): lambda _: self._forget(),
            ("GET", "timeline"): lambda _: self._timeline.listed(),
            ("DELETE", "timeline"): lambda _: self._timeline.clear(),
            ("GET", "faults"): lambda _: self.faults.listed(),
            ("DELETE", "faults"): lambda _: self.faults.clear(),
            ("POST", "faults"): self.faults.add,
            **(resources or {}),
        }

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        body = buffered(environ)
        if environ.get("PATH_INFO", "").startswith(RESERVED):
            return self._answer_own(environ, body, start_response)
        call = identify(environ, body)
        received = time.monotonic()
        time.sleep(self._latency / 2)
        began = time.monotonic()
        status = "500"

        def started(line: str, *rest: Any) -> Any:
            nonlocal status
            status = line
            return start_response(line, *rest)

        try:
            return self._answer(call, environ, body, started)
        finally:
            seconds = time.monotonic() - began
            self._count(call, seconds, failed=status[0] in "45")
            self._timeline.record(
                "call",
                at=received,
                service=call.service,
                action=call.action,
                key=key_of(environ),
                agent=environ.get("HTTP_USER_AGENT", ""),
                status=int(status[:3]),
                seconds=seconds,
            )
            time.sleep(self._latency / 2)

    def _answer(
        self, call: Call, environ: Environ, body: bytes, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if (fault := self.faults.next_for(call, environ.get("HTTP_USER_AGENT", ""))) is None:
            moment = self._moment_of(call, environ, body)
            return self._pass_on(call, environ, start_response, moment)
        match fault.kind:
            case "delay":
                time.sleep(fault.seconds)
                return self._pass_on(call, environ, start_response)
            case "stale":
                moment = time.monotonic() - fault.seconds
                return self._pass_on(call, environ, start_response, moment)
            case "late":
                again = {**environ, "wsgi.input": io.BytesIO(body)}
                late.after(fault.seconds, lambda: self._take_effect(call, again))
                return late.acknowledge(call, body, start_response)
        return self._fail(fault, call, environ, start_response)

    def _fail(
        self, fault: ApiFault, call: Call, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if fault.kind == "truncated":
            return connection.truncated(self._pass_on(call, environ, start_response))
        if fault.takes_effect:
            self._pass_on(call, environ, lambda *_: None)
        if fault.kind == "outage":
            self._outage(fault.seconds)
        if fault.kind == "outage" or fault.kind.startswith("reset-"):
            connection.reset(environ)
        return reply(fault, call, start_response)

    def _pass_on(
        self,
        call: Call,
        environ: Environ,
        start_response: Callable[..., Any],
        moment: float | None = None,
    ) -> list[bytes]:
        try:
            with self._lock, self._as_of(moment):
                response = self._application(environ, start_response)
                try:
                    return list(response)
                finally:
                    if close := getattr(response, "close", None):
                        close()
        except UnservedError as error:  # a client retries a 5xx for minutes, but no 4xx
            return refuse(str(error), call, start_response)
        except Exception:  # a defect of moto or of a patch: a 500 for the caller, a log for us
            log.exception("%s %s could not be answered", call.service, call.action)
            return reply(ApiFault(kind="error-before"), call, start_response)

    def _moment_of(self, call: Call, environ: Environ, body: bytes) -> float | None:
        if self._past is None:
            return None
        return self._past.moment_of(call.service, call.action, key_of(environ), body)

    def _as_of(self, moment: float | None) -> AbstractContextManager[None]:
        if moment is None or self._past is None:
            return contextlib.nullcontext()
        return self._past.as_of(moment)

    def _remember(self, seconds: float) -> None:
        if self._past:
            with self._lock:
                self._past.remember(seconds)

    def _take_effect(self, call: Call, environ: Environ) -> None:
        """Execute a call that was acknowledged before; log a failure, which no caller sees."""
        status = "500"

        def started(line: str, *_: Any) -> None:
            nonlocal status
            status = line

        answer = self._pass_on(call, environ, started)
        if status[0] in "45":
            log.warning("%s failed late: %s %r", call.action, status, b"".join(answer)[:1000])

    def _count(self, call: Call, seconds: float, *, failed: bool) -> None:
        with self._count_lock:
            tally = self._tallies[call.service, call.action]
            tally.calls += 1
            tally.errors += failed
            tally.seconds += seconds
            tally.slowest = max(tally.slowest, seconds)

    def tallies(self) -> list[dict[str, Any]]:
        """Return the counts, by service and action."""
        with self._count_lock:
            return [
                {"service": service, "action": action, **asdict(tally)}
                for (service, action), tally in sorted(self._tallies.items())
            ]

    def _answer_own(
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


def refuse(why: str, call: Call, start_response: Callable[..., Any]) -> list[bytes]:
    """Answer a call of a service that does not exist here.

    A call without an action is of a REST service, and nearly all of these speak JSON.
    """
    fault = ApiFault(kind="error-before", status=400, code=CODE, message=why)
    if " " in call.action:
        call = replace(call, protocol="json")
    return reply(fault, call, start_response)


def reply(fault: ApiFault, call: Call, start_response: Callable[..., Any]) -> list[bytes]:
    """Answer a call with a fault, in the protocol of its service."""
    status, kind, body = fault.reply(call.protocol)
    headers = [("Content-Type", kind)] * bool(kind) + [("Content-Length", str(len(body)))]
    start_response(f"{status} Fault", headers, sys.exc_info())
    return [body]
