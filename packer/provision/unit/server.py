#!/usr/bin/env python3
"""The sample application: a small HTTP service that uses the standard library alone.

It shows what a service needs for deployments without a failed request:

- it is ready as soon as it listens: nothing slow happens before;
- on SIGTERM it stops accepting, answers what has reached it, and exits 0;
- processes that work by themselves can ask it at /serving whether a load balancer counts on this
  instance: an instance of a detached group runs and does not serve;
- it keeps connections alive, and sends `Connection: close` once it is stopping, so that a
  load balancer sends no further request on a connection that is about to close.

APP, VERSION, ENVIRONMENT, PORT, GREETING and CHECKED_SECONDS come from its environment (the unit's
EnvironmentFile). Amazon Linux 2023 has Python 3.9, so this file must run there.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import socketserver
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A load balancer closes an idle connection after 60 s. The service must wait longer, or a request
# arrives on a connection that it has just closed.
KEEP_ALIVE_SECONDS = 75
# How long a connection may still bring a request that was on its way when the stop began.
LINGER_SECONDS = 1.0
LONGEST_SLOW_SECONDS = 30.0
# Longer than the longest request, shorter than the unit's TimeoutStopSec.
STOP_SECONDS = 35.0
# How long a health check counts: twice the 30 s between two checks of AWS's load balancers. Set it
# if yours check less often.
CHECKED_SECONDS = float(os.environ.get("CHECKED_SECONDS") or "60")
METADATA_SECONDS = 1.0
RETRY_SECONDS = 10.0


class Service(ThreadingHTTPServer):
    """An HTTP server that knows its open connections, so that it can finish them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        self.open = 0
        self.changed = threading.Condition()
        self.stopping = threading.Event()
        self.checked = -math.inf
        # Closing the writing end wakes every idle connection at once.
        self.woken, self._wake = os.pipe()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind, without http.server's lookup of the host name: it can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request, client_address) -> None:  # noqa: ANN001  socketserver's types
        """Count a connection when it is accepted: it may hold a request already."""
        with self.changed:
            self.open += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address) -> None:  # noqa: ANN001  the same
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.changed:
                self.open -= 1
                self.changed.notify_all()

    def handle_error(self, request, client_address) -> None:  # noqa: ANN001  the same
        """Ignore errors of a connection: a client that went away is not an error of the service."""

    def is_serving(self) -> bool:
        """Return True if a load balancer counts on this instance: it requests its health.

        The health of an instance in a detached group is not checked. Whatever takes work by itself,
        such as a worker of a queue or a timer, has to ask here first.
        """
        return time.monotonic() - self.checked < CHECKED_SECONDS and not self.stopping.is_set()

    def stop(self) -> bool:
        """Stop accepting and finish every connection; return False if the time was up before."""
        self.stopping.set()
        os.close(self._wake)
        self.shutdown()
        self._accept_the_rest()
        self.server_close()
        with self.changed:
            return self.changed.wait_for(lambda: not self.open, STOP_SECONDS)

    def _accept_the_rest(self) -> None:
        """Accept the connections in the listener's queue: closing the listener would reset them."""
        self.socket.settimeout(0)
        # Bounded: clients that reconnect again and again must not keep the listener open.
        for _ in range(self.request_queue_size):
            try:
                request, client = self.socket.accept()
            except OSError:
                return
            request.settimeout(None)
            self.process_request(request, client)


class Handler(BaseHTTPRequestHandler):
    """The answers to /, /health, /serving and /slow?seconds=N."""

    server: Service
    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_SECONDS
    # Headers and body are sent in one piece.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Serve one request of a connection, if one comes."""
        if self._request_comes():
            super().handle_one_request()
        else:
            self.close_connection = True

    def _request_comes(self) -> bool:
        """Wait for the next request: long while serving, briefly once stopping."""
        self.connection.setblocking(False)
        try:
            if self.rfile.peek(1):  # a pipelined request is in the buffer, not in the socket
                return True
        finally:
            self.connection.settimeout(self.timeout)
        waiting = select.poll()
        waiting.register(self.connection, select.POLLIN)
        waiting.register(self.server.woken, select.POLLIN)
        ready = {descriptor for descriptor, _ in waiting.poll(KEEP_ALIVE_SECONDS * 1000)}
        if self.server.woken in ready:
            waiting.unregister(self.server.woken)
            return bool(waiting.poll(LINGER_SECONDS * 1000))
        return bool(ready)

    def do_GET(self) -> None:
        """Respond; http.server finds the methods by these names."""
        parts = urllib.parse.urlsplit(self.path)
        if parts.path == "/":
            self._answer(200, describe())
        elif parts.path == "/health":
            if self.headers.get("User-Agent", "").startswith("ELB-HealthChecker/"):
                self.server.checked = time.monotonic()
            self._answer(503 if self.server.stopping.is_set() else 200, {"status": "up"})
        elif parts.path == "/serving":
            self._answer(200 if self.server.is_serving() else 503, {})
        elif parts.path == "/slow":
            time.sleep(slow_seconds(parts.query))
            self._answer(200, describe())
        else:
            self._answer(404, {"error": "not found"})

    do_HEAD = do_GET  # noqa: N815  http.server's name

    def _answer(self, status: int, document: dict[str, str]) -> None:
        body = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.server.stopping.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the load balancer logs requests, with more details."""


class InstanceId:
    """The ID of this instance, requested once and kept."""

    def __init__(self) -> None:
        self._known = ""
        self._not_before = 0.0
        self._asking = threading.Lock()

    def get(self) -> str:
        """Return the ID, or "unknown": a request never waits for another one's lookup."""
        if self._known or time.monotonic() < self._not_before:
            return self._known or "unknown"
        if not self._asking.acquire(blocking=False):
            return "unknown"
        try:
            self._known = ask_instance_id()
        except (OSError, ValueError):
            self._not_before = time.monotonic() + RETRY_SECONDS
        finally:
            self._asking.release()
        return self._known or "unknown"


INSTANCE_ID = InstanceId()


def ask_instance_id() -> str:
    """Read the ID from the instance metadata service, version 2: first a token, then the ID."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
    base = base.rstrip("/")
    # A proxy named in the environment must not see the token.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    ask = urllib.request.Request(f"{base}/latest/api/token", method="PUT", headers=lifetime)  # noqa: S310  the address is the operator's
    with opener.open(ask, timeout=METADATA_SECONDS) as reply:
        token = {"X-aws-ec2-metadata-token": reply.read().decode()}
    ask = urllib.request.Request(f"{base}/latest/meta-data/instance-id", headers=token)  # noqa: S310  the same
    with opener.open(ask, timeout=METADATA_SECONDS) as reply:
        return reply.read().decode().strip()


def describe() -> dict[str, str]:
    """Return which build answers, in which environment, on which instance."""
    return {
        "app": os.environ.get("APP", "app"),
        "version": os.environ.get("VERSION", "unknown"),
        "environment": os.environ.get("ENVIRONMENT", ""),
        "instance_id": INSTANCE_ID.get(),
        "greeting": os.environ.get("GREETING", "hello"),
    }


def slow_seconds(query: str) -> float:
    """Return the seconds of /slow, within bounds: every client may request it."""
    try:
        asked = float(urllib.parse.parse_qs(query).get("seconds", ["1"])[0])
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), LONGEST_SLOW_SECONDS) if math.isfinite(asked) else 0.0


def main() -> int:
    """Serve until a signal stops the service."""
    # Every interface: the load balancer comes from outside, and the security group limits access.
    host = os.environ.get("INSTANCE_ADDRESS") or "0.0.0.0"  # noqa: S104  the security group limits access
    # Blocked in every thread and waited for in this one. A Python handler would only run when the
    # main thread wakes, and the kernel may deliver the signal to another thread.
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    service = Service((host, int(os.environ.get("PORT") or "8080")))
    threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
    print(f"listening on {host}:{service.server_port}", flush=True)  # noqa: T201  the journal
    signal.sigwait(stops)
    finished = service.stop()
    print("stopped" if finished else "stopped with requests unfinished", flush=True)  # noqa: T201  the same
    return 0 if finished else 1


if __name__ == "__main__":
    raise SystemExit(main())
