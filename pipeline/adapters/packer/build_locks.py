"""Build locks: each bake locks its log until its image is verified.

The kernel releases the lock when the process exits in any way. So a lock distinguishes a killed
bake of this machine from a running one, without a heartbeat or a pid, which may be reused
(ADR 0004).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.adapters.files.lock import is_held
from pipeline.adapters.files.logs import unwritable


def log_of(logs: Path, bake: str) -> Path:
    """Return the path of a bake's log."""
    return logs / f"{bake}.log"


def read_log(logs: Path, bake: str) -> bytes:
    """Return the log of a bake; empty if it ran on another machine."""
    try:
        return log_of(logs, bake).read_bytes()
    except OSError:
        return b""


@contextmanager
def build_lock(logs: Path, bake: str) -> Iterator[None]:
    """Create the log of a new bake (mode 0600) and lock it inside the block.

    Raises RefusedError if the log cannot be created.
    """
    path = log_of(logs, bake)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_running_here(logs: Path, bake: str) -> bool | None:
    """Return whether a bake still runs on this machine; None if it never did."""
    return is_held(log_of(logs, bake))
