"""AWS's control loops run by themselves, not only after a call: this is their clock.

A thread of its own, for it waits for the API's lock, which the event loop never may.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from local_cloud.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds of AWS's
SHORTEST = 0.02  # seconds of ours


@contextlib.contextmanager
def ticking(cloud: Cloud, lock: AbstractContextManager[Any]) -> Iterator[None]:
    """Run what is periodic in the cloud for as long as the block lasts.

    The thread is told to end, not waited for: it may be waiting for the lock.
    """
    told = threading.Event()
    pause = max(cloud.ground.clock.scaled(EVERY), SHORTEST)

    def run() -> None:
        while not told.wait(pause):
            with lock:
                if not told.is_set():
                    tick(cloud)

    thread = threading.Thread(target=run, name="ticker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        told.set()


def tick(cloud: Cloud) -> None:
    """Run everything once; a failure is logged and ends nothing."""
    try:
        moved = [run() for run in cloud.periodic]
        if any(moved):
            cloud.changed()
    except Exception:  # the next tick may do better, and the cloud must live
        log.exception("a control loop failed")
