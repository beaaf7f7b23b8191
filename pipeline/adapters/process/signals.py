"""Handle SIGINT, SIGTERM and SIGHUP: raise KeyboardInterrupt at once, or defer it.

Ctrl-C, a CI runner's signal and a closed terminal have the same meaning. They raise
`KeyboardInterrupt` wherever the program is. Inside `held()` they are deferred, so that a running
Packer ends properly and a cleanup is not interrupted. Inside `heard()` they are raised again.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SLICE = 0.05
"""Seconds of one sleep: Python continues a sleep after a deferred signal (PEP 475)."""


class Interrupts:
    """The signals of this process; install it once, in the main thread.

    `pending` is the last unanswered signal, `count` the number of unanswered ones. `arrived`
    counts all, so that another thread notices a signal that the main thread has answered already.
    """

    def __init__(self) -> None:
        self.pending: signal.Signals | None = None
        self.count = 0
        self.arrived = 0
        self._depth = 0
        self._heard = 0
        self._changing = threading.Lock()

    def install(self) -> None:
        """Handle SIGINT, SIGTERM and SIGHUP from now on."""
        for number in _SIGNALS:
            signal.signal(number, self._arrived)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self.pending = signal.Signals(number)
        self.count += 1
        self.arrived += 1
        if self._depth <= self._heard:
            raise KeyboardInterrupt

    def answer(self) -> int:
        """Mark the pending signals as answered; return how many there were."""
        answered, self.pending, self.count = self.count, None, 0
        return answered

    def sleep(self, seconds: float) -> None:
        """Wait; raises KeyboardInterrupt if an unanswered signal is pending, deferred or not."""
        until = time.monotonic() + seconds
        while not self.pending:
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE))
        raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Defer signals to the end of the block; a block that fails does not raise them.

        Several threads may use it; signals are deferred until the last block has ended.
        """
        self._deepen(1)
        try:
            yield
        finally:
            self._deepen(-1)
        if self.pending and self._depth <= self._heard:
            raise KeyboardInterrupt

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Raise signals at once again, inside a block of `held`, in the main thread.

        Used for a confirmation prompt and for reads before any change.
        """
        self._heard = self._depth
        try:
            if self.pending:
                raise KeyboardInterrupt
            yield
        finally:
            self._heard = 0

    def _deepen(self, by: int) -> None:
        with self._changing:
            self._depth += by
