from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVER = Path(__file__).parents[2] / "packer" / "provision" / "unit" / "server.py"
CLOSED_PORT = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A started service and its address."""

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def get(self, path: str, agent: str = "") -> tuple[int, dict[str, str]]:
        connection = self.connect()
        connection.request("GET", path, headers={"User-Agent": agent} if agent else {})
        reply = connection.getresponse()
        document = json.loads(reply.read())
        connection.close()
        return reply.status, document

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start the service like its unit does: a process with settings in its environment."""
    processes: list[subprocess.Popen[str]] = []

    def begin(**settings: str) -> Running:
        environment = {
            "PATH": os.environ["PATH"],
            "INSTANCE_ADDRESS": "127.0.0.1",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": CLOSED_PORT,
            "PORT": "0",
            "APP": "web",
            "VERSION": "1.4.2",
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, str(SERVER)], env=environment, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on ")
        return Running(process=process, port=int(line.rpartition(":")[2]))

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class Metadata(BaseHTTPRequestHandler):
    """The instance metadata service, version 2: without a token there is no response."""

    asked: list[str]

    def do_PUT(self) -> None:
        assert int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
        self._answer(200, "token-1")

    def do_GET(self) -> None:
        allowed = self.headers["X-aws-ec2-metadata-token"] == "token-1"
        self._answer(200 if allowed else 401, "i-0123456789abcdef0\n")

    def _answer(self, status: int, text: str) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[ThreadingHTTPServer]:
    Metadata.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_response_identifies_the_instance(start: Callable[..., Running]) -> None:
    status, document = start(ENVIRONMENT="staging", GREETING="good day").get("/")
    assert status == 200
    assert document == {
        "app": "web",
        "version": "1.4.2",
        "environment": "staging",
        "instance_id": "unknown",
        "greeting": "good day",
    }


def test_the_instance_id_is_requested_with_a_token_and_only_once(
    start: Callable[..., Running], metadata: ThreadingHTTPServer
) -> None:
    endpoint = f"http://127.0.0.1:{metadata.server_port}/"
    running = start(AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint, http_proxy=CLOSED_PORT)
    assert Metadata.asked == [], "nothing was asked before the first request"
    for _ in range(3):
        assert running.get("/")[1]["instance_id"] == "i-0123456789abcdef0"
    assert Metadata.asked == ["PUT /latest/api/token", "GET /latest/meta-data/instance-id"]


def test_a_metadata_service_that_never_responds_delays_only_one_request(
    start: Callable[..., Running],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        running = start(AWS_EC2_METADATA_SERVICE_ENDPOINT=endpoint)
        begin = time.monotonic()
        assert running.get("/health") == (200, {"status": "up"})
        assert time.monotonic() - begin < 0.9
        assert running.get("/")[1]["instance_id"] == "unknown"
        begin = time.monotonic()
        assert running.get("/")[1]["instance_id"] == "unknown"
        assert time.monotonic() - begin < 0.9


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/health?x=1", 200), ("/nowhere", 404), ("/../x", 404)]
)
def test_each_path_has_its_status(start: Callable[..., Running], path: str, status: int) -> None:
    assert start().get(path)[0] == status


@pytest.mark.parametrize("agent", ["ELB-HealthChecker/2.0", "ELB-HealthChecker/1.0"])
def test_requests_are_served_during_a_health_check(
    start: Callable[..., Running], agent: str
) -> None:
    running = start(CHECKED_SECONDS="0.5")
    assert running.get("/serving")[0] == 503
    assert running.get("/health", "curl/8.0")[0] == 200, "a hook asks, too"
    assert running.get("/serving")[0] == 503
    assert running.get("/health", agent)[0] == 200
    assert running.get("/serving")[0] == 200
    time.sleep(0.6)
    assert running.get("/serving")[0] == 503, "it was detached"


@pytest.mark.parametrize("asked", ["0", "-1", "nan", "inf", "x", ""])
def test_slow_is_bounded_whatever_is_requested(start: Callable[..., Running], asked: str) -> None:
    begin = time.monotonic()
    assert start().get(f"/slow?seconds={asked}")[0] == 200
    assert time.monotonic() - begin < 5


def test_a_connection_carries_many_requests(start: Callable[..., Running]) -> None:
    connection = start().connect()
    connection.connect()
    first = connection.sock
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/")
        reply = connection.getresponse()
        body = reply.read()
        assert int(reply.headers["Content-Length"]) > 0
        assert bool(body) == (method == "GET")
        assert connection.sock is first
    connection.close()


def test_pipelined_requests_are_all_answered(start: Callable[..., Running]) -> None:
    with socket.create_connection(("127.0.0.1", start().port), timeout=5) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            received += raw.recv(65536)


def test_it_stops_at_once_without_requests_in_flight(start: Callable[..., Running]) -> None:
    running = start()
    begin = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - begin < 3


def test_requests_in_flight_are_answered_before_it_stops(start: Callable[..., Running]) -> None:
    running = start()
    connection = running.connect()
    connection.request("GET", "/slow?seconds=1.5")
    _wait_until_taken(running)
    running.process.send_signal(signal.SIGTERM)
    reply = connection.getresponse()
    assert (reply.status, reply.headers["Connection"]) == (200, "close")
    assert json.loads(reply.read())["version"] == "1.4.2"
    connection.close()
    assert running.process.wait(timeout=10) == 0


def test_no_new_connection_is_accepted_while_it_stops(start: Callable[..., Running]) -> None:
    running = start()
    slow = running.connect()
    slow.request("GET", "/slow?seconds=2")
    _wait_until_taken(running)
    running.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 1.5
    while _connects(running):
        assert time.monotonic() < deadline
    assert slow.getresponse().status == 200
    slow.close()
    assert running.process.wait(timeout=10) == 0


def test_a_request_on_a_kept_connection_is_answered_while_it_stops(
    start: Callable[..., Running],
) -> None:
    running = start()
    kept = running.connect()
    kept.request("GET", "/")
    kept.getresponse().read()
    running.process.send_signal(signal.SIGTERM)
    kept.request("GET", "/health")
    reply = kept.getresponse()
    reply.read()
    assert reply.status in {200, 503}
    kept.close()
    assert running.process.wait(timeout=10) == 0


def test_a_connection_in_the_listeners_queue_is_still_answered(
    start: Callable[..., Running],
) -> None:
    running = start()
    running.process.send_signal(signal.SIGSTOP)
    queued = running.connect()
    queued.request("GET", "/")
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGCONT)
    reply = queued.getresponse()
    assert json.loads(reply.read())["app"] == "web"
    queued.close()
    assert running.process.wait(timeout=10) == 0


def test_no_request_is_lost_when_it_stops_under_load(start: Callable[..., Running]) -> None:
    running = start()
    lost: list[str] = []
    answered: list[int] = []
    threads = [threading.Thread(target=_load, args=(running, answered, lost)) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(answered) < 200:
        time.sleep(0.01)
    assert running.stop() == 0
    for thread in threads:
        thread.join()
    assert lost == []
    assert set(answered) <= {200, 503}


def _load(running: Running, answered: list[int], lost: list[str]) -> None:
    """Send requests on one connection until the service announces that it will close it."""
    connection = running.connect()
    try:
        while True:
            connection.request("GET", "/health")
            reply = connection.getresponse()
            reply.read()
            answered.append(reply.status)
            if reply.headers["Connection"] == "close":
                return
    except (OSError, http.client.HTTPException) as error:
        lost.append(repr(error))
    finally:
        connection.close()


def _connects(running: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", running.port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait_until_taken(running: Running) -> None:
    """Send a second request on its own connection after the first was accepted."""
    assert running.get("/health")[0] == 200
