"""A server that answers what a test says, byte for byte: gateways, proxies, broken connections."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

RESET = b"reset"
"""The connection is reset instead of an answer."""


def answer(
    status: int, body: str = "", *more: str, content: str = "text/xml", cut: int = 0
) -> bytes:
    """Return an HTTP response, without the last `cut` bytes of its length; `more` are headers."""
    data = body.encode()
    head = "\r\n".join(
        [
            f"HTTP/1.1 {status} Status",
            f"Content-Type: {content}",
            f"Content-Length: {len(data)}",
            *more,
        ]
    )
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + data[: len(data) - cut]


@dataclass(kw_only=True)
class Wire:
    """The server; it answers each connection with the next of `answers`, the last one for ever."""

    answers: list[bytes]
    port: int = 0
    requests: int = 0
    _listener: socket.socket | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The endpoint for a client."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Accept connections."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections."""
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):  # a client that has gone ends no server
                    connection.settimeout(5)
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        read_request(connection)
        self.requests += 1
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if said == RESET:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        connection.sendall(said)


def read_request(connection: socket.socket) -> bytes:
    """Return a whole request: a connection that is closed with some of it unread is reset.

    Raises:
        ConnectionError: the client has gone before its end.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    if data := connection.recv(65536):
        return data
    raise ConnectionError("the client has gone")


@contextmanager
def a_wire(*answers: bytes) -> Iterator[Wire]:
    """Run a server that gives these answers, one for each connection."""
    wire = Wire(answers=list(answers))
    wire.open()
    try:
        yield wire
    finally:
        wire.close()
