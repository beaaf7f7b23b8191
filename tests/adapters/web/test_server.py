"""The web server: on loopback, for pages of its own only, and read only."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from pipeline.adapters.web.server import ADDRESS, HEADERS, Answer, Server
from pipeline.core.errors import RefusedError


class FakeSite:
    """One page, `/`, whose live part is `lives`, one after another, and then ends."""

    def __init__(self, *lives: str) -> None:
        self.lives = list(lives)
        self.asked: list[str] = []
        self.hangs = threading.Event()
        self.released = threading.Event()

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        if path == "/hangs":
            self.hangs.set()
            self.released.wait(20)
        if path == "/":
            return Answer(text="<p>page</p>")
        return Answer(text="missing", status=404)

    def live(self, path: str) -> str | None:
        return self.lives.pop(0) if path == "/" and self.lives else None


@contextmanager
def serving(site: FakeSite) -> Iterator[int]:
    """Serve a site in a thread for a block; return its port."""
    ready = threading.Event()
    urls: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    def tell(url: str) -> None:
        loops.append(asyncio.get_running_loop())
        urls.append(url)
        ready.set()

    def run() -> None:
        server = Server(site=site, interval=0.01)
        with socket.create_server((ADDRESS, 0)) as listener, suppress(asyncio.CancelledError):
            asyncio.run(server._serve(listener, tell))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield int(urls[0].rsplit(":", 1)[1].rstrip("/"))
    finally:
        for task in asyncio.all_tasks(loops[0]):
            loops[0].call_soon_threadsafe(task.cancel)
        thread.join(10)
        assert not thread.is_alive(), "the server does not end"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(FakeSite()) as port:
        yield port


def ask(
    port: int, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=given)
    answer = connection.getresponse()
    try:
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_a_page_is_answered_with_headers_that_forbid_everything_else(port: int) -> None:
    status, headers, text = ask(port)
    assert (status, text) == (200, "<p>page</p>")
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert ask(port, "/x")[0] == 404
    assert ask(port, "/x")[1]["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "dashboard.evil.example:{port}"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://localhost:{port}"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_a_page_of_this_server_may_read(
    port: int, headers: dict[str, str], status: int
) -> None:
    given = {name: value.format(port=port) for name, value in headers.items()}
    assert ask(port, **given)[0] == status
    assert ask(port, "/live/", **given)[0] == (404 if status == 200 else status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(port: int, method: str) -> None:
    assert ask(port, method=method)[0] == 405


def test_head_is_answered_without_a_body(port: int) -> None:
    assert ask(port, method="HEAD")[::2] == (200, "")


def test_a_stream_sends_a_part_again_only_once_it_has_changed() -> None:
    with serving(FakeSite("<p>1</p>", "<p>1</p>", "<p>2</p>\n<p>3</p>")) as port:
        status, headers, text = ask(port, "/live/")
        assert ask(port, "/live/x")[0] == 404
    assert (status, headers["Content-Type"]) == (200, "text/event-stream")
    assert headers["Cache-Control"] == "no-store"
    assert text == (
        "event: update\ndata: <p>1</p>\n\nevent: update\ndata: <p>2</p>\ndata: <p>3</p>\n\n"
    )


def test_the_end_does_not_wait_for_a_page_that_aws_does_not_answer() -> None:
    site = FakeSite()
    with serving(site) as port, socket.create_connection((ADDRESS, port)) as browser:
        browser.sendall(f"GET /hangs HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\n\r\n".encode())
        assert site.hangs.wait(10)
    site.released.set()


def test_a_port_that_is_taken_is_an_error_with_another_command() -> None:
    with socket.create_server((ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError) as caught:
            Server(site=FakeSite(), port=port).run(lambda _: None)
    assert str(caught.value) == (
        f"dashboard --port {port}:\n  127.0.0.1:{port}: Address already in use\n"
        "next: ami-pipeline dashboard --port 0"
    )
