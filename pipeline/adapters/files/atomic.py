"""Replace files atomically, and delete the temporary files of killed writers.

Used by the store, and for variables, stamps and root modules. A writer locks its temporary file
while it runs, so that a live writer's file is not deleted. The lock is not enough: some file
systems have no locks, or none among machines, and a file exists shortly before it is locked. So a
deleted file must also be an hour old by the file system's clock, or the caller must hold the lock
of all its writers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.adapters.files.lock import is_held

OLD = 3600.0
"""Seconds after which a temporary file is abandoned; a write takes milliseconds."""
_UNFINISHED = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")
"""The names that `tempfile` makes: a prefix and eight characters of its own."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file atomically: readers see the old content or the new, never a part.

    The new content is on the disk when this returns. The folder must exist. No temporary file
    stays, and abandoned ones of the same file are deleted. Raises OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _lock_while_open(handle)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            written = os.fstat(handle).st_mtime
            Path(name).chmod(mode)
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    sweep(path.parent, path.name.__eq__, before=written - OLD)


def sweep(folder: Path, matches: Callable[[str], bool], *, before: float | None = None) -> None:
    """Delete the temporary files of killed writers of these files; raises nothing.

    `matches` takes a file's final name. `before` is a time of the file system's clock: only older
    files are deleted. Without it the caller must hold the lock of all writers of these files.
    """
    with suppress(OSError):
        for path in _unfinished(folder, matches):
            with suppress(OSError):
                old = before is None or path.stat().st_mtime < before
                if old and is_held(path) is False:
                    path.unlink()


def _unfinished(folder: Path, matches: Callable[[str], bool]) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for each in entries:
            found = _UNFINISHED.fullmatch(each.name)
            if found and matches(found["name"]) and each.is_file(follow_symlinks=False):
                yield folder / each.name


def _lock_while_open(handle: int) -> None:
    """Mark the file as one of a live writer; without locks its age has to suffice."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sync_folder(folder: Path) -> None:
    """Sync a folder: it holds the result of a rename, not the file itself (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and FUSE file systems cannot sync a folder.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)
