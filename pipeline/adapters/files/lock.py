"""The lock that writers of a directory take, what is said where one cannot be had, and who has one.

Apart from the store, for it is about file systems: shared ones lock among machines, badly, or not
at all (docs/deploy.md, "The store").
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import RefusedError

PATIENCE = 10.0
"""Seconds that a writer waits for the others."""


def lock_of(folder: Path, key: str) -> Path:
    """Return the file that writers of a document lock: one for each environment, deployment.

    A writer that is stopped must hold up nobody but those who write the same.
    """
    first, _, rest = key.partition("/")
    name = ".".join(filter(None, (first, rest.partition("/")[0].removesuffix(".json"))))
    place = folder / ".locks"
    place.mkdir(exist_ok=True, mode=0o700)
    return place / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file, made if it is not there, for a block.

    Whoever has it writes one document, so who waits for long waits for nobody: a program that is
    stopped in a write, or a file system that has lost its lock server, must not hold up a run
    whose lease goes on counting. Raises RefusedError after ten seconds, OSError as it comes.
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
                raise _locked_for_long(path) from None
            time.sleep(0.005)
        else:
            return


def is_held(path: Path) -> bool | None:
    """Tell whether anybody holds a lock on a file; None where there is none, or none to be had.

    The kernel lets a lock go when its holder ends, however it ends: so who lives is told from who
    was killed without a heartbeat, or a pid that may be another's by now.
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


def _locked_for_long(path: Path) -> RefusedError:
    return RefusedError(
        f"[state] {path}",
        f"another program has had this file locked for {PATIENCE:g} s, which a write takes no "
        "hundredth of: it is stopped, or it is on another machine that went away",
        f"see who: fuser -v {path}; what the file system can do: ami-pipeline doctor",
    )


def unusable(path: Path, error: OSError) -> RefusedError:
    """Return the refusal of a directory in which something cannot be done."""
    if error.errno in {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}:
        return RefusedError(
            f"[state] {path}",
            f"{error.strerror}: the file system cannot lock or sync a file",
            "see what it can do: ami-pipeline doctor; or keep state in S3, [state] url",
        )
    return RefusedError(
        f"[state] {path}",
        error.strerror or str(error),
        "make the directory writable for you, or name another as [state] url in pipeline.toml",
    )
