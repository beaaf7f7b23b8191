"""Reach the hosts that are not of AWS: directly, or through the user's own proxy."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import select
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

CHUNK = 65536
CONNECTS_WITHIN = 30.0
LONGEST_HEAD = 65536
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a request in plain HTTP asks the next host for: a path or a URL, and headers for it."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """The user's own proxies, as URLs, and the hosts that need none; empty without a proxy."""

    http: str = ""
    https: str = ""
    exceptions: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Upstream:
        """Return the proxies that an environment names; lower case counts first, as in curl."""

        def value(name: str) -> str:
            return environ.get(name) or environ.get(name.upper(), "")

        return cls(
            http=value("http_proxy"), https=value("https_proxy"), exceptions=value("no_proxy")
        )

    def proxy_of(self, scheme: str, host: str) -> str:
        """Return the URL of the proxy for a host, or an empty text if it is reached directly."""
        chosen = self.https if scheme == "https" else self.http
        return "" if is_exempt(host, self.exceptions) else chosen

    def tunnel(self, host: str, port: int) -> socket.socket:
        """Return a connection on which a client and the host can speak; raise OSError."""
        proxy = self.proxy_of("https", host)
        if not proxy:
            return socket.create_connection((host, port), CONNECTS_WITHIN)
        made, where = connection(proxy), f"{host}:{port}"
        made.sendall(head(f"CONNECT {where} HTTP/1.1", {"Host": where, **authorized(proxy)}))
        status = read_head(made).partition("\r\n")[0]
        if status.split(" ")[1:2] != ["200"]:
            made.close()
            raise OSError(f"the proxy {redacted(proxy)} said: {status}")
        return made

    def http_connection(self, url: urllib.parse.SplitResult) -> tuple[socket.socket, Asked]:
        """Return a connection for a request in plain HTTP, and how to ask; raise OSError."""
        host, port = url.hostname or "", url.port or PORTS["http"]
        if proxy := self.proxy_of("http", host):
            return connection(proxy), Asked(path=url.geturl(), headers=authorized(proxy))
        path = url._replace(scheme="", netloc="").geturl() or "/"
        made = socket.create_connection((host, port), CONNECTS_WITHIN)
        return made, Asked(path=path, headers={})


def is_exempt(host: str, exceptions: str) -> bool:
    """Return True if a host needs no proxy: it is on loopback, or NO_PROXY names it."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host.strip("[]"))
        return address.is_loopback or any(contains(each, address) for each in exceptions.split(","))
    named: dict[str, str] = {"no": exceptions}
    bypass = urllib.request.proxy_bypass_environment(host, named)  # type: ignore[attr-defined]
    return host == "localhost" or bool(bypass)


def contains(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return True if an entry of NO_PROXY is a network, or an address, that has the address."""
    with contextlib.suppress(ValueError):
        return address in ipaddress.ip_network(network.strip(), strict=False)
    return network.strip() == "*"


def connection(proxy: str) -> socket.socket:
    """Return a connection to a proxy; raise OSError."""
    url = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if url.scheme not in PORTS or not url.hostname:
        raise OSError(f"{redacted(proxy)} is no proxy of http or https")
    made = socket.create_connection((url.hostname, url.port or PORTS[url.scheme]), CONNECTS_WITHIN)
    if url.scheme == "http":
        return made
    return ssl.create_default_context().wrap_socket(made, server_hostname=url.hostname)


def authorized(proxy: str) -> dict[str, str]:
    """Return the header with the user name and password of a proxy's URL, if it has some."""
    url = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if url.username is None:
        return {}
    pair = f"{urllib.parse.unquote(url.username)}:{urllib.parse.unquote(url.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def redacted(proxy: str) -> str:
    """Return the URL of a proxy without user name and password."""
    return proxy.rpartition("@")[2]


def head(line: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request."""
    lines = [line, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def read_head(made: socket.socket) -> str:
    """Return the head of an answer, and nothing after it."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        data = made.recv(1)
        if not data or len(read) > LONGEST_HEAD:
            raise OSError("the proxy closed the connection")
        read += data
    return read.decode("latin-1")


def relay(client: socket.socket, host: socket.socket) -> None:
    """Copy in both directions until both sides have ended."""
    other = {client: host, host: client}
    for each in other:
        each.settimeout(None)
    reading = list(other)
    while reading:
        # What TLS has decrypted already is not on the socket any longer.
        decrypted = [each for each in reading if isinstance(each, ssl.SSLSocket) and each.pending()]
        for source in decrypted or select.select(reading, [], [])[0]:
            try:
                data = source.recv(CHUNK)
                other[source].sendall(data)
            except OSError:
                return
            if not data:
                reading.remove(source)
                with contextlib.suppress(OSError):
                    other[source].shutdown(socket.SHUT_WR)
