"""Run AWS's control loops periodically, not only after a call.

A thread of its own: it waits for the API's lock, which the event loop must never do.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from local_cloud.cloud import Cloud

log = logging.getLogger(__name__)

EVERY = 1.0  # AWS's seconds
SHORTEST = 0.02  # real seconds


@contextmanager
def ticking(cloud: Cloud, lock: AbstractContextManager[Any]) -> Iterator[None]:
    """Run the cloud's control loops for as long as the block lasts.

    The end of the block does not wait for the thread, which may be waiting for the lock.
    """
    stopped = threading.Event()
    pause = max(cloud.host.clock.scaled(EVERY), SHORTEST)

    def run() -> None:
        while not stopped.wait(pause):
            with lock:
                if not stopped.is_set():
                    tick(cloud)

    thread = threading.Thread(target=run, name="ticker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()


def tick(cloud: Cloud) -> None:
    """Run every control loop once; log a failure and go on."""
    try:
        moved = [run() for run in cloud.periodic]
        if any(moved):
            cloud.changed()
    except Exception:  # the next tick may succeed, and the cloud must go on
        log.exception("a control loop failed")
