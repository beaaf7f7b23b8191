"""Wait for a Terraform that outlived its run: its supervisor is still ending it.

Until Terraform has ended, its state is not saved. A run that read the state or deleted the lock in
S3 now would act on incomplete data. So the supervisor holds a lock on the log, as a bake does
(ADR 0004), and a run that replaces a dead one waits for that lock first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.adapters.files.lock import is_held
from pipeline.core.events import Message, Report

INTERVAL = 0.1
"""Seconds between two checks of the lock."""


@contextmanager
def shared_lock(log: Path) -> Iterator[int]:
    """Hold a shared lock on an existing log; a process that inherits the descriptor keeps it."""
    handle = os.open(log, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield handle
    finally:
        os.close(handle)


def await_end(log: Path, limit: float, *, wait: Callable[[float], None], report: Report) -> None:
    """Return when no process holds the log's lock, or after `limit` seconds."""
    if not is_held(log):
        return
    report(Message(text="waiting for Terraform of the previous run to save its state and finish"))
    for _ in range(round(limit / INTERVAL)):
        wait(INTERVAL)
        if not is_held(log):
            return
