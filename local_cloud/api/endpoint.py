"""Serve the API on its port, and refuse connections for a while.

The port is also a proxy: `proxied` answers for the host names of AWS. A client that speaks TLS to
the port itself gets a certificate that it does not trust, so a test of that needs nothing but
`https` in the endpoint.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from local_cloud.api.authority import Authority
from local_cloud.api.call import Environ
from local_cloud.api.proxied import ProxyHandler, ProxyServer
from local_cloud.api.tunnel import Upstream
from local_cloud.instances import network
from local_cloud.traffic import certificates

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

HANDSHAKE = b"\x16"
"""The first byte of every TLS connection: a record of type handshake (RFC 8446, 5.1)."""


class Server(ProxyServer):
    """The server, which also takes TLS connections."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer the requests of a connection."""
        if request.recv(1, socket.MSG_PEEK) != HANDSHAKE:
            super().finish_request(request, client_address)
            return
        with certificates.context(self.host).wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an error, but not the rejection of the certificate by a client."""
        if not isinstance(sys.exc_info()[1], (ssl.SSLError, ConnectionError)):
            super().handle_error(request, client_address)


class Endpoint:
    """The server of the API in a thread of its own; the port stays its own during an outage."""

    def __init__(self, listening: socket.socket, authority: Authority, upstream: Upstream) -> None:
        self._socket = listening
        self._authority = authority
        self._upstream = upstream
        self._address: tuple[str, int] = listening.getsockname()
        self._lock = threading.Lock()
        self._end_of_outage: threading.Timer | None = None

    def open(self, application: Application) -> None:
        """Start to serve."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._application = application
        self._serve()

    def _serve(self) -> None:
        host, port = self._address
        fd = self._socket.fileno()
        self._server = Server(host, port, self._application, ProxyHandler, fd=fd)
        self._server.authority = self._authority
        self._server.upstream = self._upstream
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="api", daemon=True
        )
        self._thread.start()

    def _stop(self) -> None:
        self._server.shutdown()  # the server closes its copy of the socket
        self._thread.join()
        self._socket.close()

    def refuse(self, seconds: float) -> None:
        """Refuse every connection for real `seconds`; what is being answered is still answered.

        Does nothing during an outage.
        """
        with self._lock:
            if self._end_of_outage:
                return
            self._stop()
            self._socket = network.bound(self._address[1])
            self._end_of_outage = threading.Timer(seconds, self._return)
            self._end_of_outage.daemon = True
            self._end_of_outage.start()

    def _return(self) -> None:
        with self._lock:
            if self._end_of_outage:
                self._end_of_outage = None
                self._socket.listen(network.BACKLOG)
                self._serve()

    def close(self) -> None:
        """Stop serving, for good."""
        with self._lock:
            if self._end_of_outage:
                self._end_of_outage.cancel()
                self._end_of_outage = None
                self._socket.close()
            else:
                self._stop()
