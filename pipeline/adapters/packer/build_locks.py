"""Which bakes run on this machine: each holds a lock on its log until it is judged.

The kernel lets the lock go when the process ends, however it ends, so a bake that
was killed is told from one that runs beside ours without a heartbeat or a pid
that may meanwhile be another's (ADR 0004).
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
    """Return where the log of a bake is."""
    return logs / f"{bake}.log"


def said(logs: Path, bake: str) -> bytes:
    """Return what the log of a bake holds; nothing where it ran on another machine."""
    try:
        return log_of(logs, bake).read_bytes()
    except OSError:
        return b""


@contextmanager
def claim(logs: Path, bake: str) -> Iterator[None]:
    """Make the log of a new bake, readable by us only, and hold its lock for the block.

    Raises RefusedError where it cannot be made.
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


def runs_here(logs: Path, bake: str) -> bool | None:
    """Whether a bake still runs on this machine; None where it never did."""
    return is_held(log_of(logs, bake))
