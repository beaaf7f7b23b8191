"""What a run started and its guardian still sees to its end, after the run itself was killed.

A Terraform that is ending has not saved its state yet: who reads the state then, or takes the lock
in S3 away, decides by half of the truth. So its guardian holds a lock on the log that is written
meanwhile, as a bake does (ADR 0004), and whoever takes over from a dead run waits for that first.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.adapters.files.lock import is_held
from pipeline.core.events import Message, Report

LOOK = 0.1
"""Seconds between two looks."""


@contextmanager
def held(log: Path) -> Iterator[int]:
    """Lock a log that is there, together with others; whoever inherits this goes on with it."""
    handle = os.open(log, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield handle
    finally:
        os.close(handle)


def await_end(log: Path, limit: float, *, wait: Callable[[float], None], report: Report) -> None:
    """Return once nobody holds a log any more, or after `limit` seconds."""
    if not is_held(log):
        return
    report(Message(text="terraform of the run that died still ends and saves its state"))
    for _ in range(round(limit / LOOK)):
        wait(LOOK)
        if not is_held(log):
            return
