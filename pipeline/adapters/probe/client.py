"""Send one HTTP request on a connection of its own, and read the answer.

A connection of its own shows what a new user gets: a network load balancer keeps an open
connection at the same target. Redirects are not followed, proxies are not used.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import (
    BadStatusLine,
    HTTPException,
    HTTPResponse,
    IncompleteRead,
    RemoteDisconnected,
)
from itertools import count
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pipeline.core.probe.expectation import Answer
from pipeline.core.probe.settings import Probe
from pipeline.core.times import format_duration

LONGEST_BODY = 256 * 1024
"""Bytes of an answer that are read; the rest says nothing more."""
FRESH = 5.0
"""Seconds for which a name is not resolved again; Elastic Load Balancing changes the addresses of
a load balancer and gives them 60 seconds (Elastic Load Balancing User Guide, how it works)."""
LONGEST_LINE = 80
"""Characters of a line that is not HTTP."""
INCOMPLETE = "the connection was closed before the end of the answer"
PORTS = {"http": 80, "https": 443}


class NoAnswerError(Exception):
    """The request had no answer: refused, reset, too slow, not HTTP, or another TLS certificate."""


@dataclass(kw_only=True)
class Addresses:
    """The addresses of a host, resolved again every few seconds and used in turn."""

    host: str
    port: int
    _found: list[tuple[Any, ...]] = field(default_factory=list, init=False)
    _until: float = field(default=0.0, init=False)
    _turn: Iterator[int] = field(default_factory=count, init=False)
    _resolving: threading.Lock = field(default_factory=threading.Lock, init=False)

    def one(self) -> tuple[Any, ...]:
        """Return the next address, as `socket.getaddrinfo` describes it; raises OSError.

        While one thread resolves the name again, the others use the earlier addresses.
        """
        if time.monotonic() >= self._until and self._resolving.acquire(blocking=not self._found):
            try:
                self._resolve()
            finally:
                self._resolving.release()
        return self._found[next(self._turn) % len(self._found)]

    def _resolve(self) -> None:
        if time.monotonic() < self._until:
            return  # another thread has just done it
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        # The first family is the one that this machine reaches (RFC 6724).
        self._found = [each for each in found if each[0] == found[0][0]]
        self._until = time.monotonic() + FRESH


class Client:
    """Sends requests of a probe to one URL; safe for threads."""

    def __init__(self, probe: Probe, url: str) -> None:
        self._probe = probe
        self._url = urlsplit(url)
        host = self._url.hostname or ""
        port = self._url.port or PORTS[self._url.scheme]
        self._addresses = Addresses(host=host, port=port)
        headers = {"Host": self._url.netloc, "User-Agent": "ami-pipeline", "Accept": "*/*"}
        headers |= {_title(name): value for name, value in probe.headers} | {"Connection": "close"}
        # Certificates are checked for the name of the site, which the Host header may give.
        self._name = urlsplit(f"//{headers['Host']}").hostname or host
        self._request = _request(probe.method, self._url, headers)
        self._tls = _context(probe) if self._url.scheme == "https" else None
        self._session: ssl.SSLSession | None = None

    def ask(self) -> Answer:
        """Send one request and return the answer; raises NoAnswerError."""
        deadline = time.monotonic() + self._probe.timeout
        try:
            answer = self._exchange(deadline)
        except TimeoutError as error:
            raise self._late() from error
        except (OSError, HTTPException, ValueError) as error:  # ValueError: an impossible name
            raise NoAnswerError(_describe(error)) from error
        if time.monotonic() > deadline:
            raise self._late()
        return answer

    def _late(self) -> NoAnswerError:
        return NoAnswerError(f"no answer within {format_duration(self._probe.timeout)}")

    def _exchange(self, deadline: float) -> Answer:
        family, kind, protocol, _, address = self._addresses.one()
        with socket.socket(family, kind, protocol) as plain:
            plain.settimeout(_left(deadline))
            plain.connect(address)
            if self._tls is None:
                return self._talk(plain, deadline)
            plain.settimeout(_left(deadline))
            with self._tls.wrap_socket(
                plain, server_hostname=self._name, session=self._session
            ) as secure:
                answer = self._talk(secure, deadline)
                # A resumed session spares both sides most of a handshake. Another target that
                # ends TLS itself does not know it, and makes a new one.
                if not secure.session_reused:
                    self._session = secure.session
                return answer

    def _talk(self, connection: socket.socket, deadline: float) -> Answer:
        connection.settimeout(_left(deadline))
        connection.sendall(self._request)
        with HTTPResponse(connection, method=self._probe.method) as response:
            response.begin()
            connection.settimeout(_left(deadline))
            body = response.read(LONGEST_BODY)
            if response.length and len(body) < LONGEST_BODY:
                raise NoAnswerError(INCOMPLETE)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, body=body, headers=headers)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _title(name: str) -> str:
    """Return the name of a header in one spelling, so that a given one replaces the default."""
    return name.title()


def _request(method: str, url: SplitResult, headers: dict[str, str]) -> bytes:
    query = f"?{url.query}" if url.query else ""
    lines = [f"{method} {url.path or '/'}{query} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _context(probe: Probe) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    if not probe.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _describe(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            text = f"TLS certificate: {error.verify_message}"
        case socket.gaierror():
            text = f"the name does not resolve: {error.strerror}"
        case RemoteDisconnected():
            text = "the connection was closed without an answer"
        case OSError(strerror=str(reason)):
            text = reason
        case IncompleteRead():
            text = INCOMPLETE
        case BadStatusLine():
            text = f"the answer is not HTTP: {str(error).strip()[:LONGEST_LINE]!r}"
        case _:
            text = f"{type(error).__name__}: {error}".removesuffix(": ")
    return text
