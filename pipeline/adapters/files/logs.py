"""Write the logs of the programs that this one starts; only their owner can read them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import RefusedError


@contextmanager
def appending(log: Path, most: int = 0) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that appends to a log, created if needed; raises RefusedError.

    A log of `most` bytes or more becomes `NAME.old` first, in place of an earlier one; 0 is no
    limit. A run that has it open continues to write there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if most and log.is_file() and log.lstat().st_size >= most:
            log.replace(log.with_name(f"{log.name}.old"))
        handle = os.open(log, flags, 0o600)
    except OSError as error:
        raise unwritable(log, error) from error
    with os.fdopen(handle, "wb", buffering=0) as file:
        yield file.write


def unwritable(log: Path, error: OSError) -> RefusedError:
    """Return the error about a log that cannot be opened."""
    return RefusedError(
        f"the log {log}",
        error.strerror or str(error),
        "make its folder writable for you, then run the command again",
    )
