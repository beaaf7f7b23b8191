"""Servers on loopback that speak the protocols of the targets of notifications.

Each refuses what the real one documents that it refuses, in its words. `GitHub`: REST API,
"Deployments", "Deployment statuses" and "Resources in the REST API" (version 2022-11-28). `Slack`:
"Sending messages using incoming webhooks", "Formatting text for app surfaces".
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON data."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of a server."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Callable[[Asked], Reply]


class Receiver(ThreadingHTTPServer):
    """Answers each request as a function says; `asked` has the requests."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Asked] = []

    def server_bind(self) -> None:
        """Bind without a question to the resolver for this machine's name."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    wbufsize = -1  # one packet for an answer: two wait for an acknowledgement of the first

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        asked = Asked(method=self.command, path=self.path, headers=headers, body=body)
        self.server.asked.append(asked)
        reply = self.server.answer(asked)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def receiving(answer: Answer = lambda _: Reply()) -> Iterator[Receiver]:
    """Serve during a block."""
    server = Receiver(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SLACK_PATH = "/services/T0AAAAAAA/B0BBBBBBB/c4n4ry0fAwebh00kUrl"
_LINK = re.compile(r"<https?://[^<>|]+\|[^<>|]+>")
_PAYLOAD_KEYS = {"text", "blocks", "attachments", "thread_ts", "mrkdwn", "response_type"}


def slack(asked: Asked) -> Reply:
    """Answer as an incoming webhook; a mention of everyone counts as an invalid payload here."""
    if asked.path != SLACK_PATH:
        return Reply(status=404, body=b"no_service")
    if error := _slack_error(asked):
        return Reply(status=400, body=error)
    return Reply(body=b"ok", headers={"Content-Type": "text/html"})


def _slack_error(asked: Asked) -> bytes:
    try:
        payload = asked.json()
    except ValueError:
        return b"invalid_payload"
    is_json = asked.headers.get("content-type") == "application/json"
    known = isinstance(payload, dict) and not payload.keys() - _PAYLOAD_KEYS
    if asked.method != "POST" or not is_json or not known:
        return b"invalid_payload"
    text = payload.get("text")
    if not isinstance(text, str) or not text.strip():
        return b"no_text"
    unescaped = re.sub(r"&(amp|lt|gt);", "", _LINK.sub("", text))
    return b"invalid_payload" if len(text) > 40_000 or set("<>&") & set(unescaped) else b""


_STATES = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
_LONGEST = 140
TOKEN = "ghs_c4n4ryT0ken"
COMMITS = {"0a1b2c3", "main"}


class GitHub:
    """The deployments of the repository `example/web`, with its commits."""

    def __init__(self) -> None:
        self.deployments: dict[int, dict[str, Any]] = {}
        self.statuses: dict[int, list[dict[str, Any]]] = {}

    def __call__(self, asked: Asked) -> Reply:
        """Answer one request."""
        if not asked.headers.get("user-agent"):
            return _github(403, "Request forbidden by administrative rules.")
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return _github(401, "Bad credentials")
        return self._route(asked)

    def _route(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        match (asked.method, parts.path.split("/")[1:]):
            case ("GET", ["repos", "example", "web"]):
                return Reply(body=b'{"default_branch": "main"}')
            case ("GET", ["repos", "example", "web", "deployments"]):
                return self._list(parse_qs(parts.query))
            case ("POST", ["repos", "example", "web", "deployments"]):
                return self._create(asked.json())
            case ("POST", ["repos", "example", "web", "deployments", number, "statuses"]):
                return self._status(int(number), asked.json())
            case ("DELETE", ["repos", "example", "web", "deployments", number]):
                return self._delete(int(number))
            case _:
                return _github(404, "Not Found")

    def _list(self, query: Mapping[str, list[str]]) -> Reply:
        environment = query.get("environment", ["none"])[0]
        found = [e for e in self.deployments.values() if e["environment"] == environment]
        return Reply(body=json.dumps(found[::-1]).encode())

    def _create(self, body: dict[str, Any]) -> Reply:
        ref = body.get("ref")
        if not isinstance(ref, str) or len(body.get("description") or "") > _LONGEST:
            return _github(422, "Invalid request.")
        if ref not in COMMITS:
            return _github(422, f"No ref found for: {ref}")
        if body.get("auto_merge", True):
            return Reply(status=202, body=b'{"message": "Auto-merged main into topic."}')
        if body.get("required_contexts") != []:
            return _github(409, "Conflict: Commit status checks failed for main.")
        number = len(self.deployments) + 1
        known = ("ref", "environment", "payload", "description")
        made = {"id": number, **{name: body.get(name) for name in known}}
        self.deployments[number], self.statuses[number] = made, []
        return Reply(status=201, body=json.dumps(made).encode())

    def _status(self, number: int, body: dict[str, Any]) -> Reply:
        if number not in self.deployments:
            return _github(404, "Not Found")
        if body.get("state") not in _STATES or len(body.get("description") or "") > _LONGEST:
            return _github(422, "Validation Failed")
        self.statuses[number].append(body)
        return Reply(status=201, body=json.dumps({"id": 1, **body}).encode())

    def _delete(self, number: int) -> Reply:
        last = self.statuses[number][-1]["state"] if self.statuses.get(number) else ""
        if last != "inactive" and len(self.deployments) > 1:
            return _github(422, "We cannot delete an active deployment.")
        del self.deployments[number]
        return Reply(status=204)


def _github(status: int, message: str) -> Reply:
    return Reply(status=status, body=json.dumps({"message": message}).encode())
