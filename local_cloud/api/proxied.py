"""Answer the requests that a client sends to its proxy: those for AWS here, the others there.

HTTPS comes as CONNECT (RFC 9110, 9.3.6). For a host name of AWS, this side then speaks TLS with a
certificate of the cloud's own authority, and the request is answered as any other: the same faults,
permissions and counts. Plain HTTP comes with the whole URL in its first line (RFC 9112, 3.2.2).
"""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from local_cloud.api import hosts, tunnel
from local_cloud.api.authority import Authority

HTTPS = 443
HANDSHAKE_WITHIN = 30.0
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authorization", "proxy-connection"}
SCHEME = "wsgi.url_scheme"


class ProxyServer(ThreadedWSGIServer):
    """werkzeug's server, with what its handler needs to be a proxy."""

    authority: Authority
    upstream: tunnel.Upstream


class ProxyHandler(MotoRequestHandler):
    """Answers the requests of a connection: to the endpoint, or to a proxy."""

    server: ProxyServer
    host_name = ""
    """The host name of AWS that CONNECT asked for."""

    def run_wsgi(self) -> None:
        """Answer one request, the only one of its connection."""
        # A connection that a fault broke has no header that says so, and its number is used again:
        # who reads from it for another request takes the bytes of the next client.
        self.close_connection = True
        if self.command == "CONNECT":
            self._connect()
            return
        url = urllib.parse.urlsplit(self.path)
        if not url.scheme:
            self._answer(self.host_name, self.path)
        elif hosts.is_of_aws(url.hostname or ""):
            self._answer(url.hostname or "", url._replace(scheme="", netloc="").geturl() or "/")
        else:
            self._forward(url)

    def _answer(self, host: str, path: str) -> None:
        """Answer as the endpoint, for a host name of AWS or for the endpoint itself."""
        if host in hosts.PAGES:
            self._show(hosts.PAGES[host])
            return
        if host:
            asked = hosts.target(host, path, f"127.0.0.1:{self.server.port}")
            self.path = asked.path
            del self.headers["Host"]
            self.headers["Host"] = asked.host
            self._show_signature(host)
        super().run_wsgi()

    def _show_signature(self, host: str) -> None:
        """Move a signature from the query to the header, where every service but S3 expects it."""
        scope = hosts.presigned(self.path)
        if scope and "Authorization" not in self.headers and not hosts.is_of_s3(host):
            self.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"

    def make_environ(self) -> dict[str, Any]:
        """Return the request as WSGI knows it; links in answers are those of AWS."""
        environ: dict[str, Any] = super().make_environ()
        if self.host_name and hosts.is_of_aws(environ["HTTP_HOST"]):
            environ[SCHEME] = "https"
        return environ

    def _show(self, page: str) -> None:
        body = page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def _connect(self) -> None:
        host, _, port = self.path.rpartition(":")
        if not port.isdigit():
            self.send_error(400, "CONNECT needs HOST:PORT")
        elif hosts.is_of_aws(host):
            self._answer_securely(host)
        else:
            self._tunnel(host.strip("[]"), int(port))

    def _answer_securely(self, host: str) -> None:
        """Speak TLS as a host of AWS, and answer the request that comes in it."""
        self._accept_tunnel()
        context = self.server.authority.context(host.lower())
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.settimeout(HANDSHAKE_WITHIN)
        with context.wrap_socket(self.connection, server_side=True) as secured:
            secured.settimeout(None)
            self.host_name, self.request = host, secured
            self.setup()
            self.handle_one_request()

    def _accept_tunnel(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def _tunnel(self, host: str, port: int) -> None:
        """Connect a client with a host that is not of AWS."""
        try:
            there = self.server.upstream.tunnel(host, port)
        except OSError as error:
            self._fail(host, error)
            return
        with contextlib.closing(there):
            self._accept_tunnel()
            tunnel.relay(self.connection, there)

    def _fail(self, host: str, error: OSError) -> None:
        """Say that a host cannot be reached; clients show the first line."""
        self.send_error(502, f"local cloud: {host}: {error.strerror or error}".replace("\n", " "))

    def _forward(self, url: urllib.parse.SplitResult) -> None:
        """Pass a request in plain HTTP on, and its answer back."""
        host = url.hostname or ""
        length = self.headers.get("Content-Length", "0")
        if url.scheme != "http" or not length.isdigit() or "Transfer-Encoding" in self.headers:
            self.send_error(501, f"local cloud: no {url.scheme} request without a length")
            return
        try:
            there, asked = self.server.upstream.http_connection(url)
        except OSError as error:
            self._fail(host, error)
            return
        with contextlib.closing(there):
            passed = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
            sent = tunnel.head(
                f"{self.command} {asked.path} HTTP/1.1",
                {**passed, **asked.headers, "Connection": "close"},
            )
            there.sendall(sent + self.rfile.read(int(length)))
            tunnel.relay(self.connection, there)
