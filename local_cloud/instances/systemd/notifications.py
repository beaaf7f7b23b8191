"""Receive what a service of type notify says, as sd_notify(3) sends it."""

from __future__ import annotations

import asyncio
import socket
import uuid
from dataclasses import dataclass, field

LONGEST = 4096


@dataclass(kw_only=True)
class Notifications:
    """A datagram socket with an abstract name, which processes in any root directory can use."""

    name: str = field(default_factory=lambda: f"@local-cloud/{uuid.uuid4().hex}")
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _socket: socket.socket = field(
        default_factory=lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    )

    def open(self) -> None:
        """Listen; $NOTIFY_SOCKET is the name."""
        self._socket.setblocking(False)
        self._socket.bind(self.name.replace("@", "\0", 1))
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def _receive(self) -> None:
        try:
            lines = self._socket.recv(LONGEST).decode(errors="replace").splitlines()
        except BlockingIOError:
            return
        if "READY=1" in lines:
            self.ready.set()

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
