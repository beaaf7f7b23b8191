"""Open and close the ports of a plan, and report the URL of each listener."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from local_cloud.traffic import certificates
from local_cloud.traffic.proxy import Proxy
from local_cloud.traffic.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud.traffic.nodes import Nodes
    from local_cloud.traffic.plan import Balancer, Listener, Plan

log = logging.getLogger(__name__)

Carrier: TypeAlias = Proxy | Relay
Name: TypeAlias = tuple[str, int]
"""A balancer's key and the port of a listener."""

PRIVILEGED = 1024
OFFSET = 8000  # for an ordinary user, added to a privileged port
BACKLOG = 1024
SCHEMES = {"HTTP": "http", "HTTPS": "https", "TCP": "tcp", "SSL": "ssl", "TLS": "tls"}
ENCRYPTED = ("HTTPS", "SSL", "TLS")


def listening(address: str, port: int) -> socket.socket:
    """Return a listening socket."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An open listener; a change of its `place` requires opening it again."""

    carrier: Carrier
    place: tuple[str, int, str]
    url: str


@dataclass(kw_only=True)
class Listeners:
    """All open listeners; used on the event loop, `urls` from any thread."""

    nodes: Nodes
    listen: Callable[[str, int], socket.socket] = listening
    _opened: dict[Name, Opened] = field(default_factory=dict)
    _refused: set[Name] = field(default_factory=set)
    _urls: dict[Name, str] = field(default_factory=dict)

    def urls(self) -> dict[Name, str]:
        """Return the URL of each open listener."""
        return self._urls

    async def follow(self, plan: Plan) -> None:
        """Open, change and close listeners as the plan says."""
        wanted = {
            (balancer.key, listener.port): (balancer, listener)
            for balancer in plan.balancers
            for listener in balancer.listeners
        }
        for name, opened in list(self._opened.items()):
            if name not in wanted or place(*wanted[name]) != opened.place:
                await self._close(name)
        for name, (balancer, listener) in wanted.items():
            if opened_already := self._opened.get(name):
                opened_already.carrier.balancer = balancer
                opened_already.carrier.listener = listener
            else:
                await self._open(name, balancer, listener)

    async def close(self) -> None:
        """Close all listeners."""
        for name in list(self._opened):
            await self._close(name)

    async def _close(self, name: Name) -> None:
        opened = self._opened.pop(name)
        self._publish()
        await opened.carrier.close()
        log.info("%s is closed", opened.url)

    async def _open(self, name: Name, balancer: Balancer, listener: Listener) -> None:
        try:
            bound = self._bind(balancer.address, listener.port)
        except OSError as error:
            if name not in self._refused:
                text = error.strerror or error
                log.warning("%s: port %d: %s", balancer.name, listener.port, text)
            self._refused.add(name)
            return
        self._refused.discard(name)
        kind = Proxy if listener.protocol in {"HTTP", "HTTPS"} else Relay
        carrier = kind(nodes=self.nodes, balancer=balancer, listener=listener)
        encrypted = listener.protocol in ENCRYPTED
        await carrier.open(bound, certificates.context(balancer.address) if encrypted else None)
        url = f"{SCHEMES[listener.protocol]}://{balancer.address}:{bound.getsockname()[1]}"
        self._opened[name] = Opened(carrier=carrier, place=place(balancer, listener), url=url)
        self._publish()
        log.info("%s answers for %s", url, balancer.name)

    def _bind(self, address: str, port: int) -> socket.socket:
        """Listen on the port; an ordinary user gets privileged port + 8000."""
        try:
            return self.listen(address, port)
        except PermissionError:
            if port >= PRIVILEGED:
                raise
            return self.listen(address, port + OFFSET)

    def _publish(self) -> None:
        self._urls = {name: opened.url for name, opened in self._opened.items()}


def place(balancer: Balancer, listener: Listener) -> tuple[str, int, str]:
    """Return the settings that a listener cannot change while it is open."""
    return balancer.address, listener.port, listener.protocol
