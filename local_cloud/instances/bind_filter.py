"""Start a program whose calls of bind(2) another process answers (seccomp_unotify(2)).

A program of its own, for the standard library alone: `bind_filter.py NAME PROGRAM...` sends the
descriptor of the notifications to the abstract socket NAME, then becomes PROGRAM.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import struct
import sys
from collections.abc import Callable

LISTENER, MODE_FILTER, NO_NEW_PRIVILEGES = 8, 1, 38
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCHITECTURE = 0, 4
CALLS = {"x86_64": (317, 0xC000003E, 49), "aarch64": (277, 0xC00000B7, 200)}
"""By machine: the number of seccomp(2), the architecture in a filter, the number of bind(2)."""


class Program(ctypes.Structure):
    """A filter, as the kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def code(architecture: int, bind: int) -> bytes:
    """Return the filter: notify of bind, allow everything else."""
    steps = (
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 3, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 1, bind),
        (RETURN, 0, 0, NOTIFY),
        (RETURN, 0, 0, ALLOW),
    )
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def install() -> int:
    """Install the filter in this process; return the descriptor of its notifications."""
    number, architecture, bind = CALLS[platform.machine()]
    libc = ctypes.CDLL(None, use_errno=True)
    made = code(architecture, bind)
    program = Program(len(made) // 8, made)
    if os.geteuid() != 0:
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    found: int = libc.syscall(number, MODE_FILTER, LISTENER, ctypes.byref(program))
    if found < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return found


def send(name: str, make: Callable[[], int]) -> None:
    """Connect to a socket, make a descriptor and send it there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(name.replace("@", "\0", 1))
        listener = make()
        socket.send_fds(connection, [b"x"], [listener])
        os.close(listener)


def main(name: str, *program: str) -> None:
    """Install the filter if this machine can, then become the program."""
    if platform.machine() in CALLS:
        with contextlib.suppress(OSError):  # a container may forbid it
            send(name, install)
    for each in (signal.SIGPIPE, signal.SIGXFSZ):  # which an interpreter ignores
        signal.signal(each, signal.SIG_DFL)
    os.execvp(program[0], program)  # noqa: S606  the program of the caller


if __name__ == "__main__":
    main(*sys.argv[1:])
