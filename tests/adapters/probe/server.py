"""A server on loopback that answers as its path says; for tests of HTTP clients."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.aws.wire import read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: Mapping[str, bytes] = {
    "/": OK,
    "/chunked": CHUNKED + b"3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n",
    "/until-close": b"HTTP/1.0 200 OK\r\n\r\nready",
    "/500": b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nboom",
    "/redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "/short-chunk": CHUNKED + b"9\r\nok",
    "/garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "/nothing": b"",
    "/huge": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 400_000,
}


class Server:
    """Answers each connection in a thread; `requests` has the text of each request."""

    def __init__(self, wrap: Callable[[socket.socket], socket.socket]) -> None:
        self.requests: list[str] = []
        self.delay = 0.0
        self._wrap = wrap
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        for each in self._threads:
            each.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                with self._wrap(connection) as wrapped:
                    self._answer(wrapped)
            except OSError:
                return  # the client has gone

    def _answer(self, connection: socket.socket) -> None:
        request = read_request(connection).decode()
        self.requests.append(request)
        path = request.split(" ")[1].partition("?")[0]
        if self.delay:
            self._over.wait(self.delay)
        if path == "/slow":
            self._over.wait(5)
        if path == "/reset":
            # Zero seconds of SO_LINGER reset the connection (socket(7)).
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return
        connection.sendall(ANSWERS.get(path, OK))


@contextmanager
def a_server(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve during a block, with TLS if there is a context."""
    server = Server(lambda s: context.wrap_socket(s, server_side=True) if context else s)
    try:
        yield server
    finally:
        server.close()


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until a condition holds; fails after some seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)
