"""Assign loopback addresses: 127.N.0.0/16 for each cloud, one address for each instance.

Linux answers on all of 127.0.0.0/8 without set-up. A cloud claims the first free N from 16 up by
listening on 127.N.0.1 while it lives, so two clouds never share a network, and the network of a
killed cloud is free at once. 127.N.0.0/24 is for the cloud itself, 127.N.255.0/24 for load
balancers.
"""

from __future__ import annotations

import errno
import itertools
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_cloud.errors import PROGRAM, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = 16, 254
HOSTS = range(1, 255)
INSTANCE_NETWORKS = range(1, 255)
BALANCER_NETWORK = 255
METADATA_PORT = 1338
SSH_PORT = 22
UNPRIVILEGED = 8000
"""Added to a port below 1024 if this process may not listen there."""
BACKLOG = 128
SSH_HINTS = {
    errno.EACCES: "this user may not listen on port 22; as root, run:"
    " sysctl net.ipv4.ip_unprivileged_port_start=22",
    errno.EADDRINUSE: "a server of this machine listens on port 22 of every address;"
    " for sshd, set ListenAddress in /etc/ssh/sshd_config to the addresses that need it",
}


@dataclass(kw_only=True)
class Network:
    """A claimed 127.N.0.0/16; closing it releases the claim."""

    number: int
    claim: socket.socket
    _addresses: Iterator[str] = field(init=False)
    _balancers: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._addresses = itertools.cycle(
            f"127.{self.number}.{third}.{fourth}" for third in INSTANCE_NETWORKS for fourth in HOSTS
        )
        self._balancers = itertools.cycle(
            f"127.{self.number}.{BALANCER_NETWORK}.{fourth}" for fourth in HOSTS
        )

    @property
    def cidr(self) -> str:
        """The network in CIDR notation."""
        return f"127.{self.number}.0.0/16"

    def address(self) -> str:
        """Return the next address; an address repeats after 64,000 others."""
        return next(self._addresses)

    def ssh_port(self, wanted: int = 0) -> tuple[int, str]:
        """Return the port of SSH on the addresses of instances, and why it is not 22.

        It is the wanted one; without one 22, or 8022 if 22 is not possible.
        """
        if wanted:
            return wanted, ""
        try:
            bound(SSH_PORT, f"127.{self.number}.0.1").close()
        except OSError as error:
            return SSH_PORT + UNPRIVILEGED, SSH_HINTS.get(error.errno or 0, str(error))
        return SSH_PORT, ""

    def balancer_address(self) -> str:
        """Return the next address of a load balancer; an address repeats after 254 others."""
        return next(self._balancers)

    def close(self) -> None:
        """Release the network."""
        self.claim.close()


def claim() -> Network:
    """Claim a network that no other cloud on this machine has."""
    for number in range(FIRST, LAST + 1):
        held = socket.socket()
        try:
            held.bind((f"127.{number}.0.1", METADATA_PORT))
            held.listen()
        except OSError:
            held.close()
        else:
            return Network(number=number, claim=held)
    raise RefusedError(
        "local cloud",
        f"every loopback network 127.{FIRST}-{LAST}.0.0/16 is in use",
        f"stop a cloud that is not needed: {PROGRAM} down",
    )


def listen(port: int, purpose: str) -> socket.socket:
    """Return a socket that listens on 127.0.0.1, on a free port if `port` is 0."""
    try:
        listening = bound(port)
        listening.listen(BACKLOG)
    except OSError as error:
        raise RefusedError(
            f"local cloud, {purpose}",
            f"127.0.0.1:{port}: {error.strerror or error}",
            f"choose another port: {PROGRAM} up --port 0",
        ) from error
    return listening


def bound(port: int, address: str = "127.0.0.1") -> socket.socket:
    """Return a socket that has the port of an address and refuses connections; raise OSError."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made
