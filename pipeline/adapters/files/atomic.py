"""Replaces files in one step, and takes away what a writer left that was killed in the middle.

Apart from the store, for what it writes is not all that must be whole: variables, stamps, a root
module. A writer holds a lock on its unfinished file as long as it lives, so that nobody takes a
live one's away. That is not enough alone: some file systems know no locks, or none among machines,
and between making the file and locking it there is a moment. So it also must be an hour old by
the file system's own clock, or the caller must know that nobody else writes there.
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
"""Seconds after which nobody still writes a file, which takes hundredths of one."""
_UNFINISHED = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")
"""As `tempfile` names them: a prefix, and eight characters of its own."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step: readers see the old content or the new, never a part.

    What was written outlives a power cut once this returns. Raises OSError; the folder must
    be there. Nothing is left beside the file, nor what an earlier writer of it left long ago.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            _claim(handle)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            now = os.fstat(handle).st_mtime
            Path(name).chmod(mode)
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    sweep(path.parent, path.name.__eq__, before=now - OLD)


def sweep(folder: Path, ours: Callable[[str], bool], *, before: float | None = None) -> None:
    """Take away what killed writers left of files with these names; raises nothing.

    Last changed before a time by the file system's clock. Without one the caller holds what every
    writer of these files holds: whoever left something is dead.
    """
    with suppress(OSError):
        for path in _unfinished(folder, ours):
            with suppress(OSError):
                old = before is None or path.stat().st_mtime < before
                if old and is_held(path) is False:
                    path.unlink()


def _unfinished(folder: Path, ours: Callable[[str], bool]) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for each in entries:
            found = _UNFINISHED.fullmatch(each.name)
            if found and ours(found["name"]) and each.is_file(follow_symlinks=False):
                yield folder / each.name


def _claim(handle: int) -> None:
    """Hold the lock that says that we live; where a file system has none, an hour has to do."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder: a rename is in it, not in the file (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and FUSE file systems know no fsync of a folder; theirs is to be durable.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)
