"""Lock files in a directory, test whether a file is locked, and report a failed lock.

The store is separate: this module is about file systems. Shared ones lock among machines well,
badly or not at all (docs/reference/store.md).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core import commands
from pipeline.core.errors import RefusedError
from pipeline.core.times import format_duration

PATIENCE = 10.0
"""Seconds that a writer waits for another one."""


def lock_path(folder: Path, key: str) -> Path:
    """Return the lock file of a document: one for each environment and each deployment.

    A stopped writer then blocks only the writers of the same documents.
    """
    first, _, rest = key.partition("/")
    name = ".".join(filter(None, (first, rest.partition("/")[0].removesuffix(".json"))))
    place = folder / ".locks"
    place.mkdir(exist_ok=True, mode=0o700)
    return place / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file inside the block; create the file if it does not exist.

    A holder writes one document, which takes milliseconds. A longer wait means a stopped program or
    a lost lock server, and must not block a run whose lease expires meanwhile. Raises RefusedError
    after 10 s, and any OSError.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise _lock_timeout(path) from None
            time.sleep(0.005)
        else:
            return


def is_held(path: Path) -> bool | None:
    """Return whether a process holds a lock on a file; None without a file or without locks.

    The kernel releases a lock when its holder exits in any way. So a lock distinguishes a live
    process from a killed one without a heartbeat or a pid, which may be reused.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def _lock_timeout(path: Path) -> RefusedError:
    return RefusedError(
        f"[state] {path}",
        f"another program has locked this file for more than {format_duration(PATIENCE)}; "
        "a write takes milliseconds: the program is stopped, or its machine is gone",
        f"find the program: {commands.shell('fuser', '-v', str(path))}; "
        f"check the file system: {commands.doctor()}",
    )


def unusable(path: Path, error: OSError) -> RefusedError:
    """Return the error about a directory that cannot be used."""
    if error.errno in {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}:
        return RefusedError(
            f"[state] {path}",
            f"{error.strerror}: the file system cannot lock or sync a file",
            f"check the file system: {commands.doctor()}; or keep state in S3, [state] url",
        )
    return RefusedError(
        f"[state] {path}",
        error.strerror or str(error),
        "make the directory writable for you, or name another as [state] url in pipeline.toml",
    )
