"""Serve pages on loopback with aiohttp: read only, for a browser of this machine.

The only module that knows aiohttp. A page of another site must not read these pages, so a request
must name this server as its Host (a DNS name that resolves to loopback is another site, "DNS
rebinding") and, if it has an Origin, that one (Fetch standard, "Origin header"). Each answer
forbids the browser everything but this server's own style sheet and script (Content Security
Policy Level 3).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from aiohttp import web

from pipeline.core import commands
from pipeline.core.errors import RefusedError

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

Value = TypeVar("Value")

ADDRESS = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
READS = frozenset({"GET", "HEAD"})
STREAMS = 20
"""Streams of events at the same time; a browser has six connections to a server."""
HEARTBEAT = 15.0
"""Seconds after which a stream without news sends a comment, which shows that it lives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a path answers: its text, its media type, its HTTP status."""

    text: str
    kind: str = "text/html"
    status: int = 200


class Site(Protocol):
    """The pages; both methods may take seconds, and are called in threads."""

    def answer(self, path: str) -> Answer:
        """Return the answer for a path, such as `/images`; never raises."""

    def live(self, path: str) -> str | None:
        """Return the part of a page that changes, None if the page has none; never raises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The settings of a server; a `port` of 0 is any free one, `interval` is in seconds."""

    site: Site
    port: int = 0
    interval: float = 2.0

    def run(self, ready: Callable[[str], None]) -> None:
        """Serve until the process gets SIGINT or SIGTERM; `ready` gets the URL.

        Raises RefusedError if the port is taken.
        """
        with _listening(self.port) as listener:
            asyncio.run(self._serve(listener, ready))

    async def _serve(self, listener: socket.socket, ready: Callable[[str], None]) -> None:
        port = listener.getsockname()[1]
        app = self.application(port)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            ready(f"http://{ADDRESS}:{port}/")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    def application(self, port: int) -> web.Application:
        """Return the application that answers at this port."""
        app = web.Application(middlewares=[_guard(port)])
        pages = _Pages(self.site, self.interval)
        app.router.add_get("/live{path:.*}", pages.stream)
        app.router.add_get("/{path:.*}", pages.answer)
        app.on_response_prepare.append(_add_headers)
        return app


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise RefusedError(
            f"dashboard --port {port}",
            f"{ADDRESS}:{port}: {os.strerror(error.errno or 0)}",
            commands.ami_pipeline("dashboard", "--port", "0"),
        ) from error
    return listener


def _guard(port: int) -> Middleware:
    """Return what rejects requests that did not come from a page of this server."""
    hosts = frozenset({f"{ADDRESS}:{port}", f"localhost:{port}"})
    origins = frozenset(f"http://{each}" for each in hosts)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Host", "") not in hosts:
            return web.Response(status=421, text="this server answers on loopback only\n")
        if request.headers.get("Origin", "") not in {"", *origins}:
            return web.Response(status=403, text="a page of another site may not read this\n")
        if request.method not in READS:
            return web.Response(status=405, text="read only\n", headers={"Allow": "GET, HEAD"})
        return await handler(request)

    return check


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers["Server"] = "ami-pipeline"


class _Pages:
    """The handlers of a site."""

    def __init__(self, site: Site, interval: float) -> None:
        self._site = site
        self._interval = interval
        self._streams = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a page."""
        found = await _in_thread(self._site.answer, f"/{request.match_info['path']}")
        body = found.text.encode("utf-8", "replace")
        return web.Response(
            body=body, content_type=found.kind, charset="utf-8", status=found.status
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send the part of a page that changes, whenever it has changed (server-sent events)."""
        path = request.match_info["path"] or "/"
        first = await _in_thread(self._site.live, path)
        if first is None:
            return web.Response(status=404, text="this page has no live part\n")
        if self._streams >= STREAMS:
            return web.Response(status=503, text="too many pages are open\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._streams += 1
        with contextlib.suppress(ConnectionResetError):  # The page is closed.
            try:
                await response.prepare(request)
                await self._send(response, path, first)
            finally:
                self._streams -= 1
        return response

    async def _send(self, response: web.StreamResponse, path: str, first: str) -> None:
        text: str | None = first
        sent, quiet = "", 0.0
        while text is not None:
            mark = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
            if mark != sent:
                await response.write(_event(text))
                sent, quiet = mark, 0.0
            elif quiet >= HEARTBEAT:
                await response.write(b": alive\n\n")
                quiet = 0.0
            await asyncio.sleep(self._interval)
            quiet += self._interval
            text = await _in_thread(self._site.live, path)


async def _in_thread(read: Callable[[str], Value], path: str) -> Value:
    """Return what a method of the site returns.

    The thread is a daemon: asyncio waits for its own threads at the end, so Ctrl-C would wait for
    an answer of AWS that does not come.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Value] = asyncio.Future(loop=loop)

    def settle(act: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # The server has ended.
            loop.call_soon_threadsafe(lambda: None if future.done() else act())

    def work() -> None:
        try:
            found = read(path)
        except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
            settle(partial(future.set_exception, error))
        else:
            settle(partial(future.set_result, found))

    threading.Thread(target=work, daemon=True, name="page").start()
    return await future


def _event(text: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: update\n{lines}\n".encode("utf-8", "replace")
