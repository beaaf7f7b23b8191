"""Let a program that listens on every address listen on that of its instance alone.

All instances share the ports of this machine, and the configuration of a package listens on
0.0.0.0: the second instance, or a load balancer on the same port, would fail. The kernel asks the
cloud about each bind(2) of such a program (seccomp_unotify(2)). TCP only, and port 0 stays as it
is: it belongs to a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from local_cloud.instances import bind_filter

PIDFD_GETFD = 438
RECEIVE, SEND = 0xC0502100, 0xC0182101
GO_ON = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
"""id, pid, flags; number of the call, architecture, instruction, six arguments."""
ANSWER = struct.Struct("=QqiI")
"""id, result, error, flags."""
LONGEST_ADDRESS = 128
PORT = slice(2, 4)
ANY4, ANY6 = bytes(4), bytes(16)


@dataclass(kw_only=True)
class OwnAddress:
    """Answers the calls of the programs of one instance, which has this address."""

    address: str
    name: str = field(default_factory=lambda: f"@local-cloud/{uuid.uuid4().hex}")
    _socket: socket.socket | None = None
    _listeners: set[int] = field(default_factory=set)

    @property
    def words(self) -> list[str]:
        """The words before a command line whose programs are to be asked about."""
        return [sys.executable, "-I", "-S", bind_filter.__file__, self.name] if self._socket else []

    def open(self) -> None:
        """Wait for programs."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.setblocking(False)
        self._socket.bind(self.name.replace("@", "\0", 1))
        self._socket.listen()
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def close(self) -> None:
        """Answer no more; the programs have ended."""
        loop = asyncio.get_running_loop()
        if self._socket:
            loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for listener in list(self._listeners):
            self._forget(listener)

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            connection.setblocking(False)
            asyncio.get_running_loop().add_reader(connection, self._receive, connection)

    def _receive(self, connection: socket.socket) -> None:
        """Take the descriptor of a program's notifications."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(connection)
        with connection, contextlib.suppress(OSError):
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
            for each in descriptors:
                self._listeners.add(each)
                loop.add_reader(each, self._answer, each)

    def _forget(self, listener: int) -> None:
        asyncio.get_running_loop().remove_reader(listener)
        self._listeners.discard(listener)
        os.close(listener)

    def _answer(self, listener: int) -> None:
        """Answer one call, or forget a filter whose last program has ended."""
        buffer = bytearray(NOTIFICATION.size)
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        events = poll.poll(0)
        if not events or not events[0][1] & select.POLLIN:
            if events:
                self._forget(listener)
            return
        try:
            fcntl.ioctl(listener, RECEIVE, buffer)
        except OSError:  # the program was killed meanwhile
            return
        number, pid, *rest = NOTIFICATION.unpack(buffer)
        descriptor, pointer, length = rest[4:7]
        result = self.bind(pid, descriptor, pointer, length)
        answer = (number, 0, 0, GO_ON) if result is None else (number, 0, -result, 0)
        with contextlib.suppress(OSError):  # the program was killed meanwhile
            fcntl.ioctl(listener, SEND, bytearray(ANSWER.pack(*answer)))

    def bind(self, pid: int, descriptor: int, pointer: int, length: int) -> int | None:
        """Bind a socket of a process in its place; return the error number, or None to let it."""
        try:
            asked = memory(pid, pointer, min(length, LONGEST_ADDRESS))
            if not is_for_every_address(asked):
                return None
            with socket.socket(fileno=of_process(pid, descriptor)) as its:
                if its.type != socket.SOCK_STREAM:
                    return None
                its.bind(self.instead(its, int.from_bytes(asked[PORT], "big")))
        except OSError as error:
            return error.errno
        return 0

    def instead(self, its: socket.socket, port: int) -> tuple[str, int]:
        """Return the address for a socket that asked for every one.

        No client of an instance uses IPv6, so a socket for IPv6 alone gets a free port of it.
        """
        if its.family == socket.AF_INET:
            return self.address, port
        if its.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            return "::1", 0
        return f"::ffff:{self.address}", port


def is_for_every_address(asked: bytes) -> bool:
    """Return True if a call of bind asks for a port of 0.0.0.0 or :: (ip(7), ipv6(7))."""
    if len(asked) < 8 or asked[PORT] == bytes(2):  # noqa: PLR2004  a port and an IPv4 address
        return False
    family = int.from_bytes(asked[:2], sys.byteorder)
    if family == socket.AF_INET6:
        return asked[8:24] == ANY6
    return family == socket.AF_INET and asked[4:8] == ANY4


def memory(pid: int, pointer: int, length: int) -> bytes:
    """Return bytes of the memory of a process."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        file.seek(pointer)
        return file.read(length)


def of_process(pid: int, descriptor: int) -> int:
    """Return a descriptor for the same file as one of another process (pidfd_getfd(2))."""
    process = os.pidfd_open(pid)
    try:
        found: int = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, descriptor, 0)
        if found < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return found
    finally:
        os.close(process)
