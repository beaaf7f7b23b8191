"""Signals that ask the tool to end: raised at once, or held back while something must finish.

Ctrl-C, a CI runner's SIGINT or SIGTERM and a closed terminal all mean the same
here. While nothing is at stake they raise `KeyboardInterrupt` where the program
stands; inside `held()` they are only noted, so that a running Packer is ended
properly and a clean-up is not cut in two; inside `heard()` they are raised again.
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
"""Seconds: Python goes on sleeping after a signal that was only noted (PEP 475)."""


class Interrupts:
    """The signals of this process; install once, from the main thread.

    `pending` and `count` are of the signals that nobody has answered; `arrived` counts all, so
    that a child in another thread hears of one that the main thread has answered already.
    """

    def __init__(self) -> None:
        self.pending: signal.Signals | None = None
        self.count = 0
        self.arrived = 0
        self._depth = 0
        self._heard = 0
        self._changing = threading.Lock()

    def install(self) -> None:
        """Take over SIGINT, SIGTERM and SIGHUP."""
        for number in _SIGNALS:
            signal.signal(number, self._arrived)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        self.pending = signal.Signals(number)
        self.count += 1
        self.arrived += 1
        if self._depth <= self._heard:
            raise KeyboardInterrupt

    def answer(self) -> int:
        """Take the signals that came so far as answered, and return how many there were."""
        answered, self.pending, self.count = self.count, None, 0
        return answered

    def sleep(self, seconds: float) -> None:
        """Wait; raises KeyboardInterrupt once an unanswered signal is there, held back or not."""
        until = time.monotonic() + seconds
        while not self.pending:
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE))
        raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Note signals instead of raising; one noted inside is raised when the block ends well.

        Threads may hold at once; signals are noted until the last block has ended.
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
        """Raise signals at once again, inside a block that holds them back: nothing is at stake.

        For a person's answer, and for reading before anything is changed. From the main thread.
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
